/** Does any secret come out anywhere? Each is marked, is really used, and is looked for in every output. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { WebSocket } from "ws";
import { startGateway } from "../../proxy/gateway.ts";
import { DEFAULT_SETTINGS } from "../../proxy/settings.ts";
import { createLogger, LogDestination } from "../../proxy/telemetry/log.ts";
import { encodeTable } from "../../routing/codec.ts";
import { compile } from "../../routing/compile.ts";
import { describeSecret, Redacted } from "../../routing/secrets.ts";
import { DEMO_APPLICATION, startEntra } from "../../simulators/main.ts";
import { startGatewayCommand, tandem, temporaryFolder, waitFor } from "../cli/tandem.ts";
import { objects } from "../proxy/harness.ts";

const MARK = /planted/i;
/** In a prompt and in an answer: belongs into answers, never into a log, a metric or a trace. */
const CONTENT = /very-private/;

const SECRET = {
  openai: "sk-planted-openai-0001",
  azure: "planted-azure-0002",
  client: "tdm-planted-client-0003",
  wrongClient: "tdm-planted-nobody-0004",
  query: "planted-in-the-query-0005",
  proxyPassword: "planted-proxy-password-0006",
  collector: "planted-collector-0007",
  broken: "planted-in-a-broken-file-0008",
  unsendable: "planted-with-a\nline-end-0009",
  adminToken: "planted-admin-0010",
  pepper: "planted-pepper-0011",
  clientSecret: "planted-client-secret-0012",
  echoedSecret: "planted-echoed-secret-0013",
  socketQuery: "planted-in-a-sockets-query-0012",
  socketProtocol: "planted-in-a-subprotocol-0013",
} as const;

/** Everything that came out, with the place it came from. */
const outputs: { readonly place: string; readonly text: string; readonly answer: boolean }[] = [];
const keep = (place: string, text: string, answer = false) => outputs.push({ place, text, answer });

async function listening(handle: RequestListener, connect?: (request: IncomingMessage, socket: Socket) => void) {
  const server = createServer(handle);
  if (connect) server.on("connect", connect);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close().closeAllConnections());
  return { port: (server.address() as AddressInfo).port };
}

/** A provider that repeats the key it was given, wherever an answer has room, as its model's name says. */
const keysSeen = new Set<string>();
const echo = await listening(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const key = String(request.headers.authorization ?? request.headers["api-key"]);
  keysSeen.add(key.replace("Bearer ", ""));
  answerWithKey(/"model":"([^"]+)"/.exec(body)?.[1] ?? request.method ?? "", key, response);
});

function answerWithKey(model: string, key: string, response: ServerResponse): void {
  // Without a time the gateway would wait for the limit to pass.
  const echoes = { authorization: key, "api-key": key, "x-debug": `got ${key}` };
  const headers = { "content-type": "application/json", "retry-after": "60", ...echoes };
  const error = {
    message: `the header was ${key}`,
    type: "invalid_request_error",
    param: null,
    code: key,
    seen: [key],
  };
  const [, status = "200"] = /-(\d{3})$/.exec(model) ?? [];
  if (model === "html-503") response.writeHead(503, { "content-type": "text/html" }).end(`<p>Proxy: ${key}</p>`);
  else if (status !== "200") response.writeHead(Number(status), headers).end(JSON.stringify({ error }));
  else {
    const choices = [
      { index: 0, message: { role: "assistant", content: "very-private answer" }, finish_reason: "stop" },
    ];
    response.writeHead(200, headers).end(JSON.stringify({ object: "chat.completion", choices }));
  }
}

const entra = await startEntra({ applications: [{ ...DEMO_APPLICATION, secrets: [SECRET.clientSecret] }] });
after(() => entra.close());

/** A token service that repeats all that it was sent, in its refusals. */
const entraEcho = await listening(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const base = `https://${request.headers.host}/${DEMO_APPLICATION.tenant}`;
  const endpoints = { token_endpoint: `${base}/oauth2/v2.0/token`, authorization_endpoint: base, issuer: base };
  response.setHeader("content-type", "application/json");
  if (request.method === "GET") return response.end(JSON.stringify({ ...endpoints, jwks_uri: base }));
  const sent = decodeURIComponent(body);
  keysSeen.add(new URLSearchParams(body).get("client_secret") ?? "");
  response.statusCode = 401;
  return response.end(JSON.stringify({ error: sent, error_description: `AADSTS1: ${sent}`, trace_id: sent }));
});

