/** Does a provider without a key work over its whole life: start, expiry, refusals, rotation, a dead token service? */
import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DEMO_APPLICATION, startSimulators } from "../../simulators/main.ts";
import { chat, type RunningGateway, startGatewayCommand, tandem, temporaryFolder, waitFor } from "../cli/tandem.ts";

const SECRET = "entra-planted-client-secret";
const CLIENT_KEY = "tdm-entra-client-key";
const { tenant, clientID } = DEMO_APPLICATION;

const AZURE_HOST = "contoso-sweden.openai.azure.com";

interface Setup {
  readonly entraID?: object;
  /** A second provider with a key, asked when the first cannot be. */
  readonly fallback?: boolean;
  readonly health?: object;
}

/** JSON is YAML. */
function manifests({ entraID = {}, fallback = false, health = { enabled: false } }: Setup, secret: string): string {
  const object = (kind: string, name: string, spec: object) => ({
    apiVersion: "tandem.dev/v1alpha1",
    kind,
    metadata: { name, namespace: "ai" },
    spec,
  });
  const proof =
    "workloadIdentity" in entraID ? {} : { clientSecret: { secretRef: { name: "keys", key: "client-secret" } } };
  const documents = [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "keys", namespace: "ai" },
      stringData: { "client-secret": secret, openai: "sk-entra-openai", client: CLIENT_KEY },
    },
    object("AIProvider", "keyless", {
      type: "AzureOpenAI",
      endpoint: `https://${AZURE_HOST}`,
      auth: { entraID: { tenantID: tenant, clientID, ...proof, ...entraID } },
      models: [{ name: "gpt-4o", deployment: "gpt-4o-prod" }],
      health,
    }),
    object("AIProvider", "openai", {
      type: "OpenAI",
      auth: { apiKey: { secretRef: { name: "keys", key: "openai" } } },
      models: [{ name: "gpt-4o" }],
      health: { enabled: false },
    }),
    object("AIRoute", "gpt-4o", {
      models: ["gpt-4o"],
      backends: ["keyless", ...(fallback ? ["openai"] : [])].map((name, at) => ({
        name,
        providerRef: { name },
        priority: at + 1,
      })),
      failover: { retrySameProvider: 0, fallbackToNext: true },
    }),
    object("AIClient", "app", { keys: [{ name: "current", secretRef: { name: "keys", key: "client" } }] }),
  ];
  return documents.map((document) => JSON.stringify(document)).join("\n---\n");
}

interface Running extends RunningGateway {
  /** Writes the manifests anew. */
  change(setup: Setup, secret?: string): Promise<void>;
  readonly folder: string;
}

/** What a test has for itself. */
interface World {
  readonly entra: NonNullable<Simulators["entra"]>;
  readonly azure: Simulators["azure"];
  readonly connectTo: readonly string[];
  run(setup?: Setup, env?: Record<string, string>): Promise<Running>;
  stop(running: RunningGateway): Promise<{ stdout: string; stderr: string }>;
}

type Simulators = Awaited<ReturnType<typeof startSimulators>>;

/** Gone when the test ends, however it ends. */
async function begin(t: TestContext): Promise<World> {
  const simulators = await startSimulators({
    options: { counting: "estimate" },
    openai: { keys: ["sk-entra-openai"] },
    azure: { keys: [] },
    entra: { applications: [{ ...DEMO_APPLICATION, secrets: [SECRET] }] },
  });
  t.after(() => simulators.close());
  const entra = simulators.entra as World["entra"];
  const connectTo = [
    "--dev",
    ...["--connect-to", `api.openai.com=${simulators.openaiUrl}`],
    ...["--connect-to", `${AZURE_HOST}=${simulators.azureUrl}`],
    ...["--connect-to", `login.microsoftonline.com=${entra.url}`],
  ];
  const run = async (setup: Setup = {}, env: Record<string, string> = {}) => {
    const folder = join(await temporaryFolder(), "manifests");
    await mkdir(folder);
    const change = (changed: Setup, secret = SECRET) => writeFile(join(folder, "all.yaml"), manifests(changed, secret));
    await change(setup);
    const running = await startGatewayCommand(["--manifests", folder, ...connectTo], env);
    t.after(async () => {
      running.child.kill("SIGKILL");
      await running.ended;
    });
    return { ...running, change, folder };
  };
  const stop = async (running: RunningGateway) => {
    running.child.kill("SIGTERM");
    const { stdout, stderr } = await running.ended;
    for (const secret of [SECRET, ...entra.tokens()])
      assert.ok(!(stdout + stderr).includes(secret), "a secret is logged");
    return { stdout, stderr };
  };
  return { entra, azure: simulators.azure, connectTo, run, stop };
}

