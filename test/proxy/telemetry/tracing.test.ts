import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { createLogger } from "../../../proxy/telemetry/log.ts";
import { PASSING_ON, readContext, startTracing } from "../../../proxy/telemetry/tracing.ts";
import { attempt, exchange } from "./exchange-fixture.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const OPENAI = { type: "OpenAI", endpoint: "https://api.openai.com/v1" } as const;
const AZURE = { type: "AzureOpenAI", endpoint: "https://contoso-sweden.openai.azure.com" } as const;

interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Record<string, unknown> }[];
  status: { code?: number };
}

const lines: string[] = [];
const log = createLogger({ write: (line) => lines.push(line) }, "debug");
const received: { type: string | undefined; body: Buffer }[] = [];
const collector = await listen(
  createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk) => chunks.push(chunk));
    req.on("end", () => {
      received.push({ type: req.headers["content-type"], body: Buffer.concat(chunks) });
      res.setHeader("content-type", "application/json").end("{}");
    });
  }),
);
after(() => collector.server.close());
const ENV = {
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
};

/** The SDK reads the process's own variables. */
async function traced(env: Record<string, string>) {
  Object.assign(process.env, env);
  received.length = 0;
  const tracing = await startTracing(process.env, log);
  return {
    tracing,
    async end() {
      await tracing.close();
      for (const name of Object.keys(env)) delete process.env[name];
    },
  };
}

test("off: a well-formed context goes on unchanged, anything else goes nowhere", () => {
  const one = exchange();
  PASSING_ON.startServer({ traceparent: PARENT, tracestate: "vendor=1" }, one);
  assert.deepEqual(PASSING_ON.startAttempt(one, attempt(), OPENAI), { traceparent: PARENT, tracestate: "vendor=1" });
  assert.equal(PASSING_ON.traceID(one), TRACE);
  const none = exchange();
  PASSING_ON.startServer({ tracestate: "vendor=1" }, none);
  assert.deepEqual(PASSING_ON.startAttempt(none, attempt(), OPENAI), {});
  assert.equal(PASSING_ON.traceID(none), undefined);
});

