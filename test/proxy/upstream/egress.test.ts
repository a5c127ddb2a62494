/** Which addresses may a request go to, and is the address that was judged the one that is connected to? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EgressError } from "../../../proxy/upstream/connect-error.ts";
import { EgressGuard, type Lookup } from "../../../proxy/upstream/egress.ts";
import { OPEN_EGRESS } from "./fixtures.ts";

const AZURE = "contoso.openai.azure.com";
const guard = new EgressGuard({ ...OPEN_EGRESS, clusterCIDRs: ["10.96.0.0/12", "fd00:cafe::/48"] });

const NEVER = [
  ["127.0.0.1", "loopback"],
  ["127.8.9.10", "loopback"],
  ["::1", "loopback"],
  ["::ffff:127.0.0.1", "loopback"],
  ["::ffff:7f00:1", "loopback"],
  ["0:0:0:0:0:ffff:7f00:0001", "loopback"],
  ["64:ff9b::7f00:1", "loopback"],
  ["169.254.169.254", "link-local"],
  ["::ffff:169.254.169.254", "link-local"],
  ["64:ff9b::169.254.169.254", "link-local"],
  ["fe80::1", "link-local"],
  ["fe80::1%eth0", "link-local"],
  ["0.0.0.0", "unspecified"],
  ["::", "unspecified"],
  ["224.0.0.1", "multicast"],
  ["ff02::1", "multicast"],
  ["255.255.255.255", "reserved"],
  ["2002:7f00:1::1", "a tunnel (6to4)"],
  ["168.63.129.16", "Azure's platform address"],
  ["10.96.0.1", "the cluster's (egress.clusterCIDRs)"],
  ["fd00:cafe::5", "the cluster's (egress.clusterCIDRs)"],
] as const;

for (const [address, what] of NEVER) {
  test(`${address} is never a provider's`, () => {
    assert.equal(guard.refusal("api.openai.com", address), what);
    assert.equal(guard.refusal(AZURE, address), what);
  });
}

for (const address of [
  "10.0.0.4",
  "172.31.255.1",
  "192.168.1.1",
  "100.64.0.1",
  "fd12::1",
  "::ffff:10.0.0.4",
  "fec0::1",
]) {
  test(`${address} is only for hosts of *.openai.azure.*`, () => {
    assert.equal(guard.refusal("api.openai.com", address), "private");
    for (const host of [
      AZURE,
      "x.openai.azure.us",
      "x.openai.azure.cn",
      "x.privatelink.openai.azure.com",
      "X.OpenAI.Azure.com.",
    ]) {
      assert.equal(guard.refusal(host, address), undefined, host);
    }
    for (const host of [
      "openai.azure.com.evil.example",
      "xopenai.azure.com",
      "x.openai.azure.evil",
      "x.openai.azure.com.evil",
    ]) {
      assert.equal(guard.refusal(host, address), "private", host);
    }
  });
}

for (const address of [
  "104.18.6.192",
  "2606:4700::6812:6c0",
  "::ffff:104.18.6.192",
  "172.32.0.1",
  "100.128.0.1",
  "11.0.0.1",
]) {
  test(`${address} is public`, () => assert.equal(guard.refusal("api.openai.com", address), undefined));
}

test("allowedCIDRs are exceptions from everything", () => {
  const open = new EgressGuard({
    allowedCIDRs: ["127.0.0.1/32", "169.254.169.254/32", "10.96.0.10/32", "fd00:cafe::/64"],
    clusterCIDRs: ["10.96.0.0/12", "fd00:cafe::/48"],
    proxyURL: "",
  });
  for (const address of ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "10.96.0.10", "fd00:cafe::9"]) {
    assert.equal(open.refusal("vllm.local", address), undefined, address);
  }
  for (const address of ["127.0.0.2", "10.96.0.11", "fd00:cafe:0:1::9"])
    assert.ok(open.refusal("vllm.local", address), address);
});

test("a refusal names host, address and setting in one sentence", () => {
  const error = guard.check("evil.example", "169.254.169.254");
  assert.ok(error instanceof EgressError);
  assert.equal(error.host, "evil.example");
  assert.match(
    error.message,
    /evil\.example resolves to 169\.254\.169\.254, which is link-local: .*egress\.allowedCIDRs/,
  );
  assert.match(guard.check("::1", "::1")?.message ?? "", /^::1 is loopback: .*::1\/128/);
});

function answering(...addresses: string[]): Lookup {
  return (_hostname, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
}

function resolved(lookup: Lookup, host: string, all: boolean): Promise<unknown> {
  return new Promise((resolve, reject) => {
    guard.lookup(lookup)(host, { all }, (error, found) => (error ? reject(error) : resolve(found)));
  });
}

test("a lookup answers with judged addresses only", async () => {
  const mixed = answering("169.254.169.254", "104.18.6.192", "10.0.0.1", "2606:4700::1");
  assert.deepEqual(await resolved(mixed, "api.openai.com", true), [
    { address: "104.18.6.192", family: 4 },
    { address: "2606:4700::1", family: 6 },
  ]);
  assert.equal(await resolved(mixed, "api.openai.com", false), "104.18.6.192");
  await assert.rejects(resolved(answering("127.0.0.1", "::1"), "evil.example", true), EgressError);
  await assert.rejects(resolved(answering(), "nobody.example", true), { code: "ENOTFOUND" });
});