/** Refuses every CONNECT, and says what it was sent. */
const forwardProxy = await listening(
  (_request, response) => response.writeHead(407).end(),
  (request, socket) => {
    const credentials = request.headers["proxy-authorization"];
    keysSeen.add(Buffer.from(String(credentials).split(" ")[1] ?? "", "base64").toString());
    socket.end(`HTTP/1.1 407 ${credentials}\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n`);
  },
);
const collector = await listening(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  keysSeen.add(String(request.headers.authorization));
  keep("trace export", Buffer.concat(chunks).toString("latin1"));
  response.setHeader("content-type", "application/json").end("{}");
});

const STATUSES = ["200", "400", "401", "403", "404", "409", "422", "429", "500", "503"];
const MODELS = [...STATUSES.map((status) => `echo-${status}`), "html-503"];

const secret = (name: string, key: string, value: string) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: "ai" },
  stringData: { [key]: value },
});
const provider = (name: string, spec: object) => ({
  apiVersion: "tandem.dev/v1alpha1",
  kind: "AIProvider",
  metadata: { name, namespace: "ai" },
  spec: { health: { path: "/models", interval: "1s", timeout: "1s", failureThreshold: 3 }, ...spec },
});
const route = (name: string, models: readonly string[], providers: readonly string[]) => ({
  apiVersion: "tandem.dev/v1alpha1",
  kind: "AIRoute",
  metadata: { name, namespace: "ai" },
  spec: {
    models,
    backends: providers.map((one, at) => ({ name: one, providerRef: { name: one }, priority: at + 1 })),
    failover: { retrySameProvider: 0, fallbackToNext: true },
  },
});
const auth = (name: string) => ({ apiKey: { secretRef: { name, key: "key" } } });

const entraID = (name: string, settings: object = {}) => {
  const { tenant: tenantID, clientID } = DEMO_APPLICATION;
  return { entraID: { tenantID, clientID, clientSecret: { secretRef: { name, key: "key" } }, ...settings } };
};

/** Expanded by `tandem run`. */
const variable = (name: string) => `$\{${name}}`;

const AZURE = { type: "AzureOpenAI", endpoint: "https://contoso-sweden.openai.azure.com" };
const MANIFESTS: readonly object[] = [
  secret("openai", "key", variable("PLANTED_OPENAI")),
  secret("azure", "key", SECRET.azure),
  secret("client", "key", SECRET.client),
  secret("entra", "key", SECRET.clientSecret),
  secret("entra-echo", "key", SECRET.echoedSecret),
  secret("unsendable", "key", SECRET.unsendable),
  secret("placeholder", "key", variable("NOT_SET")),
  provider("openai", { type: "OpenAI", auth: auth("openai"), models: MODELS.map((name) => ({ name })) }),
  provider("azure", { ...AZURE, auth: auth("azure"), models: [{ name: "both-500", deployment: "echo-500" }] }),
  provider("azure-echo", {
    ...AZURE,
    auth: auth("azure"),
    models: MODELS.map((name) => ({ name: `azure-${name}`, deployment: name })),
  }),
  provider("proxied", {
    type: "OpenAI",
    endpoint: "https://proxied.example/v1",
    auth: auth("openai"),
    models: [{ name: "proxied" }],
  }),
  provider("entra", {
    ...AZURE,
    auth: entraID("entra"),
    models: MODELS.map((name) => ({ name: `entra-${name}`, deployment: name })),
  }),
  provider("entra-echo", {
    ...AZURE,
    auth: entraID("entra-echo", { authority: "https://login.echo.example" }),
    models: [{ name: "no-token", deployment: "echo-200" }],
  }),
  provider("unsendable", { type: "OpenAI", auth: auth("unsendable"), models: [{ name: "unsendable" }] }),
  provider("placeholder", { type: "OpenAI", auth: auth("placeholder"), models: [{ name: "placeholder" }] }),
  route("openai", MODELS, ["openai"]),
  route(
    "azure",
    MODELS.map((name) => `azure-${name}`),
    ["azure-echo"],
  ),
  route(
    "entra",
    MODELS.map((name) => `entra-${name}`),
    ["entra"],
  ),
  route("entra-echo", ["no-token"], ["entra-echo"]),
  route("proxied", ["proxied"], ["proxied"]),
  route("unsendable", ["unsendable"], ["unsendable"]),
  route("placeholder", ["placeholder"], ["placeholder"]),
  {
    apiVersion: "tandem.dev/v1alpha1",
    kind: "AIClient",
    metadata: { name: "app", namespace: "ai" },
    spec: { keys: [{ name: "current", secretRef: { name: "client", key: "key" } }] },
  },
];

