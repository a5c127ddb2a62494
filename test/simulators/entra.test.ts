/** Is the simulated token service as strict as Entra ID, and does the Azure simulator take its tokens and no others? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DEMO_APPLICATION } from "../../simulators/main.ts";
import { type Answer, ask, askToken, azure, CHAT, DATED, entra, tokenOf } from "./ask.ts";

const service = await entra();
const azureServer = await azure({ apiVersionOnV1: "accept" });

const V1 = "/openai/v1/chat/completions";

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
/** A service account token as a pod has it. */
function assertion(change: object = {}): string {
  const [federated] = DEMO_APPLICATION.federated;
  const exp = Math.floor(Date.now() / 1000) + 600;
  const claims = { iss: federated?.issuer, sub: federated?.subject, aud: [federated?.audience], exp, ...change };
  return `${encoded({ alg: "RS256" })}.${encoded(claims)}.c2lnbmVk`;
}
const BY_ASSERTION = {
  client_secret: undefined,
  client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
};

test("a secret and an assertion each get a token in Entra's shape", async () => {
  for (const change of [{}, { ...BY_ASSERTION, client_assertion: assertion() }]) {
    const answer = await askToken(service, change);
    assert.equal(answer.status, 200, answer.text);
    const { access_token, ...rest } = JSON.parse(answer.text);
    assert.deepEqual(rest, { token_type: "Bearer", expires_in: 3599, ext_expires_in: 3599 });
    const claims = JSON.parse(Buffer.from(access_token.split(".")[1], "base64url").toString());
    assert.equal(claims.aud, "https://cognitiveservices.azure.com");
    assert.equal(claims.appid, DEMO_APPLICATION.clientID);
  }
});

const REFUSED: readonly (readonly [
  what: string,
  change: Readonly<Record<string, string | undefined>>,
  status: number,
  error: string,
  code: number,
])[] = [
  ["no grant type", { grant_type: undefined }, 400, "invalid_request", 900144],
  ["another grant type", { grant_type: "password" }, 400, "unsupported_grant_type", 70003],
  ["no client", { client_id: undefined }, 400, "invalid_request", 900144],
  ["an unknown client", { client_id: "22222222-2222-2222-2222-222222222222" }, 400, "unauthorized_client", 700016],
  ["no scope", { scope: undefined }, 400, "invalid_request", 900144],
  ["a scope without /.default", { scope: "https://cognitiveservices.azure.com" }, 400, "invalid_scope", 1002012],
  ["an unknown resource", { scope: "https://nobody.example/.default" }, 400, "invalid_resource", 500011],
  ["no proof", { client_secret: undefined }, 401, "invalid_client", 7000216],
  ["a wrong secret", { client_secret: "wrong" }, 401, "invalid_client", 7000215],
  [
    "an assertion without its type",
    { client_secret: undefined, client_assertion: assertion() },
    400,
    "invalid_request",
    900144,
  ],
  ["an assertion that is no JWT", { ...BY_ASSERTION, client_assertion: "token" }, 401, "invalid_client", 50027],
  ["an expired assertion", { ...BY_ASSERTION, client_assertion: assertion({ exp: 1 }) }, 401, "invalid_client", 700024],
  [
    "another issuer",
    { ...BY_ASSERTION, client_assertion: assertion({ iss: "https://x" }) },
    401,
    "invalid_client",
    700211,
  ],
  ["another audience", { ...BY_ASSERTION, client_assertion: assertion({ aud: "x" }) }, 401, "invalid_client", 700212],
  ["another subject", { ...BY_ASSERTION, client_assertion: assertion({ sub: "x" }) }, 401, "invalid_client", 700213],
];

for (const [what, change, status, error, code] of REFUSED) {
  test(`refused: ${what}`, async () => {
    const answer = await askToken(service, change);
    const body = JSON.parse(answer.text);
    assert.deepEqual([answer.status, body.error, body.error_codes], [status, error, [code]]);
    assert.ok(body.error_description.startsWith(`AADSTS${code}: `));
    assert.match(body.trace_id, /^[0-9a-f-]{36}$/);
  });
}

test("refused: another tenant, another path, another method, a body that is no form", async () => {
  const stranger = await askToken(service, {}, "contoso.example");
  assert.deepEqual([stranger.status, JSON.parse(stranger.text).error_codes], [400, [90002]]);
  const path = `${service.url}/${DEMO_APPLICATION.tenant}/oauth2`;
  assert.equal((await ask(`${path}/token`, { body: "x" })).status, 404);
  assert.equal((await ask(`${path}/v2.0/token`)).status, 405);
  assert.equal((await ask(`${path}/v2.0/token`, { body: { grant_type: "client_credentials" } })).status, 400);
});

