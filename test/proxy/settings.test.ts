/** Settings of a gateway: defaults, and the one sentence for what is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_SETTINGS } from "../../proxy/settings.ts";
import { parseSettings } from "../../proxy/settings-schema.ts";

test("nothing said gives the defaults, in every block", () => {
  for (const nothing of [undefined, {}, { limits: {} }, { egress: {} }]) {
    assert.deepEqual(parseSettings(nothing), DEFAULT_SETTINGS);
  }
});

test("sizes are quantities, blocks may be said in part", () => {
  const { limits } = parseSettings({ limits: { requestBytes: "64Mi", headerBytes: 8192 } });
  assert.deepEqual(limits, { ...DEFAULT_SETTINGS.limits, requestBytes: 64 * 1024 ** 2, headerBytes: 8192 });
});

const BAD: readonly [value: unknown, sentence: RegExp][] = [
  [{ limits: { requestBytes: "32MB" } }, /limits\.requestBytes: 32MB is not a size/],
  [{ limits: { requestBytes: "9Gi" } }, /limits\.requestBytes: 9Gi is not a size from 1024/],
  [{ limit: {} }, /limit: no such setting/],
  [{ egress: { allowedCIDRs: ["10.0.0.0"] } }, /egress\.allowedCIDRs\.0: is not a CIDR/],
  [{ egress: { proxyURL: "ftp://x" } }, /egress\.proxyURL/],
  [{ callers: {} }, /callers: has no effect yet/],
  [{ sharedState: {} }, /sharedState: has no effect yet/],
  ["text", /settings/],
];

for (const [value, sentence] of BAD) {
  test(`refused: ${JSON.stringify(value)}`, () => assert.throws(() => parseSettings(value), sentence));
}

test("what has no effect yet may stand there with --dev", () => {
  assert.deepEqual(parseSettings({ callers: {} }, { dev: true }), DEFAULT_SETTINGS);
});
