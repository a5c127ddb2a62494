/** Does the line of a copy say what became of it, and stay one short line? */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CopyRecord } from "../../../proxy/telemetry/shadow-counts.ts";
import { shadowLine } from "../../../proxy/telemetry/shadow-line.ts";

const COPY: CopyRecord = {
  requestID: "0198-a",
  route: "ai/chat",
  provider: "azure",
  backend: "copy",
  model: "gpt-4o",
  upstreamModel: "gpt-4o-prod",
  side: "shadow",
  status: 200,
  usage: undefined,
  cost: undefined,
  milliseconds: 12.34567,
  providerRequestID: undefined,
  aspects: undefined,
};

function read(copy: Partial<CopyRecord>): Record<string, unknown> {
  const { time, ...line } = JSON.parse(shadowLine({ ...COPY, ...copy })) as Record<string, unknown>;
  assert.match(String(time), /^20\d\d-\d\d-\d\dT[\d:.]+Z$/);
  return line;
}

const BARE = {
  level: "info",
  msg: "shadow",
  kind: "shadow",
  request_id: "0198-a",
  route: "ai/chat",
  provider: "azure",
  backend: "copy",
  upstream_model: "gpt-4o-prod",
  status: 200,
  duration_ms: 12.346,
};

test("what is not known is left out, and an answer without a cost is unpriced", () => {
  assert.deepEqual(read({}), { ...BARE, unpriced: true });
  assert.deepEqual(read({ status: 0 }), { ...BARE, status: 0 });
});

test("what is known is said", () => {
  const usage = { input: 10, output: 100 } as CopyRecord["usage"];
  const known = { usage, cost: 10_000_000, providerRequestID: "req_1", aspects: ["text", "length"] };
  const more = { provider_request_id: "req_1", input_tokens: 10, output_tokens: 100, cost_usd: 0.01 };
  assert.deepEqual(read(known), { ...BARE, ...more, differs: ["text", "length"] });
  assert.deepEqual(read({ ...known, aspects: [] }).differs, []);
});

test("what a caller or a provider chose stays short, and no terminal obeys it", () => {
  const line = shadowLine({ ...COPY, upstreamModel: 'a\n"\u009b31m\u202e', providerRequestID: "x".repeat(60_000) });
  assert.ok(line.length < 1_000);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u202e]/);
  assert.equal(JSON.parse(line).upstream_model, 'a\n"\u009b31m\u202e');
});
