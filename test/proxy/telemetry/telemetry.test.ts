import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createLogger, LogDestination } from "../../../proxy/telemetry/log.ts";
import { Telemetry } from "../../../proxy/telemetry/telemetry.ts";
import { PASSING_ON } from "../../../proxy/telemetry/tracing.ts";
import { indexTable } from "../../../routing/lookup.ts";
import { attempt, exchange, TABLE } from "./exchange-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-telemetry-"));
after(() => rmSync(folder, { recursive: true }));

function telemetry(accessLog?: LogDestination): { telemetry: Telemetry; lines: string[] } {
  const lines: string[] = [];
  const log = createLogger({ write: (line) => lines.push(line) });
  const sources = {
    latencies: () => [],
    circuits: () => [],
    providers: () => [],
    calls: () => [],
    load: () => ({ inFlight: 0, limit: 1 }),
  };
  return { telemetry: new Telemetry({ log, accessLog, tracing: PASSING_ON, sources }), lines };
}

test("one record reaches the metrics, the access log and the latencies", async () => {
  const file = join(folder, "access.log");
  const { telemetry: t } = telemetry(new LogDestination(file));
  t.onReload({ ok: true, hash: "h1", modelNames: indexTable(TABLE).modelNames });
  const startedAt = performance.now();
  const last = attempt({ startedAt, endedAt: startedAt + 100 });
  t.record(exchange({ startedAt, attempts: [last], endedAt: startedAt + 100 }));
  assert.match(await t.metricsText(), /^tandem_requests_total\{.*status="200"\} 1$/m);
  const [latency] = t.latencies();
  assert.equal(latency?.model, "gpt-4o");
  assert.ok(Math.abs((latency?.answer?.p50 ?? 0) / 100 - 1) < 0.09);
  await t.close(1000);
  assert.equal(JSON.parse(readFileSync(file, "utf8")).request_id, "req_1");
});

test("a record that cannot be made is complained of once and hurts nobody", () => {
  const { telemetry: t, lines } = telemetry();
  const broken = exchange({ attempts: null as never });
  t.record(broken);
  t.record(broken);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /could not be recorded/);
});

test("transitions are kept in a ring, with the time of day", () => {
  const { telemetry: t, lines } = telemetry();
  const at = performance.now();
  for (let i = 0; i < 300; i++) {
    t.onTransition({ at, kind: "rate_limit", provider: "ai/openai", from: "free", to: `limited-${i}`, detail: "429" });
  }
  t.onTransition({
    at,
    kind: "circuit",
    provider: "ai/openai",
    model: "gpt-4o",
    from: "closed",
    to: "open",
    detail: "5 in a row",
  });
  const kept = t.transitions();
  assert.equal(kept.length, 200);
  assert.equal(kept[0]?.to, "limited-101");
  assert.equal(kept.at(-1)?.to, "open");
  assert.ok(Math.abs(Date.parse(kept[0]?.time ?? "") - Date.now()) < 5000);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /circuit closed → open/);
});

test("the last reload and its error", async () => {
  const { telemetry: t } = telemetry();
  t.onReload({ ok: true, hash: "h1", modelNames: indexTable(TABLE).modelNames });
  t.onReload({
    ok: false,
    error: { message: "routes.yaml:3: spec.models is missing.", file: "routes.yaml", line: 3, field: "spec.models" },
  });
  const last = t.lastReload;
  assert.equal(last?.result, "failure");
  assert.equal(last?.error?.line, 3);
  const text = await t.metricsText();
  assert.match(text, /^tandem_config_info\{hash="h1"\} 1$/m);
  assert.match(text, /^tandem_config_reloads_total\{result="failure"\} 1$/m);
});

test("open streams go up and down", async () => {
  const { telemetry: t } = telemetry();
  t.streamOpened();
  t.streamOpened();
  t.streamClosed();
  assert.equal(t.openStreams, 1);
  assert.match(await t.metricsText(), /^tandem_open_streams 1$/m);
});
