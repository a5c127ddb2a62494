/** One request id finds a request in the answer, the access log, the traces and at both providers. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createLogger, LogDestination } from "../../../proxy/telemetry/log.ts";
import { AZURE_KEY, KEY, OPENAI_KEY, objects, startHarness } from "../harness.ts";
import { checkHistogram, parsePrometheus } from "./prometheus-text.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PROMPT = "planted-prompt-content";
const ANSWER = "planted-answer-content";

const folder = mkdtempSync(join(tmpdir(), "tandem-one-id-"));
after(() => rmSync(folder, { recursive: true }));

interface Seen {
  headers: IncomingMessage["headers"];
  body: string;
}

async function server(
  answer: (...args: [...Parameters<RequestListener>, Seen]) => void,
): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const running = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk) => chunks.push(chunk));
    req.on("end", () => {
      const entry = { headers: req.headers, body: Buffer.concat(chunks).toString() };
      seen.push(entry);
      answer(req, res, entry);
    });
  });
  running.listen(0, "127.0.0.1");
  await once(running, "listening");
  after(() => running.close().closeAllConnections());
  return { url: `http://127.0.0.1:${(running.address() as AddressInfo).port}`, seen };
}

test("a failover, seen from everywhere", { timeout: 30_000 }, async () => {
  const openai = await server((req, res) => {
    if (req.method === "GET") return res.end('{"data":[]}');
    return res.writeHead(503, { "x-request-id": "req_openai" }).end('{"error":{"message":"busy"}}');
  });
  const usage = { prompt_tokens: 7, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 2 } };
  const azure = await server((req, res) => {
    if (req.method === "GET") return res.end('{"data":[]}');
    const choices = [{ index: 0, message: { role: "assistant", content: ANSWER }, finish_reason: "stop" }];
    const body = JSON.stringify({ id: "c", object: "chat.completion", choices, usage });
    return res.writeHead(200, { "content-type": "application/json", "apim-request-id": "apim-azure" }).end(body);
  });
  const collector = await server((_req, res) => res.setHeader("content-type", "application/json").end("{}"));
  const env = {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_BSP_SCHEDULE_DELAY: "20",
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=planted-collector-key",
  };
  Object.assign(process.env, env);
  const accessFile = join(folder, "access.log");
  const logFile = join(folder, "program.log");
  const logDestination = new LogDestination(logFile);
  const harness = await startHarness({
    openai: openai.url,
    azure: azure.url,
    env: process.env,
    log: createLogger(logDestination, "debug"),
    accessLog: new LogDestination(accessFile),
  });
  const verdicts = harness.apply(objects());
  assert.ok(verdicts.length > 0);

  const response = await harness.post(
    "/v1/chat/completions",
    { model: "gpt-4o", messages: [{ role: "user", content: PROMPT }] },
    { traceparent: `00-${TRACE}-b7ad6b7169203331-01` },
  );
  assert.equal(response.status, 200);
  assert.match(await response.text(), new RegExp(ANSWER));
  const id = response.headers.get("x-request-id") ?? "";
  assert.match(id, /^req_/);

  const metrics = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
  const status = await (await fetch(`${harness.gateway.adminUrl}/status`)).text();
  const spansOf = () => collector.seen.flatMap(({ body }) => JSON.parse(body).resourceSpans[0].scopeSpans[0].spans);
  while (spansOf().length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
  await harness.gateway.close({ drainMs: 1000 });
  await logDestination.close(1000);
  for (const name of Object.keys(env)) delete process.env[name];

  // Both providers got the id and a context of the same trace.
  const [first] = openai.seen.filter(({ body }) => body !== "");
  const [second] = azure.seen.filter(({ body }) => body !== "");
  assert.equal(first?.headers["x-client-request-id"], id);
  assert.equal(second?.headers["x-ms-client-request-id"], id);

  const spans = spansOf();
  assert.equal(spans.length, 3);
  for (const span of spans) {
    assert.equal(span.traceId, TRACE);
    const attribute = span.attributes.find(({ key }: { key: string }) => key === "tandem.request.id");
    assert.equal(attribute.value.stringValue, id);
  }
  const parents = [first, second].map((seen) => String(seen?.headers.traceparent).split("-")[2]);
  const ids = spans.filter(({ kind }) => kind === 3).map(({ spanId }) => spanId);
  assert.deepEqual(ids.sort(), parents.sort());

  const lines = readFileSync(accessFile, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, 1);
  const [line] = lines;
  assert.equal(line.request_id, id);
  assert.equal(line.trace_id, TRACE);
  assert.equal(line.client, "ai/app");
  assert.equal(line.provider, "azure-sweden");
  assert.equal(line.upstream_model, "gpt-4o-prod");
  assert.equal(line.outcome, "ok");
  assert.equal(line.input_tokens, 7);
  assert.deepEqual(
    line.attempts.map(({ outcome, request_id }: Record<string, string>) => [outcome, request_id]),
    [
      ["server_error", "req_openai"],
      ["ok", "apim-azure"],
    ],
  );

  const families = parsePrometheus(metrics);
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  const sample = (name: string) => families.get(name)?.samples[0];
  assert.deepEqual(sample("tandem_requests_total"), {
    name: "tandem_requests_total",
    labels: { route: "ai/chat", provider: "azure-sweden", backend: "azure", model: "gpt-4o", status: "200" },
    value: 1,
  });
  assert.deepEqual(sample("tandem_failovers_total")?.labels, {
    route: "ai/chat",
    from: "openai",
    to: "azure",
    reason: "server_error",
  });
  const hash = sample("tandem_config_info")?.labels.hash;
  assert.equal(JSON.parse(status).table.hash, hash);
  const sum = (name: string) => families.get(name)?.samples.find((one) => one.name === `${name}_sum`)?.value ?? -1;
  const overhead = sum("tandem_gateway_overhead_seconds");
  assert.ok(overhead > 0 && overhead < sum("tandem_request_duration_seconds"), String(overhead));

  const everything = [
    metrics,
    status,
    ...collector.seen.map(({ body }) => body),
    readFileSync(accessFile, "utf8"),
    readFileSync(logFile, "utf8"),
  ];
  for (const secret of [PROMPT, ANSWER, KEY, OPENAI_KEY, AZURE_KEY, "planted-collector-key"]) {
    for (const text of everything) assert.ok(!text.includes(secret), secret);
  }
});
