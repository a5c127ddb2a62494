/** Every error body seen on the wire comes out in OpenAI's shape, with nothing of it lost. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readProviderError } from "../../../proxy/dialects/provider-error.ts";

interface Sample {
  provider: string;
  name: string;
  status: number;
  body: { error?: Record<string, unknown>; message?: string };
}

const samples = JSON.parse(readFileSync(new URL("../../golden/wire-errors.json", import.meta.url), "utf8")) as Sample[];

function read(status: number, text: string): Record<string, unknown> {
  const parsed = JSON.parse(readProviderError(status, Buffer.from(text)).body) as { error: Record<string, unknown> };
  return parsed.error;
}

for (const sample of samples) {
  test(`${sample.provider}: ${sample.name}`, () => {
    const error = read(sample.status, JSON.stringify(sample.body));
    const envelope = sample.body.error ?? { message: sample.body.message };
    assert.equal(error.message, envelope.message);
    assert.equal(typeof error.type, "string");
    for (const field of ["message", "type", "param", "code"]) assert.ok(field in error, field);
    for (const [field, value] of Object.entries(envelope))
      if (value !== null) assert.deepEqual(error[field], value, field);
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
