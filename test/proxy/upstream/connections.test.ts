/** Do requests reach their provider, over few connections, and only where they may go? */
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import net from "node:net";
import { after, afterEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError, EgressError } from "../../../proxy/upstream/connect-error.ts";
import {
  Connections,
  type ConnectionsOptions,
  type DispatchController,
  type DispatchHandler,
} from "../../../proxy/upstream/connections.ts";
import type { Lookup } from "../../../proxy/upstream/egress.ts";
import { Redacted } from "../../../routing/secrets.ts";
import { ask, LOOPBACK_EGRESS, OPEN_EGRESS, provider, until } from "./fixtures.ts";
import { certificatesFor, echo, forwardProxy, listening, provide, provideTLS, type Running } from "./servers.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function up<T extends Running>(server: Promise<T>): Promise<T> {
  const running = await server;
  cleanups.push(() => running.close());
  return running;
}

function connections(options: Partial<ConnectionsOptions> = {}): Connections {
  const made = new Connections({ egress: LOOPBACK_EGRESS, connectTo: new Map(), env: {}, ...options });
  cleanups.push(() => made.destroy());
  return made;
}

const NOBODY = new Map();

function at(endpoint: string, connect = 2_000) {
  return provider({ endpoint, timeouts: { ...provider().timeouts, connect } });
}

function answers(...addresses: string[]): Lookup {
  return (_hostname, _options, callback) =>
    setImmediate(
      callback,
      null,
      addresses.map((address) => ({ address, family: net.isIP(address) })),
    );
}

function fails(failure: string, code?: string) {
  return (error: unknown) => {
    assert.ok(error instanceof ConnectError, `not a ConnectError: ${error}`);
    assert.equal(error.failure, failure, error.message);
    if (code !== undefined) assert.equal(error.code, code);
    return true;
  };
}

