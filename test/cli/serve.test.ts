/** Does `tandem run` serve, say what it must, keep secrets to itself and end well? */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { CONNECT_TO, openai, quickstartCopy, runOver } from "./over-simulators.ts";
import { chat, QUICKSTART, startGatewayCommand, tandem, temporaryFolder } from "./tandem.ts";

test("a chat is answered and logged, a wrong key is not let in, SIGTERM ends with 0", async () => {
  const { url, child, ended } = await runOver([QUICKSTART], { TANDEM_DEMO_KEY: "tdm-planted-client-key" });
  assert.equal((await chat(url, "tdm-planted-client-key")).provider, "openai");
  assert.equal((await chat(url, "tdm-planted-wrong-key")).status, 401);
  child.kill("SIGTERM");
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 0, stderr);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(lines.length, 2, stdout);
  assert.deepEqual(
    lines.map(({ status }) => status),
    [200, 401],
  );
  assert.doesNotMatch(stdout + stderr, /planted|sk-demo-openai|demo-azure-key/);
});

test("a request in flight ends whole before the process does", async () => {
  const { url, child, ended } = await runOver([QUICKSTART]);
  openai.fault({ fault: "slow-first-byte;ms=600", times: 1 });
  const answer = chat(url);
  await new Promise((resolve) => setTimeout(resolve, 200));
  child.kill("SIGTERM");
  assert.equal((await answer).status, 200);
  assert.equal((await ended).code, 0);
});

test("an address in use, a missing PATH and a broken file each end it with one line", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const address = `127.0.0.1:${(taken.address() as { port: number }).port}`;
  const folder = await temporaryFolder();
  const torn = join(folder, "torn.yaml");
  await writeFile(torn, "kind: [\n");
  const free = ["--admin", "127.0.0.1:0", "--state", folder];
  const [inUse, missing, broken] = await Promise.all([
    tandem(["run", "--manifests", QUICKSTART, "--listen", address, ...free]),
    tandem(["run", "--manifests", join(folder, "nowhere"), "--listen", "127.0.0.1:0", ...free]),
    tandem(["run", "--manifests", torn, "--listen", "127.0.0.1:0", ...free]),
  ]);
  taken.close();
  assert.deepEqual([inUse.code, missing.code, broken.code], [1, 1, 1]);
  assert.ok(inUse.stderr.includes(`${address} is in use`), inUse.stderr);
  assert.match(missing.stderr, /nowhere: /);
  assert.match(broken.stderr, /torn\.yaml:\d+: /);
  for (const { stderr } of [inUse, missing, broken]) assert.equal(stderr.trim().split("\n").length, 1, stderr);
});

test("callers without a key exist only with --allow-anonymous", async () => {
  const [closed, open] = await Promise.all([
    runOver([QUICKSTART]),
    startGatewayCommand(["--manifests", QUICKSTART, ...CONNECT_TO, "--allow-anonymous", "ai"]),
  ]);
  const ask = (url: string) => fetch(`${url}/v1/models`, { headers: { connection: "close" } });
  assert.equal((await ask(closed.url)).status, 401);
  assert.equal((await ask(open.url)).status, 200);
  closed.child.kill("SIGTERM");
  open.child.kill("SIGINT");
  assert.deepEqual([(await closed.ended).code, (await open.ended).code], [0, 0]);
});

test("flags may stand in the environment, and settings in a file", async () => {
  const folder = await temporaryFolder();
  const settings = join(folder, "settings.yaml");
  await writeFile(settings, "limits: {requestBytes: 1Ki}\n");
  const { url, child, ended } = await startGatewayCommand(CONNECT_TO, {
    TANDEM_MANIFESTS: QUICKSTART,
    TANDEM_SETTINGS: settings,
  });
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: {
      authorization: "Bearer tdm-demo-key-for-trying-out",
      "content-type": "application/json",
      connection: "close",
    },
    body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "x".repeat(2000) }] }),
  });
  assert.equal(response.status, 413);
  await response.text();
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
});

test("the shared state's address stands in the environment only, and is never repeated", async () => {
  const folder = await temporaryFolder();
  const settings = join(folder, "settings.yaml");
  await writeFile(settings, "sharedState: {urlSecretRef: {name: redis, key: url}}\n");
  const args = ["run", "--manifests", QUICKSTART, "--settings", settings];
  const missing = await tandem(args);
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /sharedState: set TANDEM_SHARED_STATE_URL to the address in key url of Secret redis/);
  const wrong = await tandem(args, { TANDEM_SHARED_STATE_URL: "http://:hidden@redis:6379" });
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.stderr, /TANDEM_SHARED_STATE_URL is not an address such as redis:/);
  assert.doesNotMatch(wrong.stderr, /hidden/);
});

test("what is not fine with an object is told with its place", async () => {
  const folder = await quickstartCopy();
  const file = join(folder, "02.yaml");
  await writeFile(
    file,
    "apiVersion: tandem.dev/v1alpha1\nkind: AIClient\nmetadata: {name: keyless, namespace: ai}\nspec:\n  keys:\n  - {name: current, secretRef: {name: nowhere, key: key}}\n",
  );
  const { child, ended, stderr } = await runOver([folder]);
  assert.match(stderr(), /02\.yaml:\d+: AIClient ai\/keyless: .*ResolvedRefs=False SecretNotFound/);
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
});

test("a second signal ends it at once, in-flight requests or not", async () => {
  const { url, child, ended } = await runOver([QUICKSTART]);
  openai.fault({ fault: "slow-first-byte;ms=10000", times: 1 });
  const cut = assert.rejects(chat(url));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const began = performance.now();
  child.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(child.exitCode, null, "it waits for what is in flight");
  child.kill("SIGTERM");
  assert.notEqual((await ended).code, 0);
  assert.ok(performance.now() - began < 2000, "it does not wait any more");
  await cut;
});