/** What a person may save by mistake: the secret stands where the reader stumbles. */
const BROKEN: readonly string[] = [
  `kind: Secret\nstringData: {key: "${SECRET.broken}\n`,
  `kind: Secret\nstringData:\n\tkey: ${SECRET.broken}\n`,
  `apiVersion: v1\nkind: Secret\nmetadata: {name: openai, namespace: ai}\ndata: {key: "${SECRET.broken}!"}\n`,
  `apiVersion: v1\nkind: Secret\nmetadata: {name: openai, namespace: ai}\nstringData: {key: [${SECRET.broken}]}\n`,
  `apiVersion: v1\nkind: Secret\nmetadata: {name: openai, namespace: ai}\nstringData: ${SECRET.broken}\n`,
  `apiVersion: v1\nkind: Secret\nmetadata: {name: openai, namespace: ai}\nstringData: {key: &a ${SECRET.broken}, key: *b}\n`,
  `{"apiVersion": "v1", "kind": "Secret", "stringData": {"key": "${SECRET.broken}",,}}\n`,
];

test("no secret comes out of any process", { timeout: 90_000 }, async () => {
  const folder = await temporaryFolder();
  const manifests = join(folder, "manifests");
  await mkdir(manifests);
  await Promise.all(MANIFESTS.map((one, at) => writeFile(join(manifests, `${at}.json`), JSON.stringify(one))));
  const env = {
    PLANTED_OPENAI: SECRET.openai,
    HTTPS_PROXY: `http://someone:${SECRET.proxyPassword}@127.0.0.1:${forwardProxy.port}`,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${collector.port}/v1/traces`,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=${SECRET.collector}`,
    OTEL_BSP_SCHEDULE_DELAY: "50",
    // Even where somebody wants to see what @azure/identity does.
    AZURE_LOG_LEVEL: "verbose",
  };
  const echoURL = `http://127.0.0.1:${echo.port}`;
  const connectTo = [
    `api.openai.com=${echoURL}`,
    `contoso-sweden.openai.azure.com=${echoURL}`,
    `login.microsoftonline.com=${entra.url}`,
    `login.echo.example=http://127.0.0.1:${entraEcho.port}`,
  ].flatMap((target) => ["--connect-to", target]);
  const running = await startGatewayCommand(["--manifests", manifests, "--dev", ...connectTo], env);
  await askEverything(running.url);
  await askForSockets(running.url);
  await breakManifests(manifests, running);
  await lookEverywhere(running.adminUrl);
  running.child.kill("SIGTERM");
  const { stdout, stderr } = await running.ended;
  keep("stdout of tandem run", stdout);
  keep("stderr of tandem run", stderr);
  await otherCommands(folder, manifests, env, connectTo);
  assert.ok(stdout.split("\n").length > 60, "the access log is empty");
  assertNothing();
  const sent = [SECRET.openai, SECRET.azure, SECRET.collector, SECRET.echoedSecret, ...entra.tokens()];
  for (const used of [...sent, `someone:${SECRET.proxyPassword}`]) {
    assert.ok(keysSeen.has(used), `${used} was never sent, so this test proves nothing`);
  }
});

async function ask(url: string, path: string, init: RequestInit): Promise<void> {
  const response = await fetch(url + path, init);
  keep(`${init.method} ${path.split("?")[0]} ${String(init.body).slice(0, 40)}`, await dump(response), true);
}

async function dump(response: Response): Promise<string> {
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  return [response.status, ...headers, await response.text()].join("\n");
}

const JSON_HEADERS = { "content-type": "application/json", authorization: `Bearer ${SECRET.client}` };

