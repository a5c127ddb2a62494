/** How does a test keep asking from inside the cluster, and hear of every request that failed? */
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../cluster/client.ts";

export interface LoadReport {
  readonly ok: number;
  /** By what went wrong: a status with its code, or the connection's error. */
  readonly failed: Readonly<Record<string, number>>;
  readonly providers: Readonly<Record<string, number>>;
  readonly pods: number;
  /** Of the successful ones, milliseconds. */
  readonly slowest: number;
}

export interface Load {
  /** Counts anew, and on new connections, which the Service spreads over the pods. */
  begin(): Promise<void>;
  /** Since `begin`. */
  report(): Promise<LoadReport>;
  /** The same, once every connection has carried a request that was sent after this call. */
  settled(): Promise<LoadReport>;
  /** Lets what is in flight end, and answers the sum. */
  stop(): Promise<LoadReport>;
}

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * A client that keeps its connections and never tries again, as the strictest of users: a few connections, a request
 * after the other on each, plain and streams in turn. It counts, and is asked on :9000.
 */
const CLIENT = `
const http = require("node:http");
const newAgent = () => new http.Agent({ keepAlive: true, maxSockets: 8 });
const newSum = () => ({ ok: 0, failed: {}, providers: {}, pods: 0, slowest: 0 });
let agent = newAgent(), sum = newSum();
const fail = (what) => { sum.failed[what] = (sum.failed[what] ?? 0) + 1; };
let running = true, open = 0, n = 0;
const rounds = [0, 0, 0, 0, 0, 0];
const url = new URL(process.env.TANDEM_URL + "/v1/chat/completions");
function ask() {
  return new Promise((done) => {
    const stream = n++ % 3 === 0;
    const body = JSON.stringify({ model: "gpt-4o", stream, messages: [{ role: "user", content: "Hello" }] });
    const began = performance.now();
    const request = http.request(url, { method: "POST", agent, headers: {
      authorization: "Bearer " + process.env.TANDEM_KEY, "content-type": "application/json", "content-length": Buffer.byteLength(body) } });
    request.on("error", (error) => { fail(error.code ?? error.message); done(); });
    // Where packets are dropped the kernel would go on trying for more than two minutes.
    request.on("socket", (socket) => {
      if (!socket.connecting) return;
      const late = Object.assign(new Error("no connection"), { code: "ETIMEDOUT" });
      const timer = setTimeout(() => request.destroy(late), ${CONNECT_TIMEOUT_MS});
      for (const event of ["connect", "close"]) socket.once(event, () => clearTimeout(timer));
    });
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => { text += part; });
      response.on("error", (error) => { fail("answer " + (error.code ?? error.message)); done(); });
      response.on("end", () => {
        const whole = stream ? text.includes("data: [DONE]") && !text.includes('"error"') : text.endsWith("}");
        if (response.statusCode !== 200 || !whole) {
          let code = ""; try { code = JSON.parse(text).error.code; } catch { code = text.slice(-120); }
          fail(response.statusCode + " " + code);
        } else {
          sum.ok++;
          const who = response.headers["x-tandem-provider"];
          sum.providers[who] = (sum.providers[who] ?? 0) + 1;
          sum.slowest = Math.max(sum.slowest, performance.now() - began);
        }
        done();
      });
    });
    request.end(body);
  });
}
const pause = (ms) => new Promise((r) => setTimeout(r, ms));
async function worker(i) { while (running) { open++; await ask(); open--; rounds[i]++; await pause(15); } }
for (const i of rounds.keys()) worker(i);
// The one in flight may have begun before; the one after it has not.
async function settled() {
  const before = [...rounds];
  while (rounds.some((count, i) => count < before[i] + 2)) await pause(10);
}
const actions = {
  "/begin": async () => { const old = agent; agent = newAgent(); await settled(); old.destroy(); sum = newSum(); },
  "/report": async () => {},
  "/settled": settled,
  "/stop": async () => { running = false; while (open > 0) await pause(10); },
};
http.createServer(async (request, response) => {
  await actions[request.url]();
  response.end(JSON.stringify(sum));
}).listen(9000);
`;

const POD = "load";

/** `url` as pods see the gateway. One at a time in a namespace. */
export async function startLoad(cluster: Cluster, namespace: string, url: string, key: string): Promise<Load> {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: POD, namespace },
    spec: {
      restartPolicy: "Never",
      containers: [
        {
          name: "load",
          image: cluster.image,
          command: ["node", "-e", CLIENT],
          readinessProbe: { tcpSocket: { port: 9000 }, periodSeconds: 1 },
          env: [
            { name: "TANDEM_URL", value: url },
            { name: "TANDEM_KEY", value: key },
          ],
        },
      ],
      terminationGracePeriodSeconds: 1,
    },
  };
  await cluster.kubectl(["apply", "-f", "-"], JSON.stringify(pod));
  await cluster.kubectl(["-n", namespace, "wait", "--for=condition=Ready", `pod/${POD}`, "--timeout=60s"]);
  const ask = async (what: string): Promise<LoadReport> => {
    const path = `/api/v1/namespaces/${namespace}/pods/${POD}:9000/proxy/${what}`;
    return JSON.parse(await cluster.kubectl(["get", "--raw", path])) as LoadReport;
  };
  // The first answer shows that there is something to lose.
  while ((await ask("report")).ok === 0) await sleep(200);
  return {
    begin: async () => void (await ask("begin")),
    report: () => ask("report"),
    settled: () => ask("settled"),
    stop: async () => {
      const report = await ask("stop");
      await cluster.kubectl(["-n", namespace, "delete", "pod", POD, "--wait=true"]);
      return report;
    },
  };
}