test("what is a trace context and what is not", () => {
  assert.equal(readContext({ traceparent: PARENT })?.flags, 1);
  assert.equal(readContext({ traceparent: `cc-${TRACE}-b7ad6b7169203331-01-what-the-future-adds` })?.traceID, TRACE);
  for (const traceparent of [
    "",
    "x",
    `ff-${TRACE}-b7ad6b7169203331-01`,
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-b7ad6b7169203331-01`,
    `${PARENT}-more`,
    `${PARENT}\r\nx: y`,
    `cc-${TRACE}-b7ad6b7169203331-01-${"x".repeat(500)}`,
  ]) {
    assert.equal(readContext({ traceparent }), undefined, traceparent);
  }
  assert.deepEqual(readContext({ traceparent: PARENT, tracestate: "x".repeat(513) })?.headers, { traceparent: PARENT });
});

test("off by default, and the SDK is not even loaded", async () => {
  assert.equal(await startTracing({}, log), PASSING_ON);
  assert.equal(await startTracing({ ...ENV, OTEL_SDK_DISABLED: "true" }, log), PASSING_ON);
  const url = new URL("../../../proxy/telemetry/tracing.ts", import.meta.url).href;
  const program = `
    import { registerHooks } from "node:module";
    registerHooks({ resolve: (name, context, next) => {
      if (name.includes("opentelemetry")) throw new Error("loaded " + name);
      return next(name, context);
    } });
    const { startTracing } = await import(${JSON.stringify(url)});
    await startTracing({}, { error: (fields) => { throw fields.err } });`;
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});

test("a failover is one server span and two attempts, found by one id", async () => {
  const { tracing, end } = await traced(ENV);
  const failed = attempt({ outcome: "rate_limited", status: 429, endedAt: 1050, detail: "rate_limit_exceeded" });
  const answered = attempt({
    provider: "azure-sweden",
    backend: "azure",
    upstreamModel: "gpt-4o-prod",
    model: "gpt-4o",
    startedAt: 1051,
    providerRequestID: "apim-1",
    changed: "store=dropped",
  });
  const one = exchange({ attempts: [failed, answered], decision: "failover:rate_limited" });
  tracing.startServer({ traceparent: PARENT, tracestate: "vendor=1" }, one);
  const first = tracing.startAttempt(one, failed, OPENAI);
  const second = tracing.startAttempt(one, answered, AZURE);
  assert.equal(tracing.traceID(one), TRACE);
  tracing.end(one);
  await end();

  const spans = spansOf(received);
  assert.equal(received[0]?.type, "application/json");
  const server = spans.find(({ kind }) => kind === 2) as OtlpSpan;
  const attempts = spans
    .filter(({ kind }) => kind === 3)
    .sort((a, b) => (a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1));
  assert.equal(attempts.length, 2);
  for (const span of spans) assert.equal(span.traceId, TRACE);
  assert.equal(server.parentSpanId, "b7ad6b7169203331");
  assert.equal(server.name, "POST /v1/chat/completions");
  assert.deepEqual(attributes(server), {
    "http.request.method": "POST",
    "url.path": "/v1/chat/completions",
    "url.scheme": "http",
    "http.route": "/v1/chat/completions",
    "http.response.status_code": 200,
    "tandem.request.id": "req_1",
    "tandem.client": "ai/demo",
    "tandem.route": "ai/gpt-4o",
    "tandem.decision": "failover:rate_limited",
    "tandem.outcome": "ok",
  });
  const [a, b] = attempts as [OtlpSpan, OtlpSpan];
  for (const span of attempts) assert.equal(span.parentSpanId, server.spanId);
  assert.deepEqual(first, { traceparent: `00-${TRACE}-${a.spanId}-01`, tracestate: "vendor=1" });
  assert.deepEqual(second, { traceparent: `00-${TRACE}-${b.spanId}-01`, tracestate: "vendor=1" });
  assert.equal(a.name, "chat gpt-4o");
  assert.equal(a.status.code, 2);
  assert.equal(attributes(a)["error.type"], "rate_limited");
  assert.equal(attributes(a)["gen_ai.provider.name"], "openai");
  assert.equal(attributes(a)["gen_ai.usage.input_tokens"], undefined);
  assert.deepEqual(attributes(b), {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "azure.ai.openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 20,
    "server.address": "contoso-sweden.openai.azure.com",
    "server.port": 443,
    "http.request.method": "POST",
    "http.request.resend_count": 1,
    "http.response.status_code": 200,
    "tandem.request.id": "req_1",
    "tandem.provider": "azure-sweden",
    "tandem.backend": "azure",
    "tandem.deployment": "gpt-4o-prod",
    "tandem.provider.request_id": "apim-1",
    "tandem.attempt.changed": "store=dropped",
    "azure.service.request.id": "apim-1",
  });
  // Times come from the records: the second attempt ran from 51 to 102 ms after the request's start.
  const start = BigInt(one.time) * 1_000_000n;
  assert.equal((BigInt(b.startTimeUnixNano) - start) / 1_000_000n, 51n);
  assert.equal((BigInt(b.endTimeUnixNano) - start) / 1_000_000n, 102n);
  assert.equal((BigInt(server.endTimeUnixNano) - start) / 1_000_000n, 104n);
});

test("the resource is named and says nothing of the command line", async () => {
  const { tracing, end } = await traced(ENV);
  const one = exchange({ attempts: [] });
  tracing.startServer({}, one);
  tracing.end(one);
  await end();
  const body = received.map(({ body }) => body.toString()).join("");
  const resource = JSON.parse(body).resourceSpans[0].resource;
  assert.equal(attributes(resource)["service.name"], "tandem");
  assert.doesNotMatch(body, /process\.command|host\.name/);
});

test("protobuf is the default on the wire", async () => {
  const { tracing, end } = await traced({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  const one = exchange({ attempts: [] });
  tracing.startServer({}, one);
  tracing.end(one);
  await end();
  assert.equal(received[0]?.type, "application/x-protobuf");
  assert.ok(received[0]?.body.includes("tandem.request.id"));
});

test("a collector that is down costs nothing but a warning", async () => {
  lines.length = 0;
  const { tracing, end } = await traced({
    ...ENV,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://127.0.0.1:1/v1/traces",
    OTEL_EXPORTER_OTLP_TIMEOUT: "200",
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=planted-key",
  });
  const one = exchange({ attempts: [] });
  tracing.startServer({}, one);
  tracing.end(one);
  await end();
  assert.doesNotMatch(lines.join(""), /planted/);
});

function spansOf(requests: typeof received): OtlpSpan[] {
  return requests.flatMap(({ body }) =>
    JSON.parse(body.toString()).resourceSpans.flatMap((r: { scopeSpans: { spans: OtlpSpan[] }[] }) =>
      r.scopeSpans.flatMap(({ spans }) => spans),
    ),
  );
}

function attributes({ attributes }: { attributes: OtlpSpan["attributes"] }): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

async function listen(server: Server): Promise<{ server: Server; url: string }> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
