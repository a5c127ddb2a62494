/** Does a fetch reach the token service over the gateway's connections, and is every failure one clause without secrets? */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { after, describe, test } from "node:test";
import { fetchToken } from "../../../proxy/authorization/entra.ts";
import { type Token, TokenError } from "../../../proxy/authorization/token-source.ts";
import { Connections, type ConnectionsOptions } from "../../../proxy/upstream/connections.ts";
import { Redacted } from "../../../routing/secrets.ts";
import type { EntraAuth } from "../../../routing/table.ts";
import { DEMO_APPLICATION, startEntra } from "../../../simulators/main.ts";

const PUBLIC = "https://login.microsoftonline.com";
const SECRET = "fetch-planted-secret";
const { tenant, clientID } = DEMO_APPLICATION;
const AUTH: EntraAuth = {
  kind: "EntraID",
  tenantID: tenant,
  clientID,
  authority: PUBLIC,
  scope: "https://cognitiveservices.azure.com/.default",
  clientSecret: "v1",
};
const EGRESS = { allowedCIDRs: ["127.0.0.0/8"], clusterCIDRs: [], proxyURL: "" };

const open: Connections[] = [];
after(() => Promise.all(open.map((one) => one.destroy())));

function fetchFrom(auth: Partial<EntraAuth>, options: Partial<ConnectionsOptions> = {}): Promise<Token> {
  const all = { ...AUTH, ...auth };
  const connections = new Connections({ egress: EGRESS, connectTo: new Map(), env: {}, ...options });
  open.push(connections);
  const endpoint = { key: all.authority, endpoint: all.authority, timeouts: { connect: 1_000 } };
  return fetchToken(all, { clientSecret: new Redacted(SECRET) }, connections.dispatcherFor(endpoint, new Map()));
}

async function service() {
  const entra = await startEntra({ applications: [{ ...DEMO_APPLICATION, secrets: [SECRET] }] });
  after(() => entra.close());
  return entra;
}

/** Instead of Microsoft's public token service. */
const instead = (url: string) => ({ connectTo: new Map([["login.microsoftonline.com", url]]) });