async function askEverything(url: string): Promise<void> {
  const post = (path: string, body: object, headers: Record<string, string> = JSON_HEADERS) =>
    ask(url, path, { method: "POST", headers, body: JSON.stringify(body) });
  const messages = [{ role: "user", content: "very-private question" }];
  const names = [
    ...MODELS,
    ...MODELS.map((name) => `azure-${name}`),
    ...MODELS.map((name) => `entra-${name}`),
    "no-token",
    "proxied",
    "unsendable",
    "placeholder",
    "none",
  ];
  for (const model of names) {
    await post("/v1/chat/completions", { model, messages });
    await post("/v1/chat/completions", { model, messages, stream: true });
    await post("/v1/images/generations", { model, prompt: "very-private picture" });
  }
  await post(`/v1/chat/completions?api-key=${SECRET.query}&key=${SECRET.query}`, { model: "echo-400", messages });
  await post(`/nowhere?api-key=${SECRET.query}`, { model: "echo-400" });
  for (const wrong of [`Bearer ${SECRET.wrongClient}`, SECRET.wrongClient, `Basic ${SECRET.wrongClient}`]) {
    await post("/v1/chat/completions", { model: "echo-200", messages }, { ...JSON_HEADERS, authorization: wrong });
  }
  const { "content-type": type } = JSON_HEADERS;
  await post("/v1/embeddings", { model: "echo-400" }, { "content-type": type, "api-key": SECRET.wrongClient });
  await post("/v1/embeddings", { model: "echo-400" }, { ...JSON_HEADERS, "api-key": SECRET.wrongClient });
  await ask(url, "/v1/chat/completions", { method: "POST", headers: JSON_HEADERS, body: '{"model":"very-private' });
  await ask(url, "/v1/files/file-1", { method: "GET", headers: { ...JSON_HEADERS, "x-tandem-route": "openai" } });
  await ask(url, "/v1/models", { method: "GET", headers: JSON_HEADERS });
}

/** Keys where only realtime takes them: right ones and wrong ones, refused and let in, at providers that repeat theirs. */
async function askForSockets(url: string): Promise<void> {
  const at = `${url.replace("http", "ws")}/v1/realtime?model=`;
  const protocols = (key: string) => ["realtime", `openai-insecure-api-key.${key}`];
  const knock = async (address: string, offered: readonly string[] = []) => {
    const socket = new WebSocket(address, [...offered]);
    const text = await new Promise<string>((resolve) => {
      socket.on("unexpected-response", (_request, answer) => {
        let body = JSON.stringify(answer.headers);
        answer.on("data", (part) => {
          body += part;
        });
        answer.on("end", () => resolve(body));
      });
      socket.on("open", () => socket.close());
      socket.on("error", (error) => resolve(String(error)));
      socket.on("close", (code, reason) => resolve(`${code} ${reason}`));
    });
    keep("WebSocket", text, true);
  };
  for (const model of ["echo-401", "azure-echo-500", "azure-echo-429", "none"]) {
    await knock(`${at}${model}&api-key=${SECRET.client}`);
    await knock(at + model, protocols(SECRET.client));
  }
  await knock(`${at}echo-200&api-key=${SECRET.socketQuery}`);
  await knock(`${at}echo-200`, protocols(SECRET.socketProtocol));
  await knock(`${at}echo-200&api-key=${SECRET.socketQuery}`, protocols(SECRET.socketProtocol));
  await knock(`${url.replace("http", "ws")}/v1/chat/completions?api-key=${SECRET.socketQuery}`);
  await knock(`${url.replace("http", "ws")}/nowhere?api-key=${SECRET.socketQuery}`, protocols(SECRET.socketProtocol));
}

async function breakManifests(folder: string, running: { adminUrl: string }): Promise<void> {
  for (const [at, text] of BROKEN.entries()) {
    const name = `broken-${at}.yaml`;
    await writeFile(join(folder, name), text);
    const isTold = async () => {
      const { lastReload } = JSON.parse(await statusText(running.adminUrl));
      return lastReload?.error?.file?.endsWith(name) === true;
    };
    await waitFor(`${name} was noticed`, 5_000, isTold);
    keep(`/status with ${name}`, await statusText(running.adminUrl));
    await rm(join(folder, name));
  }
}

async function statusText(adminUrl: string): Promise<string> {
  return (await fetch(`${adminUrl}/status`)).text();
}

async function lookEverywhere(adminUrl: string): Promise<void> {
  for (const path of ["/status", "/metrics", "/healthz", "/readyz", "/nowhere"]) {
    keep(path, await dump(await fetch(adminUrl + path)));
  }
}

