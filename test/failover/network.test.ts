/**
 * What does a caller notice of names that do not resolve, certificates that do not hold, and connections that are refused,
 * silent, reset or closed? Nothing where another backend is there; one clean error, soon, where none is.
 */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, beforeEach, describe, test } from "node:test";
import { chatAnswer, event, FakeProvider } from "../fakes/provider.ts";
import { RawProvider, type RawRequest, rawChat, rawClose, rawReset } from "../fakes/raw-provider.ts";
import { AZURE_KEY, errorOf, KEY, OPENAI_KEY, objects, startHarness } from "../proxy/harness.ts";
import { type Certificates, certificatesFor, listening, provideTLS, type Running } from "../proxy/upstream/servers.ts";

const HOST = "provider.example";
const SECRETS = { openai: OPENAI_KEY, azure: AZURE_KEY, client: KEY };
const AZURE_HOST = "contoso-sweden.openai.azure.com";
const ALONE = { backends: [{ name: "openai", providerRef: { name: "openai" } }] };

const azure = await new FakeProvider(chatAnswer("from azure")).start();

/** A gateway whose first provider stands at `to`, or nowhere; `more` is its spec. */
async function gatewayTo(to: string | undefined, more: object = {}, ca = "") {
  const connectTo = new Map([[AZURE_HOST, azure.url]]);
  if (to !== undefined) connectTo.set(HOST, to);
  const harness = await startHarness({ openai: "", azure: "", connectTo, objects: [] });
  const openai = { endpoint: `https://${HOST}/v1`, health: undefined, ...more };
  const apply = (route: Record<string, unknown> = {}) =>
    harness.apply(objects({ openai, route }), { ...SECRETS, ...(ca && { ca }) });
  apply();
  return { ...harness, apply };
}

type Gateway = Awaited<ReturnType<typeof gatewayTo>>;

interface Provider {
  readonly provider: string;
  readonly circuit: string;
  readonly models: readonly { readonly model: string; readonly circuit: string }[];
}

async function providerOf(gateway: Gateway): Promise<Provider> {
  const { providers } = (await gateway.status()) as { providers: Provider[] };
  return providers.find(({ provider }) => provider === "ai/openai") as Provider;
}

/** Why circuits opened, as `/status` tells the operator, who tells the provider's owner. */
async function causesOf(gateway: Gateway): Promise<string> {
  const { transitions } = (await gateway.status()) as { transitions: { to: string; causes?: { detail: string }[] }[] };
  const opened = transitions.filter(({ to }) => to === "open");
  return opened.flatMap(({ causes = [] }) => causes.map(({ detail }) => detail)).join("\n");
}

/** With another backend nobody notices; the whole provider is left alone after some; alone there is one clean error. */
async function assertSurvives(gateway: Gateway, why: RegExp): Promise<void> {
  for (const path of ["gpt-4o", "embed"]) {
    for (let i = 0; i < 3; i++) {
      const response = await gateway.chat({ model: path });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("x-tandem-backend"), "azure");
    }
  }
  const { circuit, models } = await providerOf(gateway);
  assert.equal(circuit, "open", "connections count for the whole provider, whatever the model");
  assert.ok(models.every((model) => model.circuit === "closed"));
  assert.match(await causesOf(gateway), why);
  assert.equal((await gateway.chat()).headers.get("x-tandem-decision"), "failover:circuit_open");
  gateway.apply(ALONE);
  const told = await gateway.chat();
  assert.equal(told.status, 502);
  assert.equal(told.headers.get("x-tandem-error-origin"), "gateway");
  assert.equal((await errorOf(told)).code, "upstream_unreachable");
}

function closing<T extends Running>(running: T): T {
  after(() => running.close());
  return running;
}

beforeEach(() => {
  azure.seen.length = 0;
  azure.answer = chatAnswer("from azure");
});

describe("a provider that cannot be connected to", () => {
  const certificates = certificatesFor(HOST);
  const skip = certificates ? false : "there is no openssl";
  const answers = (_request: unknown, response: import("node:http").ServerResponse) => void response.end("{}");
  const TRUSTED = { tls: { caSecretRef: { name: "keys", key: "ca" } } };

  test("its name does not resolve", async () => {
    await assertSurvives(
      await gatewayTo(undefined, { endpoint: "https://nobody.invalid/v1" }),
      /could not be resolved/,
    );
  });

  test("it refuses connections", async () => {
    const gone = await listening(createServer());
    await gone.close();
    await assertSurvives(await gatewayTo(`http://127.0.0.1:${gone.port}`), /ECONNREFUSED/);
  });

  test("it takes connections and never speaks", async () => {
    const hole = closing(await listening(createServer()));
    const timeouts = { connect: "200ms" };
    await assertSurvives(await gatewayTo(`https://127.0.0.1:${hole.port}`, { timeouts }), /within 200 ms/);
  });

  test("nobody vouches for its certificate", { skip }, async () => {
    const server = closing(await provideTLS(certificates as Certificates, answers));
    await assertSurvives(await gatewayTo(`https://127.0.0.1:${server.port}`), /TLS with .* failed/);
  });

  test("its certificate is another host's", { skip }, async () => {
    const { ca, key, cert } = certificatesFor("other.example") as Certificates;
    const server = closing(await provideTLS({ ca, key, cert }, answers));
    await assertSurvives(await gatewayTo(`https://127.0.0.1:${server.port}`, TRUSTED, ca), /ERR_TLS_CERT_ALTNAME/);
  });

  test("its certificate has expired", { skip }, async () => {
    const made = certificatesFor(HOST, -1) as Certificates;
    const server = closing(await provideTLS(made, answers));
    await assertSurvives(await gatewayTo(`https://127.0.0.1:${server.port}`, TRUSTED, made.ca), /CERT_HAS_EXPIRED/);
  });
});

