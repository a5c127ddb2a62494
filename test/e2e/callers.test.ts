/** Is a caller whose AIClient says nothing placed by its token, then its header, then its address? */
import assert from "node:assert/strict";
import { rename, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { type CallerSettings, DEFAULT_SETTINGS } from "../../proxy/settings.ts";
import { temporaryFolder } from "../cli/tandem.ts";
import { countryDatabase } from "../fakes/country-database.ts";
import { chatAnswer, FakeProvider } from "../fakes/provider.ts";
import { errorOf, type Harness, objects, startHarness } from "../proxy/harness.ts";
import { forwardProxy } from "../proxy/upstream/servers.ts";

const openai = await new FakeProvider(chatAnswer("from anywhere")).start();
const azure = await new FakeProvider(chatAnswer("from Sweden")).start();

beforeEach(() => {
  openai.seen.length = 0;
  azure.seen.length = 0;
});

const ISSUER = "https://login.example";
const AUDIENCE = "tandem";
const { publicKey, privateKey } = await generateKeyPair("RS256");
const stranger = await generateKeyPair("RS256");
const published = { ...(await exportJWK(publicKey)), kid: "one", alg: "RS256", use: "sig" };

/** Where the issuer publishes its keys; counts how often they were asked for. */
let asked = 0;
let answersKeys = true;
const keys = createServer((_request, response) => {
  asked++;
  response.writeHead(answersKeys ? 200 : 503, { "content-type": "application/json" });
  response.end(answersKeys ? JSON.stringify({ keys: [published] }) : "{}");
});
await new Promise<void>((resolve) => keys.listen(0, "127.0.0.1", resolve));
after(() => {
  keys.closeAllConnections();
  keys.close();
});

const jwt = (header = "x-forwarded-access-token") => ({
  header,
  issuer: ISSUER,
  audience: AUDIENCE,
  jwksURL: `http://127.0.0.1:${(keys.address() as AddressInfo).port}/keys`,
  residencyClaim: "residency",
});

interface Claims {
  readonly residency?: unknown;
  readonly issuer?: string;
  readonly audience?: string;
  /** Seconds from now. */
  readonly expires?: number;
  readonly key?: CryptoKey;
}

function token({ residency, issuer = ISSUER, audience = AUDIENCE, expires = 600, key = privateKey }: Claims) {
  const jwt = new SignJWT(residency === undefined ? {} : { residency }).setProtectedHeader({
    alg: "RS256",
    kid: "one",
  });
  return jwt
    .setIssuer(issuer)
    .setAudience(audience)
    .setExpirationTime(Math.floor(Date.now() / 1000) + expires)
    .sign(key);
}

/** OpenAI, which is anywhere, before Azure in Sweden. Tests connect from 127.0.0.1. */
function gateway(callers: Partial<CallerSettings>, client: Record<string, unknown> = {}): Promise<Harness> {
  const settings = { ...DEFAULT_SETTINGS, callers: { trustedProxies: [], cidrs: [], ...callers } };
  const inSweden = {
    region: "swedencentral",
    models: [{ name: "gpt-4o", deployment: "gpt-4o-prod", deploymentType: "Standard" }],
  };
  return startHarness({
    openai: openai.url,
    azure: azure.url,
    settings,
    objects: objects({ azure: inSweden, route: { models: ["gpt-4o"] }, client }),
  });
}

/** The provider that answered, or the error's code. */
async function outcome(harness: Harness, headers: Record<string, string> = {}): Promise<string> {
  const response = await harness.chat({}, headers);
  const provider = response.headers.get("x-tandem-provider");
  return response.ok ? String(provider) : String((await errorOf(response)).code);
}

const TRUSTED = { trustedProxies: ["127.0.0.0/8", "10.0.0.0/8"], residencyHeader: "x-caller-residency" };

test("a header from a trusted proxy places the caller, as a zone or a country", async () => {
  const harness = await gateway(TRUSTED);
  assert.equal(await outcome(harness), "openai");
  for (const residency of ["EU", "eu", " EU ", "SE", "ch", "NO"]) {
    assert.equal(await outcome(harness, { "x-caller-residency": residency }), "azure-sweden", residency);
  }
  // In none of the four zones, so that nothing is known.
  for (const country of ["GB", "BR", ""]) {
    assert.equal(await outcome(harness, { "x-caller-residency": country }), "openai", country);
  }
  openai.seen.length = 0;
  for (const residency of ["US", "USGov", "Mars", "EU, US", "EUR"]) {
    assert.equal(await outcome(harness, { "x-caller-residency": residency }), "residency_unsatisfiable", residency);
  }
  assert.deepEqual(openai.calls, []);
});

test("a header from anybody else is not read", async () => {
  const cidrs = [{ cidr: "127.0.0.0/8", residency: "EU" as const }];
  const harness = await gateway({ ...TRUSTED, trustedProxies: ["10.0.0.0/8"], cidrs });
  for (const residency of ["US", "GB", "Mars"]) {
    assert.equal(await outcome(harness, { "x-caller-residency": residency }), "azure-sweden", residency);
  }
});

test("the issuer's keys come through the forward proxy, and never from a cloud's own address", async () => {
  const proxy = await forwardProxy((keys.address() as AddressInfo).port);
  after(() => proxy.close());
  const through = async (jwksURL: string, proxyURL: string) => {
    const settings = {
      ...DEFAULT_SETTINGS,
      callers: { trustedProxies: [], cidrs: [], jwt: { ...jwt(), jwksURL } },
      egress: { ...DEFAULT_SETTINGS.egress, proxyURL },
    };
    const harness = await startHarness({ openai: openai.url, azure: azure.url, settings });
    return outcome(harness, { "x-forwarded-access-token": await token({ residency: "EU" }) });
  };
  const verified = await through("http://login.example/keys?tenant=one", `http://127.0.0.1:${proxy.port}`);
  assert.notEqual(verified, "caller_unverified");
  assert.deepEqual(proxy.seen, ["GET http://login.example/keys?tenant=one -"]);
  const before = asked;
  assert.equal(await through("http://169.254.169.254/latest/meta-data", ""), "caller_unverified");
  assert.equal(asked, before);
});

test("what the client's object says is never overruled", async () => {
  const harness = await gateway({ ...TRUSTED, jwt: jwt() }, { residency: "EU" });
  const headers = { "x-caller-residency": "US", "x-forwarded-access-token": await token({ residency: "US" }) };
  assert.equal(await outcome(harness, headers), "azure-sweden");
  assert.deepEqual(openai.calls, []);
});

test("the address places the caller: the longest prefix, behind trusted proxies only", async () => {
  const cidrs = [
    { cidr: "0.0.0.0/0", residency: "US" as const },
    { cidr: "192.0.2.0/24", residency: "EU" as const },
    { cidr: "192.0.2.128/25", location: "eu-west" },
    { cidr: "2001:db8::/32", residency: "EU" as const },
  ];
  const harness = await gateway({ trustedProxies: TRUSTED.trustedProxies, cidrs });
  const from = (chain: string) => outcome(harness, { "x-forwarded-for": chain });
  for (const chain of [
    "192.0.2.7",
    "192.0.2.200",
    "2001:db8::1",
    "[2001:db8::1]:443",
    "::ffff:192.0.2.7",
    "192.0.2.7:5000",
  ]) {
    assert.equal(await from(chain), "azure-sweden", chain);
  }
  // The trusted proxy nearest to us wrote the last one; what stands before an untrusted one is anybody's word.
  assert.equal(await from("192.0.2.7, 10.1.1.1"), "azure-sweden");
  assert.equal(await from("192.0.2.7, 198.51.100.1"), "residency_unsatisfiable");
  assert.equal(await from("198.51.100.1, 192.0.2.7"), "azure-sweden");
  openai.seen.length = 0;
  assert.equal(await outcome(harness), "residency_unsatisfiable");
  assert.deepEqual(openai.calls, []);
  const untrusted = await gateway({ cidrs: [{ cidr: "127.0.0.1/32", residency: "US" }, ...cidrs] });
  assert.equal(await outcome(untrusted, { "x-forwarded-for": "192.0.2.7" }), "residency_unsatisfiable");
});

test("a database of countries places addresses that no range does, and is read anew", { timeout: 30_000 }, async () => {
  const path = join(await temporaryFolder(), "countries.mmdb");
  await writeFile(path, countryDatabase({ "192.0.2.0/24": "SE", "198.51.100.0/24": "GB", "2001:db8::/32": "CH" }));
  const harness = await gateway({
    trustedProxies: TRUSTED.trustedProxies,
    maxmindPath: path,
    cidrs: [{ cidr: "192.0.2.9/32", residency: "US" }],
  });
  const from = (address: string) => outcome(harness, { "x-forwarded-for": address });
  assert.equal(await from("192.0.2.7"), "azure-sweden");
  assert.equal(await from("2001:db8::7"), "azure-sweden");
  assert.equal(await from("192.0.2.9"), "residency_unsatisfiable");
  assert.equal(await from("198.51.100.7"), "openai");
  assert.equal(await from("203.0.113.7"), "openai");
  // The file is looked at every few seconds; one that is broken changes nothing.
  const place = async (bytes: Buffer | string) => {
    await writeFile(`${path}.new`, bytes);
    await rename(`${path}.new`, path);
  };
  await place("broken");
  await sleep(6_000);
  assert.equal(await from("192.0.2.7"), "azure-sweden");
  await place(countryDatabase({ "192.0.2.0/24": "US", "203.0.113.0/24": "NO" }));
  while ((await from("203.0.113.7")) !== "azure-sweden") await sleep(200);
  assert.equal(await from("192.0.2.7"), "residency_unsatisfiable");
});

test("a database that cannot be read, or that is none, is told at the start", async () => {
  const path = join(await temporaryFolder(), "countries.mmdb");
  await assert.rejects(gateway({ maxmindPath: path }), /callers\.maxmindPath: .*countries\.mmdb cannot be read/);
  await writeFile(path, "this is no database");
  await assert.rejects(gateway({ maxmindPath: path }), /callers\.maxmindPath: .*cannot be read as a MaxMind database/);
});

test("a token that verifies places the caller before header and address do", async () => {
  const cidrs = [{ cidr: "127.0.0.0/8", residency: "US" as const }];
  const harness = await gateway({ ...TRUSTED, cidrs, jwt: jwt() });
  const withToken = async (claims: Claims, more: Record<string, string> = {}) =>
    outcome(harness, { "x-forwarded-access-token": await token(claims), ...more });
  assert.equal(await withToken({ residency: "EU" }), "azure-sweden");
  assert.equal(await withToken({ residency: "DE" }, { "x-caller-residency": "US" }), "azure-sweden");
  // It says nothing: the next one does.
  assert.equal(await withToken({}, { "x-caller-residency": "EU" }), "azure-sweden");
  assert.equal(await withToken({}), "residency_unsatisfiable");
  for (const residency of ["Mars", 7, ["EU"], { zone: "EU" }]) {
    assert.equal(await withToken({ residency }), "residency_unsatisfiable", JSON.stringify(residency));
  }
  assert.deepEqual(openai.calls, []);
});

test("a token that does not hold is refused, whatever else is known", async () => {
  const harness = await gateway({ ...TRUSTED, jwt: jwt() });
  const bad: Record<string, string> = {
    "of another issuer": await token({ residency: "US", issuer: "https://evil.example" }),
    "for somebody else": await token({ residency: "US", audience: "another" }),
    expired: await token({ residency: "US", expires: -120 }),
    "signed by another": await token({ residency: "US", key: stranger.privateKey }),
    "no token": "EU",
    unsigned: `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from('{"residency":"US"}').toString("base64url")}.`,
    "signed with the public key as a secret": await new SignJWT({ residency: "US" })
      .setProtectedHeader({ alg: "HS256", kid: "one" })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setExpirationTime("10m")
      .sign(Buffer.from(JSON.stringify(published))),
  };
  for (const [what, value] of Object.entries(bad)) {
    const response = await harness.chat({}, { "x-forwarded-access-token": value, "x-caller-residency": "EU" });
    assert.equal(response.status, 401, what);
    const { code, message } = await errorOf(response);
    assert.equal(code, "invalid_caller_token", what);
    assert.ok(value === "EU" || !message.includes(value.slice(0, 20)), what);
  }
  assert.deepEqual([...openai.calls, ...azure.calls], []);
});

test("a token is no key, and goes to no provider", async () => {
  const harness = await gateway({ jwt: jwt() });
  const value = await token({ residency: "EU" });
  const anonymous = await harness.chat({}, { authorization: "", "x-forwarded-access-token": value });
  assert.equal(anonymous.status, 401);
  assert.equal(await outcome(harness, { "x-forwarded-access-token": value }), "azure-sweden");
  const [sent] = azure.calls;
  assert.ok(sent && !JSON.stringify(sent.headers).includes(value));
});

test("a known token is not verified again, and without the issuer's keys a new one is 503", async () => {
  const harness = await gateway({ jwt: jwt() });
  const known = { "x-forwarded-access-token": `Bearer ${await token({ residency: "EU" })}` };
  asked = 0;
  for (let i = 0; i < 3; i++) assert.equal(await outcome(harness, known), "azure-sweden");
  assert.equal(asked, 1);
  answersKeys = false;
  const cold = await gateway({ jwt: jwt() });
  const response = await cold.chat({}, known);
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("x-should-retry"), "true");
  assert.equal((await errorOf(response)).code, "caller_unverified");
  assert.equal(await outcome(harness, known), "azure-sweden");
  answersKeys = true;
  assert.equal(await outcome(cold, known), "azure-sweden");
  assert.deepEqual(openai.calls, []);
});
