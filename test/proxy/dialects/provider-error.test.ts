/** Does every error of a provider come out in OpenAI's shape, with nothing of it lost? */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { FAILURE_RULES } from "../../../proxy/dialects/failure-rules.ts";
import { readProviderError } from "../../../proxy/dialects/provider-error.ts";

interface Sample {
  provider: string;
  name: string;
  status: number;
  body: { error?: Record<string, unknown>; message?: string };
}

const samples = JSON.parse(readFileSync(new URL("../../golden/wire-errors.json", import.meta.url), "utf8")) as Sample[];

function read(status: number, text: string): Record<string, unknown> {
  const { body } = readProviderError(status, Buffer.from(text)).shown;
  return (JSON.parse(body) as { error: Record<string, unknown> }).error;
}

for (const sample of samples) {
  test(`${sample.provider}: ${sample.name}`, () => {
    const error = read(sample.status, JSON.stringify(sample.body));
    const { code, ...envelope }: Record<string, unknown> = sample.body.error ?? { message: sample.body.message };
    assert.equal(typeof error.type, "string");
    for (const field of ["message", "type", "param", "code"]) assert.ok(field in error, field);
    for (const [field, value] of Object.entries(envelope))
      if (value !== null) assert.deepEqual(error[field], value, field);
    // A word of OpenAI's may stand for the provider's, which stays to be seen unless it only repeated the status.
    const kept = [error.code, error.provider_code, String(sample.status)];
    if (code !== undefined && code !== null) assert.ok(kept.includes(code), String(code));
  });
}

test("HTML, an empty body and a bare string become one clear sentence", () => {
  const html =
    "<html><head><style>b{}</style><title>503 Service Unavailable</title></head><body><h1>Down</h1></body></html>";
  assert.equal(read(503, html).message, "The provider answered 503 without a JSON body: 503 Service Unavailable Down");
  assert.equal(read(503, html).type, "service_unavailable_error");
  assert.equal(read(502, "").message, "The provider answered 502 without a body.");
  assert.equal(read(500, '{"error":"broken"}').message, "broken");
  assert.ok(String(read(500, "x".repeat(5000)).message).length < 300);
});

test("whatever a provider sends becomes an error with all four fields", () => {
  const body = fc.oneof(
    fc.json(),
    fc.string(),
    fc.record({ error: fc.jsonValue() }).map((one) => JSON.stringify(one)),
  );
  fc.assert(
    fc.property(fc.integer({ min: 400, max: 599 }), body, fc.boolean(), (status, text, resource) => {
      const { rule, shown } = readProviderError(status, Buffer.from(text), { resource });
      const { error } = JSON.parse(shown.body) as { error: Record<string, unknown> };
      assert.equal(typeof error.message, "string");
      assert.notEqual(error.message, "");
      assert.equal(typeof error.type, "string");
      for (const field of [error.param, error.code]) assert.ok(field === null || typeof field === "string");
      assert.ok(shown.status >= 400 && shown.status <= 599);
      assert.ok(FAILURE_RULES.includes(rule));
    }),
    { numRuns: 2000 },
  );
});

test("the key of the gateway never comes back", () => {
  const text = JSON.stringify({ error: { message: "Incorrect API key provided: sk-secret", code: "sk-secret" } });
  const { message, code, shown } = readProviderError(400, Buffer.from(text), { key: "sk-secret" });
  assert.ok(![message, code, shown.body].join().includes("sk-secret"));
});
