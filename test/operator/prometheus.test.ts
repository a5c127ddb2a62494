/** Do analyses get the number that a real Prometheus gives, and nothing from servers that answer otherwise? */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { askPrometheus, Prometheus } from "../../operator/prometheus.ts";
import { Redacted } from "../../routing/secrets.ts";

const MISSING = "prometheus is not on the PATH, and these tests need a real one: apt-get install prometheus";
const ask = (url: string, query: string, token?: string) =>
  askPrometheus({ name: "Tickets", url, query, token: token === undefined ? undefined : new Redacted(token) });

describe("a real Prometheus", () => {
  const folder = mkdtempSync(join(tmpdir(), "tandem-prometheus-"));
  let server: ChildProcess | undefined;
  let url = "";

  before(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    writeFileSync(join(folder, "prometheus.yml"), "global: {}\n");
    const options = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`];
    server = spawn("prometheus", [...options, `--web.listen-address=127.0.0.1:${port}`], { stdio: "ignore" });
    const failed = once(server, "error").then(([error]) => {
      throw (error as NodeJS.ErrnoException).code === "ENOENT" ? new Error(MISSING) : error;
    });
    await Promise.race([failed, isReady(url)]);
  });

  after(async () => {
    if (server?.exitCode === null) {
      server.kill("SIGKILL");
      await once(server, "exit");
    }
    rmSync(folder, { recursive: true, force: true });
  });

  test("gives a scalar and a vector of one", async () => {
    assert.deepEqual(await ask(url, "scalar(vector(42.5))"), { value: 42.5 });
    assert.deepEqual(await ask(`${url}/`, "vector(7)"), { value: 7 });
  });

  test("gives no number for what is none", async () => {
    assert.deepEqual(await ask(url, "vector(1) / 0"), { problem: "the query gives no finite number" });
    const many = 'label_replace(vector(1), "a", "b", "", "") or vector(2)';
    const said = { problem: "the query gives 2 series instead of one: aggregate them, as with sum()" };
    assert.deepEqual(await ask(url, many), said);
    assert.match(JSON.stringify(await ask(url, "nobody_measures_this")), /gives 0 series/);
    assert.deepEqual(await ask(url, "vector(1)[5m:1m]"), {
      problem: "the answer is neither a scalar nor an instant vector",
    });
    assert.deepEqual(await ask(url, "sum("), { problem: "the server answered HTTP 400" });
  });

  test("is asked in the background, and what it said does not count for ever", async () => {
    let now = 1_000_000;
    const prometheus = new Prometheus(() => now);
    const queries = [
      { name: "Tickets", url, query: "vector(3)", token: undefined },
      { name: "Nothing", url, query: "sum(", token: undefined },
    ];
    assert.equal(prometheus.values(queries).size, 0);
    while (prometheus.values(queries).size === 0) await sleep(5);
    assert.deepEqual([...prometheus.values(queries)], [["Tickets", 3]]);
    while (prometheus.problem(queries[1] as (typeof queries)[1]) === undefined) await sleep(5);
    now += 31_000;
    assert.equal(prometheus.values(queries).size, 0);
    prometheus.stop();
  });
});

describe("another server", () => {
  async function serving(answer: RequestListener): Promise<string> {
    const server = createServer(answer);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    after(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test("gets the token, and does not lead it elsewhere", async () => {
    const seen: (string | undefined)[] = [];
    const target = await serving((request, response) => {
      seen.push(request.headers.authorization);
      response.end('{"status":"success","data":{"resultType":"scalar","result":[1,"5"]}}');
    });
    const lead = await serving((_, response) => response.writeHead(307, { location: `${target}/api/v1/query` }).end());
    assert.deepEqual(await ask(target, "up", "a-token"), { value: 5 });
    assert.deepEqual(await ask(lead, "up", "a-token"), { problem: "the server cannot be reached" });
    assert.deepEqual(seen, ["Bearer a-token"]);
  });

  test("is not believed, and nothing of what it says is told", async () => {
    const answers = [
      "<html>secret</html>",
      '{"status":"success"}',
      '{"status":"error","error":"secret"}',
      '{"status":"success","data":{"resultType":"scalar","result":[1,"secret"]}}',
      "null",
    ];
    for (const body of answers) {
      const url = await serving((_, response) => response.end(body));
      const said = await ask(url, "up");
      assert.ok("problem" in said && !said.problem.includes("secret"), body);
    }
    const large = await serving((_, response) => response.end("x".repeat(1024 * 1024 + 1)));
    assert.deepEqual(await ask(large, "up"), { problem: "the answer is larger than 1048576 bytes" });
  });
});

async function isReady(url: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/-/ready`).catch(() => undefined);
    if (response?.ok) return;
    await sleep(50);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