describe("connections", () => {
  test("are used again, and are as many as requests at a time", async () => {
    const server = await up(provide());
    const dispatcher = connections().dispatcherFor(at(`http://127.0.0.1:${server.port}/v1`), NOBODY);
    for (let i = 0; i < 20; i++) assert.equal((await ask(dispatcher, { path: `/v1/${i}` })).status, 200);
    assert.equal(server.connections(), 1);
    await Promise.all(Array.from({ length: 8 }, () => ask(dispatcher)));
    assert.ok(server.connections() <= 8, `${server.connections()}`);
  });

  test("are shared by providers with the same endpoint, and by reloads", async () => {
    const server = await up(provide());
    const made = connections();
    const one = at(`http://127.0.0.1:${server.port}/v1`);
    const same = { ...one, key: "other/twin" };
    assert.equal(made.dispatcherFor(one, NOBODY), made.dispatcherFor(same, NOBODY));
    assert.notEqual(made.dispatcherFor(one, NOBODY), made.dispatcherFor({ ...one, tls: { ca: "x" } }, NOBODY));
    await ask(made.dispatcherFor(one, NOBODY));
    made.retire([structuredClone(one)]);
    await ask(made.dispatcherFor(structuredClone(one), NOBODY));
    assert.equal(server.connections(), 1);
  });

  test("are found at once however many are busy, and none is lost to a request that cannot be sent", async () => {
    const held: ServerResponse[] = [];
    const hold = (request: IncomingMessage, response: ServerResponse) => {
      if (request.url === "/hold") held.push(response);
      else response.end("free");
    };
    const server = await up(provide(hold));
    const dispatcher = connections().dispatcherFor(at(`http://127.0.0.1:${server.port}`), NOBODY);
    const holding = Array.from({ length: 100 }, () => ask(dispatcher, { path: "/hold" }));
    await until(() => held.length === 100, "all are under way at once");
    for (let i = 0; i < 10; i++) {
      await ask(dispatcher);
      await assert.rejects(ask(dispatcher, { path: "/not a path" }), { code: "UND_ERR_INVALID_ARG" });
      await assert.rejects(ask(dispatcher, { headers: { "x-a": "line\nbreak" } }), { code: "UND_ERR_INVALID_ARG" });
    }
    assert.equal(server.connections(), 101);
    for (const response of held) response.end("held");
    assert.ok((await Promise.all(holding)).every(({ body }) => body === "held"));
    for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 100 }, () => ask(dispatcher)));
    assert.equal(server.connections(), 101, "used again");
  });

  test("that the provider closed, idle or after an answer, are replaced", async () => {
    const server = await up(provide((_request, response) => response.setHeader("connection", "close").end("bye")));
    const dispatcher = connections().dispatcherFor(at(`http://127.0.0.1:${server.port}`), NOBODY);
    for (let i = 1; i <= 5; i++) assert.equal((await ask(dispatcher)).body, "bye");
    assert.equal(server.connections(), 5);
    await server.close();
    await up(provide(echo, "127.0.0.1", server.port));
    assert.equal((await ask(dispatcher)).status, 200);
  });

  test("survive callers who go away before and after the answer began", async () => {
    const server = await up(provide((_request, response) => response.write("first")));
    const dispatcher = connections().dispatcherFor(at(`http://127.0.0.1:${server.port}`), NOBODY);
    for (const when of ["onRequestStart", "onResponseStart", "onResponseData"] as const) {
      const { promise, resolve } = Promise.withResolvers<Error>();
      const nothing = () => {};
      const handler: DispatchHandler = {
        onRequestStart: nothing,
        onResponseStart: nothing,
        onResponseData: nothing,
        onResponseEnd: nothing,
        onResponseError: (_controller, error) => resolve(error),
        [when]: (controller: DispatchController) => controller.abort(new Error("gone")),
      };
      dispatcher.dispatch({ method: "GET", path: "/" }, handler);
      assert.equal((await promise).message, "gone", when);
    }
    await until(() => server.open() === 0, "their connections are closed");
  });

  test("do not follow redirects", async () => {
    const server = await up(provide((_request, response) => response.writeHead(307, { location: "/elsewhere" }).end()));
    const answer = await ask(connections().dispatcherFor(at(`http://127.0.0.1:${server.port}`), NOBODY));
    assert.equal(answer.status, 307);
  });

  test("of a provider that is gone close when their requests have ended", async () => {
    const started = Promise.withResolvers<ServerResponse>();
    const server = await up(
      provide((request, response) => {
        if (request.url !== "/slow") return echo(request, response);
        response.write("first ");
        started.resolve(response);
      }),
    );
    const made = connections();
    const dispatcher = made.dispatcherFor(at(`http://127.0.0.1:${server.port}`), NOBODY);
    await ask(dispatcher);
    const slow = ask(dispatcher, { path: "/slow" });
    const response = await started.promise;
    made.retire([]);
    await sleep(30);
    response.end("last");
    assert.equal((await slow).body, "first last");
    await until(() => server.open() === 0, "the connection closed");
    // A request that began under the older table and tries again still can.
    assert.equal((await ask(dispatcher)).status, 200);
    made.retire([]);
    await until(() => server.open() === 0, "the later connection closed");
  });

  test("close waits for what is in flight, destroy does not", async () => {
    const server = await up(provide((_request, response) => setTimeout(() => response.end("done"), 60)));
    const patient = connections();
    const waiting = ask(patient.dispatcherFor(at(`http://127.0.0.1:${server.port}`), NOBODY));
    await patient.close();
    assert.equal((await waiting).body, "done");
    const hasty = connections();
    const broken = ask(hasty.dispatcherFor(at(`http://127.0.0.1:${server.port}`), NOBODY));
    broken.catch(() => {});
    await hasty.destroy();
    await assert.rejects(broken);
  });

  test("that cannot be made fail every request, and work once they can", async () => {
    const server = await provide();
    await server.close();
    const dispatcher = connections().dispatcherFor(at(`http://127.0.0.1:${server.port}`), NOBODY);
    const failures = await Promise.allSettled(Array.from({ length: 20 }, () => ask(dispatcher)));
    for (const failure of failures) {
      assert.equal(failure.status, "rejected");
      fails("connect", "ECONNREFUSED")((failure as PromiseRejectedResult).reason);
    }
    await up(provide(echo, "127.0.0.1", server.port));
    assert.equal((await ask(dispatcher)).status, 200);
  });

  test("give up in time, TLS handshake included", async () => {
    const silent = await up(listening(net.createServer((socket) => socket.resume())));
    const dispatcher = connections().dispatcherFor(at(`https://127.0.0.1:${silent.port}`, 120), NOBODY);
    const startedAt = performance.now();
    await assert.rejects(ask(dispatcher), fails("timeout", "CONNECT_TIMEOUT"));
    const took = performance.now() - startedAt;
    assert.ok(took >= 115 && took < 600, `${took} ms`);
    await until(() => silent.open() === 0, "the half-made connection is closed");
  });

  test("say when a name does not resolve", async () => {
    const lookup: Lookup = (_hostname, _options, callback) =>
      callback(Object.assign(new Error("getaddrinfo"), { code: "ENOTFOUND", syscall: "getaddrinfo" }), []);
    const dispatcher = connections({ lookup }).dispatcherFor(at("http://nobody.example"), NOBODY);
    await assert.rejects(ask(dispatcher), fails("dns", "ENOTFOUND"));
  });
});