interface Token {
  readonly provider: string;
  readonly state: string;
  readonly expiresAt: string | null;
  readonly lastError: { readonly code: string; readonly message: string } | null;
}

async function status({ adminUrl }: RunningGateway): Promise<{ table: { hash: string }; tokens: readonly Token[] }> {
  return (await fetch(`${adminUrl}/status`, { headers: { connection: "close" } })).json() as never;
}

const tokenOf = async (running: RunningGateway) => (await status(running)).tokens[0];

const LINES = `${JSON.stringify({
  messages: [
    { role: "user", content: "Who are you?" },
    { role: "assistant", content: "Somebody." },
  ],
})}\n`;

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
function serviceAccountToken(subject = DEMO_APPLICATION.federated[0]?.subject): string {
  const [federated] = DEMO_APPLICATION.federated;
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const claims = { iss: federated?.issuer, sub: subject, aud: [federated?.audience], exp };
  return `${encoded({ alg: "RS256" })}.${encoded(claims)}.c2lnbmVk`;
}

describe("Entra ID", { concurrency: 3 }, () => {
  test("under load tokens expire and are replaced ahead of it: no request fails", async (t) => {
    const { entra, azure, run, stop } = await begin(t);
    entra.fault({ fault: "lifetime;seconds=8" });
    const running = await run();
    const until = performance.now() + 15_000;
    let sent = 0;
    const caller = async () => {
      while (performance.now() < until) {
        sent++;
        assert.equal((await chat(running.url, CLIENT_KEY)).status, 200);
        await sleep(20);
      }
    };
    await Promise.all(Array.from({ length: 4 }, caller));
    assert.ok(sent > 200, `${sent} requests`);
    const fetched = entra.requests().length;
    assert.ok(fetched >= 3 && fetched <= 4, `${fetched} fetches in 15 s of tokens that live for 8 s`);
    assert.ok(azure.requests().every((request) => request.status === 200));
    await stop(running);
  });

  test("a chat with a client secret: one token for many requests, which go with it", async (t) => {
    const { entra, azure, run, stop } = await begin(t);
    const running = await run();
    const answers = await Promise.all(Array.from({ length: 20 }, () => chat(running.url, CLIENT_KEY)));
    assert.deepEqual([...new Set(answers.map((answer) => `${answer.status} ${answer.provider}`))], ["200 keyless"]);
    assert.equal(entra.requests().length, 1);
    assert.deepEqual(
      entra.requests().map(({ tenant: asked, clientID: client, grantType }) => [asked, client, grantType]),
      [[tenant, clientID, "client_credentials"]],
    );
    assert.match(entra.requests()[0]?.scope ?? "", /^https:\/\/cognitiveservices\.azure\.com\/\.default/);
    assert.equal(azure.requests().length, 20);
    const token = await tokenOf(running);
    assert.deepEqual([token?.provider, token?.state, token?.lastError], ["ai/keyless", "valid", null]);
    assert.doesNotMatch(JSON.stringify(await status(running)), /eyJ/);
    await stop(running);
  });

  test("what is piped carries the token as well, and waits for the first one", async (t) => {
    const { entra, run, stop } = await begin(t);
    entra.fault({ fault: "slow;ms=500", times: 1 });
    const running = await run();
    const headers = { authorization: `Bearer ${CLIENT_KEY}`, "x-tandem-route": "gpt-4o", connection: "close" };
    const form = new FormData();
    form.set("purpose", "fine-tune");
    form.set("file", new File([LINES], "lines.jsonl"));
    const uploaded = await fetch(`${running.url}/v1/files`, { method: "POST", headers, body: form });
    const { id } = (await uploaded.json()) as { id: string };
    assert.ok(uploaded.ok, id);
    const content = await fetch(`${running.url}/v1/files/${id}/content`, { headers });
    assert.deepEqual([content.status, await content.text()], [200, LINES]);
    await stop(running);
  });

  test("a request that comes before the first token waits for it", async (t) => {
    const { entra, run, stop } = await begin(t);
    entra.fault({ fault: "slow;ms=700", times: 1 });
    const running = await run();
    const answers = await Promise.all(Array.from({ length: 5 }, () => chat(running.url, CLIENT_KEY)));
    assert.deepEqual(
      answers.map((answer) => answer.status),
      [200, 200, 200, 200, 200],
    );
    assert.equal(entra.requests().length, 1);
    await stop(running);
  });

  test("the token service is down at start: the key provider answers; when it is back, the token is used", async (t) => {
    const { entra, run, stop } = await begin(t);
    entra.fault({ fault: "503" });
    const running = await run({ fallback: true });
    const first = await chat(running.url, CLIENT_KEY);
    assert.deepEqual([first.status, first.provider], [200, "openai"]);
    const token = await tokenOf(running);
    assert.deepEqual([token?.state, token?.expiresAt, token?.lastError?.code], ["unavailable", null, "server_error"]);
    entra.clearFaults();
    await waitFor("a token", 10_000, async () => (await tokenOf(running))?.state === "valid");
    assert.equal((await chat(running.url, CLIENT_KEY)).provider, "keyless");
    const { stdout } = await stop(running);
    assert.match(stdout, /failover:token_unavailable/);
  });

  test("nobody else can answer: 502 with one sentence at once, one log line for each fetch, which backs off", async (t) => {
    const { entra, run, stop } = await begin(t);
    entra.fault({ fault: "invalid_client" });
    const running = await run();
    await waitFor("the first refusal", 5_000, async () => (await tokenOf(running))?.state === "unavailable");
    const began = performance.now();
    for (let at = 0; at < 20; at++) {
      const { status: code, body } = await chat(running.url, CLIENT_KEY);
      assert.deepEqual([code, body.error?.code], [502, "upstream_auth_failed"]);
      assert.match((body.error as { message?: string }).message ?? "", /no access token from Microsoft Entra ID/);
    }
    assert.ok(performance.now() - began < 8_000, "nobody waits for a token service that refuses");
    const token = await tokenOf(running);
    assert.equal(token?.lastError?.code, "AADSTS7000215");
    assert.match(token?.lastError?.message ?? "", /client secret is wrong/);
    await sleep(1_500);
    const asked = entra.requests().length;
    const { stderr } = await stop(running);
    const lines = stderr.split("\n").filter((line) => line.includes("AADSTS7000215"));
    assert.ok(asked >= 2 && asked <= 7, `${asked} fetches`);
    // The last one may be under way.
    assert.ok(lines.length === asked || lines.length === asked - 1, `${lines.length} lines for ${asked} fetches`);
    assert.ok(lines.every((line) => line.includes("ai/keyless")));
  });

  test("the token service dies later: the old token serves, a failed refresh is a line in the log", async (t) => {
    const { entra, run, stop } = await begin(t);
    entra.fault({ fault: "lifetime;seconds=8", times: 1 });
    entra.fault({ fault: "reset" });
    const running = await run({ fallback: true });
    assert.equal((await chat(running.url, CLIENT_KEY)).provider, "keyless");
    await waitFor("a failed refresh", 10_000, async () => (await tokenOf(running))?.lastError !== null);
    const token = await tokenOf(running);
    assert.equal(token?.state, "valid");
    assert.equal((await chat(running.url, CLIENT_KEY)).provider, "keyless");
    await waitFor("the end of the token", 10_000, async () => (await tokenOf(running))?.state === "unavailable");
    assert.equal((await chat(running.url, CLIENT_KEY)).provider, "openai");
    const { stderr } = await stop(running);
    assert.match(stderr, /the last one serves until/);
  });

  test("the client secret is rotated, well and badly: no request fails, and what is wrong is told", async (t) => {
    const { entra, run, stop } = await begin(t);
    const running = await run();
    assert.equal((await chat(running.url, CLIENT_KEY)).status, 200);
    const before = (await status(running)).table.hash;
    entra.setSecrets(["the-next-secret"]);
    await running.change({}, "the-next-secret");
    await waitFor("the new secret", 5_000, async () => entra.tokens().length === 2);
    assert.notEqual((await status(running)).table.hash, before);
    assert.equal((await chat(running.url, CLIENT_KEY)).status, 200);
    await running.change({}, "a-mistake");
    await waitFor("the refusal", 5_000, async () => (await tokenOf(running))?.lastError?.code === "AADSTS7000215");
    const answer = await chat(running.url, CLIENT_KEY);
    assert.deepEqual([answer.status, (await tokenOf(running))?.state], [200, "valid"]);
    await stop(running);
  });

  test("a reload that does not touch the provider keeps its token", async (t) => {
    const { entra, run, stop } = await begin(t);
    const running = await run();
    assert.equal((await chat(running.url, CLIENT_KEY)).status, 200);
    const before = (await status(running)).table.hash;
    await running.change({ fallback: true });
    await waitFor("the new table", 5_000, async () => (await status(running)).table.hash !== before);
    assert.equal((await chat(running.url, CLIENT_KEY)).status, 200);
    assert.equal(entra.requests().length, 1);
    await stop(running);
  });

  test("a wrong audience: Azure's 401 becomes 502 and a fault of the configuration, and fails over", async (t) => {
    const { run, stop } = await begin(t);
    const graph = { scope: "https://graph.microsoft.com/.default" };
    const running = await run({ entraID: graph });
    const answer = await chat(running.url, CLIENT_KEY);
    assert.deepEqual([answer.status, answer.body.error?.code], [502, "upstream_auth_failed"]);
    await running.change({ entraID: graph, fallback: true });
    await waitFor("the other provider", 5_000, async () => (await chat(running.url, CLIENT_KEY)).provider === "openai");
    const { stderr } = await stop(running);
    assert.match(stderr, /the provider refuses the token: check auth\.entraID\.scope/);
  });

  test("a workload identity: the file's token proves the application; the webhook's authority does not count", async (t) => {
    const { entra, run, stop } = await begin(t);
    const file = join(await temporaryFolder(), "azure-identity-token");
    await writeFile(file, `${serviceAccountToken()}\n`);
    const env = { AZURE_FEDERATED_TOKEN_FILE: file, AZURE_AUTHORITY_HOST: "https://login.elsewhere.example/" };
    const running = await run({ entraID: { workloadIdentity: {} } }, env);
    assert.equal((await chat(running.url, CLIENT_KEY)).status, 200);
    const [request] = entra.requests();
    assert.deepEqual([request?.clientSecret, request?.clientAssertion?.slice(0, 7)], [null, "sha256:"]);
    const { stdout, stderr } = await stop(running);
    assert.ok(!(stdout + stderr).includes((await readFile(file, "utf8")).trim()));
  });

  for (const [what, file, code] of [
    ["no file is named", undefined, "no_workload_identity"],
    ["the file is not there", "/nowhere/token", "ENOENT"],
  ] as const) {
    test(`a workload identity, and ${what}: the status says so`, async (t) => {
      const { run, stop } = await begin(t);
      const env = file === undefined ? {} : { AZURE_FEDERATED_TOKEN_FILE: file };
      const running = await run({ entraID: { workloadIdentity: {} } }, env);
      await waitFor("the fault", 5_000, async () => (await tokenOf(running))?.lastError?.code === code);
      assert.match((await tokenOf(running))?.lastError?.message ?? "", /AZURE_FEDERATED_TOKEN_FILE/);
      assert.equal((await chat(running.url, CLIENT_KEY)).status, 502);
      await stop(running);
    });
  }

  test("health checks carry the token, say what keeps it away, and pass at once when it is there", async (t) => {
    const { entra, run, stop } = await begin(t);
    entra.fault({ fault: "500" });
    const health = { path: "/models", interval: "1h", timeout: "2s", failureThreshold: 1 };
    const running = await run({ health });
    const healthOf = async () => {
      const { providers } = (await status(running)) as unknown as { providers: { provider: string; health: object }[] };
      return providers.find(({ provider }) => provider === "ai/keyless")?.health as { state: string; reason: string };
    };
    await waitFor("unhealthy", 5_000, async () => (await healthOf()).state === "unhealthy");
    assert.equal((await healthOf()).reason, "TokenUnavailable");
    entra.clearFaults();
    await waitFor("healthy", 10_000, async () => (await healthOf()).state === "healthy");
    assert.equal((await chat(running.url, CLIENT_KEY)).status, 200);
    await stop(running);
  });

  test("tandem check asks with a token, and tells what is wrong with it", async (t) => {
    const { connectTo } = await begin(t);
    const folder = await temporaryFolder();
    await writeFile(join(folder, "all.yaml"), manifests({}, SECRET));
    const good = await tandem(["check", "--manifests", folder, ...connectTo]);
    assert.equal(good.code, 0, good.stdout + good.stderr);
    assert.match(good.stdout, /^ok +ai\/gpt-4o keyless: .*answered by gpt-4o/m);
    await writeFile(join(folder, "all.yaml"), manifests({}, "a-wrong-secret"));
    const bad = await tandem(["check", "--manifests", folder, ...connectTo]);
    assert.equal(bad.code, 1);
    assert.match(bad.stdout, /^FAIL ai\/gpt-4o keyless: .*no access token.*client secret is wrong.*AADSTS7000215/m);
    assert.doesNotMatch(bad.stdout + bad.stderr, /a-wrong-secret/);
    await rm(folder, { recursive: true });
  });

  test("the egress guard holds for the token request too", async (t) => {
    const { entra, connectTo } = await begin(t);
    const folder = await temporaryFolder();
    // An address of the machine itself, where a token service never is.
    const authority = { authority: `http://127.0.0.1:${entra.port}` };
    await writeFile(join(folder, "all.yaml"), manifests({ entraID: authority }, SECRET));
    const strict = await tandem([
      "check",
      "--manifests",
      folder,
      ...connectTo.slice(0, -2),
      "--settings",
      await strictSettings(folder),
    ]);
    assert.match(strict.stdout, /FAIL .*no access token: the token service: .*(egress|loopback)/);
    assert.equal(entra.requests().length, 0);
  });
});

async function strictSettings(folder: string): Promise<string> {
  const file = join(folder, "settings");
  await writeFile(file, "egress: {allowedCIDRs: []}\n");
  return file;
}
