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

const JWT = {
  header: "X-Forwarded-Access-Token",
  issuer: "https://login.example",
  audience: "tandem",
  jwksURL: "https://login.example/keys",
  residencyClaim: "residency",
};

test("where callers belong: headers in lower case, lists empty where nothing is said", () => {
  const { callers } = parseSettings({ callers: { jwt: JWT, cidrs: [{ cidr: "192.0.2.0/24", residency: "EU" }] } });
  assert.deepEqual(callers, {
    jwt: { ...JWT, header: "x-forwarded-access-token" },
    trustedProxies: [],
    cidrs: [{ cidr: "192.0.2.0/24", residency: "EU" }],
  });
});

const BAD: readonly [value: unknown, sentence: RegExp][] = [
  [{ limits: { requestBytes: "32MB" } }, /limits\.requestBytes: 32MB is not a size/],
  [{ limits: { requestBytes: "9Gi" } }, /limits\.requestBytes: 9Gi is not a size from 1024/],
  [{ limit: {} }, /limit: no such setting/],
  [{ egress: { allowedCIDRs: ["10.0.0.0"] } }, /egress\.allowedCIDRs\.0: is not a CIDR/],
  [{ egress: { proxyURL: "ftp://x" } }, /egress\.proxyURL/],
  [
    { callers: { residencyHeader: "x-zone" } },
    /callers\.trustedProxies: is empty, so that nobody's residencyHeader counts/,
  ],
  [{ callers: { jwt: { header: "x" } } }, /callers\.jwt\.issuer/],
  [
    { callers: { jwt: { ...JWT, header: "Authorization" } } },
    /callers\.jwt\.header: is where the gateway's own keys are/,
  ],
  [{ callers: { jwt: { ...JWT, jwksURL: "file:///keys" } } }, /callers\.jwt\.jwksURL: is not an address/],
  [{ callers: { cidrs: [{ cidr: "192.0.2.0/24" }] } }, /callers\.cidrs\.0: says neither residency nor location/],
  [{ callers: { cidrs: [{ cidr: "192.0.2.0/24", residency: "Europe" }] } }, /callers\.cidrs\.0\.residency/],
  [{ callers: { trustedProxies: ["10.0.0.0"] } }, /callers\.trustedProxies\.0: is not a CIDR/],
  [{ callers: { country: "x" } }, /callers\.country: no such setting/],
  [{ sharedState: {} }, /sharedState\.urlSecretRef/],
  [{ sharedState: { url: "redis://x" } }, /sharedState/],
  ["text", /settings/],
];

for (const [value, sentence] of BAD) {
  test(`refused: ${JSON.stringify(value)}`, () => assert.throws(() => parseSettings(value), sentence));
}

test("the address of the shared state is named, not written", () => {
  const sharedState = { urlSecretRef: { name: "redis", key: "url" } };
  assert.deepEqual(parseSettings({ sharedState }), { ...DEFAULT_SETTINGS, sharedState });
});