describe("--connect-to", () => {
  test("changes the address and nothing else", async () => {
    const server = await up(provide());
    const connectTo = new Map([["api.openai.com", `http://127.0.0.1:${server.port}`]]);
    // No exception is needed: its targets are exempt from the guard.
    const made = connections({ egress: OPEN_EGRESS, connectTo, env: { HTTPS_PROXY: "http://127.0.0.1:1" } });
    const dispatcher = made.dispatcherFor(at("https://api.openai.com/v1"), NOBODY);
    const headers = { authorization: "Bearer k" };
    const { body } = await ask(dispatcher, { method: "POST", path: "/v1/chat/completions?a=b", headers, body: "{}" });
    const seen = JSON.parse(body);
    assert.equal(seen.headers.host, "api.openai.com");
    assert.equal(seen.headers.authorization, "Bearer k");
    assert.deepEqual([seen.method, seen.url], ["POST", "/v1/chat/completions?a=b"]);
  });

  test("may name a port, which must be the endpoint's", async () => {
    const server = await up(provide());
    const connectTo = new Map([["llm.example:8443", `http://127.0.0.1:${server.port}`]]);
    const made = connections({ connectTo, lookup: answers("127.0.0.3") });
    const { body } = await ask(made.dispatcherFor(at("https://llm.example:8443"), NOBODY));
    assert.equal(JSON.parse(body).headers.host, "llm.example:8443");
    await assert.rejects(ask(made.dispatcherFor(at("http://llm.example:9"), NOBODY)), fails("connect"));
  });
});