const chatWith = (token: string, headers: Record<string, string> = {}, path = DATED) =>
  ask(azureServer.url + path, {
    body: path === V1 ? { ...CHAT, model: "gpt-4o-prod" } : CHAT,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });

function assertRefused(answer: Answer): void {
  assert.equal(answer.status, 401);
  const body = JSON.parse(answer.text);
  assert.deepEqual([body.error, body.statusCode], [undefined, 401]);
  assert.match(body.message, /^Unauthorized\. Access token is missing, invalid, audience is incorrect/);
}

test("Azure takes what was issued for its cloud; ai.azure.com on v1 only", async () => {
  const token = await tokenOf(service);
  assert.equal((await chatWith(token)).status, 200);
  assert.equal((await chatWith(token, {}, V1)).status, 200);
  const gov = { host: "contoso-gov.openai.azure.us" };
  const govToken = await tokenOf(service, { scope: "https://cognitiveservices.azure.us/.default" });
  assertRefused(await chatWith(govToken));
  assertRefused(await chatWith(token, gov));
  const govPath = DATED.replace("gpt-4o-prod", "gpt-4o-gov");
  assert.equal((await chatWith(govToken, gov, govPath)).status, 200);
  const ai = await tokenOf(service, { scope: "https://ai.azure.com/.default" });
  assert.equal((await chatWith(ai, {}, V1)).status, 200);
  assertRefused(await chatWith(ai));
  assertRefused(await chatWith(await tokenOf(service, { scope: "https://graph.microsoft.com/.default" })));
});

test("Azure refuses a token that was changed, that nobody issued, and that has expired", async () => {
  const token = await tokenOf(service);
  const [header, payload = "", signature] = token.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
  assertRefused(await chatWith(`${header}.${encoded({ ...claims, exp: claims.exp + 1 })}.${signature}`));
  assertRefused(await chatWith("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ0ZXN0In0.c2ln"));
  service.fault({ fault: "lifetime;seconds=0.2", times: 1 });
  const short = await tokenOf(service);
  assert.equal((await chatWith(short)).status, 200);
  await sleep(250);
  assertRefused(await chatWith(short));
});

test("faults come as often as ordered, and an unknown one is an error", async () => {
  const failing = await entra();
  assert.throws(() => failing.fault({ fault: "earthquake" }), /Unknown fault "earthquake"/);
  assert.throws(() => failing.fault({ fault: "slow;seconds=1" }), /not one of its parameters/);
  failing.fault({ fault: "invalid_client", times: 1 });
  failing.fault({ fault: "503;retry-after=7", times: 1 });
  assert.equal((await askToken(failing)).status, 401);
  const busy = await askToken(failing);
  assert.deepEqual([busy.status, busy.headers["retry-after"]], [503, "7"]);
  assert.equal((await askToken(failing)).status, 200);
  failing.fault({ fault: "silence", times: 1 });
  await assert.rejects(askToken(failing), /silence/);
  failing.fault({ fault: "reset", times: 1 });
  await assert.rejects(askToken(failing));
  assert.deepEqual(
    failing.requests().map(({ status, code, fault }) => [status, code, fault]),
    [
      [401, "AADSTS7000215", "invalid_client"],
      [503, undefined, "503"],
      [200, undefined, undefined],
      [undefined, undefined, "silence"],
      [undefined, undefined, "reset"],
    ],
  );
});

test("what was asked is remembered without its secrets; secrets can be replaced; reset forgets", async () => {
  const other = await entra();
  await askToken(other);
  other.setSecrets(["the-next-one"]);
  assert.equal((await askToken(other)).status, 401);
  assert.equal((await askToken(other, { client_secret: "the-next-one" })).status, 200);
  const shown = await ask(`${other.url}/_sim/requests`);
  assert.doesNotMatch(shown.text, /the-next-one|demo-client-secret/);
  assert.match(shown.text, /sha256:/);
  assert.equal(other.tokens().length, 2);
  await ask(`${other.url}/_sim/reset`, { method: "POST" });
  assert.deepEqual([other.requests(), other.tokens()], [[], []]);
  assert.equal((await askToken(other)).status, 200);
});