describe("a connection that ends at the wrong moment", () => {
  const raw = new RawProvider();
  const started = raw.start();
  const over = async (route: Record<string, unknown> = {}, openai: object = {}) => {
    await started;
    const gateway = await gatewayTo(raw.url, openai);
    gateway.apply(route);
    raw.seen.length = 0;
    raw.answer = rawChat("from raw");
    return gateway;
  };
  const content = async (response: Response) => {
    assert.equal(response.status, 200);
    return ((await response.json()) as { choices: { message: { content: string } }[] }).choices[0]?.message.content;
  };
  /** What a server does whose keep-alive time was over when the request was on its way. */
  const closesKept = (end: (request: RawRequest) => void) => (request: RawRequest) =>
    request.onConnection > 1 ? end(request) : rawChat("from raw")(request);

  for (const [how, end] of [
    ["closed", rawClose],
    ["reset", rawReset],
  ] as const) {
    test(`an idle connection is ${how} as a request goes out: it is sent again, and nothing is held against anybody`, async () => {
      const gateway = await over({
        ...ALONE,
        failover: { retrySameProvider: 0, maxAttempts: 1 },
      });
      raw.answer = closesKept(end);
      for (let i = 0; i < 12; i++) assert.equal(await content(await gateway.chat()), "from raw");
      assert.ok(raw.calls.length > 12, "no request met a closed connection: this shows nothing");
      const { circuit, models } = await providerOf(gateway);
      assert.deepEqual([circuit, models[0]?.circuit], ["closed", "closed"]);
    });
  }

  test("what makes a thing is not sent again, for it may have been made", async () => {
    const gateway = await over(ALONE);
    raw.answer = closesKept(rawClose);
    assert.equal(await content(await gateway.chat()), "from raw");
    const made = await gateway.post("/v1/vector_stores", { name: "x" }, { "x-tandem-route": "chat" });
    assert.equal(made.status, 502);
    assert.equal(made.headers.get("x-should-retry"), "false");
    assert.equal(raw.calls.length, 2);
  });

  test("a new connection that is reset is a failure, and counts", async () => {
    const gateway = await over({}, { circuitBreaker: { failureThreshold: 3, recoveryTimeout: "60s" } });
    raw.answer = rawReset;
    for (let i = 0; i < 3; i++) assert.equal(await content(await gateway.chat()), "from azure");
    assert.equal((await providerOf(gateway)).models[0]?.circuit, "open");
    assert.equal(raw.calls.length, 3);
  });

  test("a reset in the middle of a plain answer fails over", async () => {
    const gateway = await over();
    raw.answer = (request) => {
      const { socket } = request;
      socket.write(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{"choices":[',
        () => socket.resetAndDestroy(),
      );
    };
    assert.equal(await content(await gateway.chat()), "from azure");
  });

  test("a reset in the middle of a stream is an error event, never a whole answer", async () => {
    const gateway = await over();
    raw.answer = ({ socket }) => {
      const part = event({ content: "Hello" });
      const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
      socket.write(`${head}${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`);
      setTimeout(() => socket.resetAndDestroy(), 100);
    };
    const text = await (await gateway.chat({ stream: true })).text();
    assert.match(text, /Hello/);
    assert.match(text, /stream_interrupted/);
    assert.doesNotMatch(text, /\[DONE\]/);
  });

  test("Connection: close after each answer costs a new connection and nothing else", async () => {
    const gateway = await over(ALONE);
    const closing = rawChat("from raw", "connection: close");
    raw.answer = (request) => {
      closing(request);
      request.socket.end();
    };
    const before = raw.connections;
    for (let i = 0; i < 10; i++) assert.equal(await content(await gateway.chat()), "from raw");
    // A health check may come between.
    assert.ok(raw.connections - before >= 10);
    assert.equal(raw.calls.length, 10);
  });

  test("Connection: close among requests that run side by side loses none", async () => {
    const gateway = await over(ALONE);
    const [keeping, closing] = [rawChat("from raw"), rawChat("from raw", "connection: close")];
    raw.answer = (request) => {
      if (raw.seen.length % 3 > 0) return keeping(request);
      closing(request);
      request.socket.end();
    };
    for (let i = 0; i < 5; i++) {
      const answers = await Promise.all(Array.from({ length: 10 }, async () => content(await gateway.chat())));
      assert.ok(answers.every((text) => text === "from raw"));
    }
  });
});