async function listening(handle: RequestListener) {
  const server = createServer(handle);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close().closeAllConnections());
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function failureOf(fetched: Promise<Token>): Promise<TokenError> {
  const error = await fetched.then(
    () => assert.fail("a token came"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof TokenError, String(error));
  assert.doesNotMatch(`${error.message} ${error.stack}`, new RegExp(SECRET));
  return error;
}

describe("fetches", { concurrency: true }, () => {
  test("the public cloud: one request, without discovery, and a whole token", async () => {
    const entra = await service();
    const before = Date.now();
    const { value, expiresAt } = await fetchFrom({}, instead(entra.url));
    assert.equal(value, entra.tokens()[0]);
    assert.ok(Math.abs(expiresAt - before - 3_599_000) < 5_000, String(expiresAt));
    assert.equal(entra.requests().length, 1);
  });

  for (const [cloud, authority, scope] of [
    ["US Government", "https://login.microsoftonline.us", "https://cognitiveservices.azure.us/.default"],
    ["China", "https://login.partner.microsoftonline.cn", "https://cognitiveservices.azure.cn/.default"],
  ] as const) {
    test(`${cloud}: its own token service, and no question to the public one`, async () => {
      const entra = await service();
      const connectTo = new Map([[new URL(authority).host, entra.url]]);
      const { value } = await fetchFrom({ authority, scope }, { connectTo });
      const claims = JSON.parse(Buffer.from(value.split(".")[1] ?? "", "base64url").toString());
      assert.equal(`${claims.aud}/.default`, scope);
    });
  }

  test("a token service that no library knows, in the clear", async () => {
    const entra = await service();
    assert.equal((await fetchFrom({ authority: entra.url })).value, entra.tokens()[0]);
  });

  test("every fetch is a new one", async () => {
    const entra = await service();
    const tokens = [await fetchFrom({}, instead(entra.url)), await fetchFrom({}, instead(entra.url))];
    assert.notEqual(tokens[0]?.value, tokens[1]?.value);
  });

  for (const [fault, code, message, retryAfter] of [
    ["invalid_client", "AADSTS7000215", /client secret is wrong/, undefined],
    ["503;retry-after=7", "server_error", /answered 503/, 7_000],
    ["429;retry-after=3", "temporarily_unavailable", /answered 429/, 3_000],
    ["html", "http_502", /answered 502/, undefined],
    ["reset", "unreachable", /ECONNRESET/, undefined],
    ["silence", "unreachable", /no answer within \d/, undefined],
    ["no-token", "unusable", /holds no token/, undefined],
  ] as const) {
    test(`${fault}: asked once, told in one clause`, async () => {
      const entra = await service();
      entra.fault({ fault });
      const error = await failureOf(fetchFrom({}, instead(entra.url)));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.equal(error.retryAfter, retryAfter);
      assert.equal(entra.requests().length, 1);
    });
  }

  for (const [what, change, code] of [
    ["a tenant that does not exist", { tenantID: "contoso.example" }, "AADSTS90002"],
    ["an unknown application", { clientID: "22222222-2222-2222-2222-222222222222" }, "AADSTS700016"],
    ["an unknown resource", { scope: "https://nobody.example/.default" }, "AADSTS500011"],
  ] as const) {
    test(`${what}: the fields to look at`, async () => {
      const entra = await service();
      const error = await failureOf(fetchFrom(change, instead(entra.url)));
      assert.equal(error.code, code);
      assert.match(error.message, new RegExp(`auth\\.entraID\\..*\\(${code}\\)$`));
      assert.match(error.traceID ?? "", /^[0-9a-f-]{36}$/);
    });
  }

  test("a redirect is not followed, and the proof goes to no other host", async () => {
    const seen: string[] = [];
    const away = await listening((request, response) => {
      seen.push(request.url ?? "");
      response.writeHead(307, { location: "http://127.0.0.1:1/elsewhere" }).end();
    });
    assert.match((await failureOf(fetchFrom({}, instead(away.url)))).message, /answered 307/);
    assert.equal(seen.length, 1);
    const elsewhere = await listening((request, response) => {
      const own = `https://${request.headers.host}/${tenant}/v2.0`;
      const token_endpoint = `https://elsewhere.example/${tenant}/oauth2/v2.0/token`;
      const document = { token_endpoint, authorization_endpoint: own, issuer: own, jwks_uri: own };
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(document));
    });
    assert.equal((await failureOf(fetchFrom({ authority: elsewhere.url }))).code, "other_host");
  });

  test("an answer without end is given up", async () => {
    const flood = await listening((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      pour(response);
    });
    assert.match((await failureOf(fetchFrom({}, instead(flood.url)))).message, /larger than/);
  });

  test("the egress guard holds", async () => {
    const entra = await service();
    const egress = { ...EGRESS, allowedCIDRs: [] };
    assert.match((await failureOf(fetchFrom({ authority: entra.url }, { egress }))).message, /loopback/);
    assert.equal(entra.requests().length, 0);
  });

  test("the forward proxy is asked for a tunnel", async () => {
    const asked: string[] = [];
    const proxy = await listening((_request, response) => response.writeHead(405).end());
    proxy.server.on("connect", (request, socket) => {
      asked.push(request.url ?? "");
      const refused = connect(1, "127.0.0.1");
      refused.on("error", () => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    });
    const error = await failureOf(fetchFrom({}, { env: { HTTPS_PROXY: proxy.url } }));
    assert.match(error.message, /forward proxy .* gave no tunnel/);
    assert.deepEqual(asked, ["login.microsoftonline.com:443"]);
  });
});

function pour(response: ServerResponse): void {
  const part = " ".repeat(64 * 1024);
  const more = () => {
    while (!response.destroyed && response.write(part));
  };
  response.on("drain", more);
  response.on("error", () => undefined);
  more();
}