describe("egress", () => {
  test("refuses addresses in endpoints, however they are written", async () => {
    const server = await up(provide());
    const made = connections({ egress: OPEN_EGRESS });
    const hosts = ["127.0.0.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "[::1]", "169.254.169.254", "10.0.0.1"];
    for (const host of hosts) {
      const dispatcher = made.dispatcherFor(at(`http://${host}:${server.port}`), NOBODY);
      await assert.rejects(ask(dispatcher), fails("egress", "EGRESS_DENIED"), host);
    }
    assert.equal(server.connections(), 0);
  });

  test("refuses names that resolve to such addresses", async () => {
    const server = await up(provide());
    const made = connections({ egress: OPEN_EGRESS, lookup: answers("127.0.0.1", "::1") });
    await assert.rejects(ask(made.dispatcherFor(at(`http://evil.example:${server.port}`), NOBODY)), EgressError);
    const system = connections({ egress: OPEN_EGRESS });
    await assert.rejects(ask(system.dispatcherFor(at(`http://localhost:${server.port}`), NOBODY)), EgressError);
    assert.equal(server.connections(), 0);
  });

  test("connects to the address that was judged (DNS rebinding)", async () => {
    const good = await up(provide(echo, "127.0.0.1"));
    const bad = await up(provide(echo, "127.0.0.2", good.port));
    let asked = 0;
    const lookup: Lookup = (hostname, options, callback) =>
      answers(asked++ === 0 ? "127.0.0.1" : "127.0.0.2")(hostname, options, callback);
    const egress = { ...OPEN_EGRESS, allowedCIDRs: ["127.0.0.1/32"] };
    const made = connections({ egress, lookup });
    const rebinding = at(`http://rebinding.example:${good.port}`);
    const { body } = await ask(made.dispatcherFor(rebinding, NOBODY));
    assert.equal(JSON.parse(body).local, "127.0.0.1");
    assert.equal(asked, 1, "judged and connected with one answer");
    made.retire([]);
    await assert.rejects(ask(made.dispatcherFor(rebinding, NOBODY)), EgressError);
    const mixed = connections({ egress, lookup: answers("127.0.0.2", "127.0.0.1") });
    const answer = await ask(mixed.dispatcherFor(rebinding, NOBODY));
    assert.equal(JSON.parse(answer.body).local, "127.0.0.1", "the allowed address of a mixed answer");
    assert.equal(bad.connections(), 0);
  });
});

describe("TLS", () => {
  const certificates = certificatesFor("llm.example");
  const skip = certificates ? false : "no openssl on this machine";
  const lookup = answers("127.0.0.1");
  const credentials = new Map([
    ["ca-1", new Redacted(certificates?.ca ?? "")],
    ["junk", new Redacted("planted-not-a-certificate")],
  ]);
  const secure = (port: number, ca?: string) => ({ ...at(`https://llm.example:${port}`), ...(ca && { tls: { ca } }) });

  test("trusts a provider's own CA, and only for that provider", { skip }, async () => {
    if (!certificates) return;
    const server = await up(provideTLS(certificates));
    const made = connections({ lookup });
    const { body } = await ask(made.dispatcherFor(secure(server.port, "ca-1"), credentials));
    assert.equal(JSON.parse(body).headers.host, `llm.example:${server.port}`);
    await assert.rejects(ask(made.dispatcherFor(secure(server.port), credentials)), fails("tls"));
  });

  test("checks the name", { skip }, async () => {
    if (!certificates) return;
    const server = await up(provideTLS(certificates));
    const other = { ...at(`https://other.example:${server.port}`), tls: { ca: "ca-1" } };
    const dispatcher = connections({ lookup }).dispatcherFor(other, credentials);
    await assert.rejects(ask(dispatcher), fails("tls", "ERR_TLS_CERT_ALTNAME_INVALID"));
  });

  test("says which CA is missing or no certificate, without telling it", async () => {
    const made = connections({ lookup });
    await assert.rejects(ask(made.dispatcherFor(secure(9, "gone"), credentials)), fails("tls", "CA_MISSING"));
    await assert.rejects(ask(made.dispatcherFor(secure(9, "junk"), credentials)), (error: Error) => {
      assert.match(error.message, /tls\.caSecretRef of AIProvider ai\/openai does not hold a certificate/);
      return fails("tls", "CA_INVALID")(error) && !error.message.includes("planted");
    });
  });

  test("goes through a forward proxy in a tunnel", { skip }, async () => {
    if (!certificates) return;
    const server = await up(provideTLS(certificates));
    const proxy = await up(forwardProxy(server.port));
    const env = { HTTPS_PROXY: `http://user:p%40ss@127.0.0.1:${proxy.port}` };
    // The name is resolved by the proxy alone.
    const never: Lookup = () => assert.fail("resolved here");
    const made = connections({ egress: OPEN_EGRESS, env, lookup: never });
    const dispatcher = made.dispatcherFor(secure(server.port, "ca-1"), credentials);
    const { body } = await ask(dispatcher, { path: "/v1/models", headers: { authorization: "Bearer k" } });
    assert.equal(JSON.parse(body).headers["proxy-authorization"], undefined);
    assert.equal(JSON.parse(body).headers.authorization, "Bearer k");
    await ask(dispatcher);
    const basic = `Basic ${Buffer.from("user:p@ss").toString("base64")}`;
    assert.deepEqual(proxy.seen, [`CONNECT llm.example:${server.port} ${basic}`], "one tunnel for both requests");
    await Promise.all([ask(dispatcher), ask(dispatcher), ask(dispatcher)]);
  });
});

describe("a forward proxy", () => {
  test("is asked for the whole URL of a plain http endpoint", async () => {
    const server = await up(provide());
    const proxy = await up(forwardProxy(server.port));
    const egress = { ...OPEN_EGRESS, proxyURL: `http://127.0.0.1:${proxy.port}` };
    const made = connections({ egress });
    const dispatcher = made.dispatcherFor(at("http://vllm.internal:8000/v1"), NOBODY);
    for (const headers of [{ "x-a": "1" }, ["x-a", "1"]]) {
      const { body } = await ask(dispatcher, { path: "/v1/models?x=1", headers });
      const seen = JSON.parse(body);
      assert.deepEqual(
        [seen.url, seen.headers.host, seen.headers["x-a"]],
        ["/v1/models?x=1", "vllm.internal:8000", "1"],
      );
    }
    assert.equal(proxy.seen[0], "GET http://vllm.internal:8000/v1/models?x=1 -");
    assert.equal(proxy.connections(), 1);
  });

  test("is left out where NO_PROXY says so", async () => {
    const server = await up(provide());
    const env = { HTTP_PROXY: "http://127.0.0.1:1", NO_PROXY: "llm.example" };
    const made = connections({ env, lookup: answers("127.0.0.1") });
    assert.equal((await ask(made.dispatcherFor(at(`http://llm.example:${server.port}`), NOBODY))).status, 200);
  });

  test("does not open the way to addresses that are forbidden", async () => {
    const server = await up(provide());
    const proxy = await up(forwardProxy(server.port));
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, HTTP_PROXY: `http://127.0.0.1:${proxy.port}` };
    const made = connections({ egress: OPEN_EGRESS, env });
    for (const endpoint of ["https://169.254.169.254", "http://10.0.0.1"]) {
      await assert.rejects(ask(made.dispatcherFor(at(endpoint), NOBODY)), EgressError);
    }
    assert.deepEqual(proxy.seen, []);
  });

  test("that refuses, is down, is silent or is no URL fails the connection", async () => {
    const refusing = await up(forwardProxy(9, 403));
    const silent = await up(listening(net.createServer((socket) => socket.resume())));
    const secret = "hunter2";
    const cases = [
      [`http://u:${secret}@127.0.0.1:${refusing.port}`, "proxy", /answered CONNECT with 403/],
      [`http://u:${secret}@127.0.0.1:1`, "proxy", /gave no tunnel: ECONNREFUSED/],
      [`http://u:${secret}@127.0.0.1:${silent.port}`, "timeout", /within 150 ms/],
      [`socks5://u:${secret}@127.0.0.1:1080`, "proxy", /HTTPS_PROXY must be/],
    ] as const;
    for (const [HTTPS_PROXY, failure, message] of cases) {
      const made = connections({ env: { HTTPS_PROXY } });
      await assert.rejects(ask(made.dispatcherFor(at("https://llm.example", 150), NOBODY)), (error: Error) => {
        assert.match(error.message, message);
        assert.ok(!error.message.includes(secret));
        return fails(failure)(error);
      });
    }
  });
});

after(() => assert.equal(cleanups.length, 0));