async function otherCommands(
  folder: string,
  manifests: string,
  env: Record<string, string>,
  connectTo: readonly string[],
): Promise<void> {
  const settings = join(folder, "settings.yaml");
  await writeFile(settings, `egress: {proxyURL: "ftp://someone:${SECRET.proxyPassword}@proxy.example"}\n`);
  const broken = join(folder, "broken.yaml");
  await writeFile(broken, BROKEN[0] as string);
  const free = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state", folder];
  const commands: readonly (readonly string[])[] = [
    ["compile", "--manifests", manifests, "-o", "json"],
    ["compile", "--manifests", manifests, "-o", "yaml"],
    ["compile", "--manifests", broken],
    ["explain", "--manifests", manifests, "--model", "echo-200"],
    ["check", "--manifests", manifests, "--dev", ...connectTo],
    ["run", "--manifests", manifests, "--settings", settings, ...free],
  ];
  for (const args of commands) {
    const { stdout, stderr } = await tandem(args, env);
    assert.ok(stdout + stderr !== "", `${args[0]} said nothing`);
    keep(`tandem ${args[0]}: stdout`, stdout);
    keep(`tandem ${args[0]}: stderr`, stderr);
  }
}

/** The names of variables and the manifests' own text about them are no secrets; their values are. */
function assertNothing(): void {
  const values = [...Object.values(SECRET).map((value) => value.split("\n")[0] as string), ...entra.tokens()];
  for (const { place, text, answer } of outputs) {
    for (const value of values) assert.ok(!text.includes(value), `${value} in ${place}:\n${text.slice(0, 4000)}`);
    const base64 = values.find((value) => text.includes(Buffer.from(value).toString("base64").slice(0, -3)));
    assert.equal(base64, undefined, `${base64} in base64 in ${place}`);
    if (!answer) assert.doesNotMatch(text, CONTENT, `content in ${place}`);
  }
}

test("the admin token and the pepper stay inside, whatever is asked", async () => {
  const folder = await temporaryFolder();
  const [program, access] = [join(folder, "program.log"), join(folder, "access.log")];
  const programLog = new LogDestination(program);
  const gateway = await startGateway({
    listen: { host: "127.0.0.1", port: 0 },
    admin: { host: "127.0.0.1", port: 0 },
    settings: DEFAULT_SETTINGS,
    connectTo: new Map([["api.openai.com", `http://127.0.0.1:${echo.port}`]]),
    adminToken: () => new Redacted(SECRET.adminToken),
    log: createLogger(programLog, "debug"),
    accessLog: new LogDestination(access),
    env: {},
  });
  const pepper = new Redacted(SECRET.pepper);
  const values = Object.fromEntries(
    Object.entries(SECRET).map(([name, value]) => [name, new Redacted(value.replace("\n", ""))]),
  );
  const { facts, credentials } = describeSecret({ namespace: "ai", name: "keys", values }, pepper);
  const { table, verdicts } = compile({ objects: objects(), secrets: [facts], dev: false });
  const published = encodeTable(table);
  keep("the table", JSON.stringify([published, verdicts]));
  const before = outputs.length;
  assert.ok(gateway.apply({ published, credentials: new Map(credentials), pepper, idKeys: [] }).ok);
  assert.ok(
    !gateway.apply({ published: { ...published, hash: "0".repeat(64) }, credentials: new Map(), pepper, idKeys: [] })
      .ok,
  );
  for (const token of [SECRET.adminToken, `${SECRET.adminToken}x`]) {
    // Under another name than loopback's the token is asked for.
    const headers = { authorization: `Bearer ${token}`, host: "tandem.example" };
    const response = await fetch(`${gateway.adminUrl}/status?token=${token}`, { headers });
    keep(`/status with ${token === SECRET.adminToken ? "the" : "a wrong"} token`, await dump(response));
  }
  await lookEverywhere(gateway.adminUrl);
  await ask(gateway.url, "/v1/models", { method: "GET", headers: JSON_HEADERS });
  await gateway.close({ drainMs: 0 });
  await programLog.close(1000);
  keep("program log", await readFile(program, "utf8"));
  keep("access log", await readFile(access, "utf8"));
  assert.ok(outputs.length > before + 5);
  assertNothing();
});

test("the looking finds what is there", () => {
  keep("here", `x ${SECRET.openai} x`);
  assert.match(SECRET.openai, MARK);
  assert.throws(assertNothing, /in here/);
  outputs.pop();
});
