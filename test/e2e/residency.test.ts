/** Does data stay where its caller says, whatever the route would rather do? */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import OpenAI, { toFile } from "openai";
import type { RecordedRequest, RunningSimulator } from "../../simulators/main.ts";
import { errorOf, type Harness, KEY, object } from "../proxy/harness.ts";
import { azureProvider, client, gatewayOver, MODELS, openaiProvider, simulators } from "./over-simulators.ts";

const UNKNOWN_KEY = "tdm-caller-of-unknown-residency";
const SECRETS = { openai: "sk-harness-openai", azure: "harness-azure-key", client: KEY, unknown: UNKNOWN_KEY };
const CHAT = "gpt-4o";

const both = await simulators();
const { openai, azure } = both;

beforeEach(() => {
  openai.reset();
  azure.reset();
});

/** All deployments in Sweden but one, which may be processed anywhere. */
const IN_SWEDEN = {
  region: "swedencentral",
  models: Object.entries(MODELS).map(([name, deployment]) => ({
    name,
    deployment,
    deploymentType: name === "gpt-5-mini" ? "GlobalStandard" : "DataZoneStandard",
  })),
};
const BACKENDS = [
  { name: "anywhere", providerRef: { name: "openai" }, priority: 1 },
  { name: "sweden", providerRef: { name: "azure" }, priority: 2 },
];

interface World {
  readonly residency?: string;
  readonly openai?: object;
  readonly azure?: object;
  readonly route?: object;
}

/** OpenAI, which says nothing of where it is, before Azure in Sweden. One client belongs somewhere, the other says nothing. */
function world(part: World = {}): object[] {
  return [
    openaiProvider(part.openai),
    azureProvider("v1", { ...IN_SWEDEN, ...part.azure }),
    object("AIRoute", "all", {
      models: [...Object.keys(MODELS), "omni-moderation-latest"],
      backends: BACKENDS,
      failover: { retrySameProvider: 0 },
      ...part.route,
    }),
    client(part.residency === undefined ? {} : { residency: part.residency }),
    object("AIClient", "unknown", { keys: [{ name: "current", secretRef: { name: "keys", key: "unknown" } }] }),
  ];
}

const shared = await gatewayOver(both, []);

function gateway(part: World = {}): Harness {
  shared.apply(world(part), SECRETS);
  return shared;
}

/** For what leaves traces: open circuits, counters. */
async function ownGateway(part: World): Promise<Harness> {
  const harness = await gatewayOver(both, []);
  harness.apply(world(part), SECRETS);
  return harness;
}

/** What reached it, but for the gateway's own health checks. */
function received(simulator: RunningSimulator): readonly RecordedRequest[] {
  return simulator.requests().filter(({ url }) => !/\/models(\?|$)/.test(url));
}

const providerOf = (response: Response) => response.headers.get("x-tandem-provider");
const sdk = ({ url }: Harness, apiKey = KEY) => new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });
const asUnknown = { authorization: `Bearer ${UNKNOWN_KEY}` };

async function refusedUnsent(response: Response): Promise<string> {
  assert.equal(response.status, 403);
  assert.equal(response.headers.get("x-tandem-error-origin"), "gateway");
  assert.equal(response.headers.get("x-should-retry"), "false");
  const { code, message } = await errorOf(response);
  assert.equal(code, "residency_unsatisfiable");
  assert.deepEqual([...received(openai), ...received(azure)], []);
  return message;
}

test("a client of the EU is served in the EU, one of whom nothing is known by the first tier", async () => {
  const harness = gateway({ residency: "EU" });
  const inside = await harness.chat();
  assert.equal(inside.status, 200);
  assert.equal(providerOf(inside), "azure");
  assert.equal(inside.headers.get("x-tandem-decision"), "residency");
  assert.deepEqual(received(openai), []);
  const outside = await harness.chat({}, asUnknown);
  assert.equal(providerOf(outside), "openai");
  assert.equal(outside.headers.get("x-tandem-decision"), "priority");
});

test("a failure of the only backend in the zone never goes on to one outside", async () => {
  const harness = await ownGateway({ residency: "EU" });
  for (const fault of ["500", "503", "reset", "401", "429"]) {
    azure.fault({ fault, times: 5 });
    const response = await harness.chat();
    assert.ok(response.status >= 400, `${fault}: ${response.status}`);
    // What met a connection that was just closed goes out once more, to the same backend.
    const attempts = fault === "reset" ? ["1", "2"] : ["1"];
    assert.ok(attempts.includes(response.headers.get("x-tandem-attempts") ?? ""), fault);
    assert.deepEqual(received(openai), [], fault);
    azure.reset();
  }
});

test("where nothing may serve the caller, 403 says so and nothing has been sent", async () => {
  const harness = gateway({ residency: "USGov" });
  const message = await refusedUnsent(await harness.chat());
  assert.match(message, /residency USGov/);
  assert.match(message, /openai processes anywhere/);
  assert.match(message, /azure processes EU/);
  for (const [path, body] of [
    ["/v1/responses", { model: CHAT, input: "Hi" }],
    ["/v1/embeddings", { model: "text-embedding-3-small", input: "Hi" }],
    ["/v1/images/generations", { model: "gpt-image-1", prompt: "a fox" }],
    ["/v1/moderations", { input: "Hi" }],
    [`/openai/deployments/${MODELS[CHAT]}/chat/completions?api-version=2024-10-21`, { messages: [] }],
  ] as const) {
    await refusedUnsent(await harness.post(path, body));
  }
});

test("a Global deployment in Sweden, and one whose type or region is not said, are not in the EU", async () => {
  const global = gateway({ residency: "EU" });
  await refusedUnsent(await global.chat({ model: "gpt-5-mini" }));
  const untyped = { models: [{ name: CHAT, deployment: MODELS[CHAT] }] };
  const one = { models: [CHAT] };
  await refusedUnsent(await gateway({ residency: "EU", azure: untyped, route: one }).chat());
  const nowhere = { models: [{ name: CHAT, deployment: MODELS[CHAT], deploymentType: "Standard" }], region: undefined };
  await refusedUnsent(await gateway({ residency: "EU", azure: nowhere, route: one }).chat());
});

test("a rule says where else a residency may go, on its route only", async () => {
  const compliance = { rules: [{ residency: "EU", allow: ["EU", "US"] }] };
  const inUS = { endpoint: "https://api.openai.com/v1", residency: ["US"] };
  const ruled = gateway({ residency: "EU", openai: inUS, route: { compliance } });
  assert.equal(providerOf(await ruled.chat()), "openai");
  const unruled = gateway({ residency: "EU", openai: inUS });
  assert.equal(providerOf(await unruled.chat()), "azure");
  // A project whose data may be in either is in the zone of neither.
  const either = gateway({ residency: "EU", openai: { residency: ["EU", "US"] } });
  assert.equal(providerOf(await either.chat()), "azure");
});

test("unknownResidency: Deny refuses callers of whom nothing is known, and only those", async () => {
  const harness = gateway({ residency: "EU", route: { compliance: { unknownResidency: "Deny" } } });
  assert.match(await refusedUnsent(await harness.chat({}, asUnknown)), /unknown residency/);
  assert.equal(providerOf(await harness.chat()), "azure");
});

test("what names no model goes to the zone as well: files, batches, vector stores", async () => {
  const harness = gateway({ residency: "EU" });
  const app = sdk(harness);
  const file = await app.files.create({ file: await toFile(Buffer.from("text"), "a.txt"), purpose: "assistants" });
  await app.vectorStores.create({ name: "things", file_ids: [file.id] });
  const line = (model: string) =>
    JSON.stringify({
      custom_id: "1",
      method: "POST",
      url: "/v1/chat/completions",
      body: { model, messages: [{ role: "user", content: "Hi" }] },
    });
  const batch = (model: string) => toFile(Buffer.from(line(model)), "batch.jsonl");
  const input = await app.files.create({ file: await batch(CHAT), purpose: "batch" });
  await app.batches.create({ input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
  assert.equal(received(azure).length, 4);
  assert.deepEqual(received(openai), []);
  azure.reset();
  await assert.rejects(app.files.create({ file: await batch("gpt-5-mini"), purpose: "batch" }), {
    status: 403,
    code: "residency_unsatisfiable",
  });
  assert.deepEqual([...received(openai), ...received(azure)], []);
});

test("an id from before the client belonged somewhere does not lead outside", async () => {
  const harness = gateway();
  const app = sdk(harness);
  const file = await app.files.create({ file: await toFile(Buffer.from("text"), "a.txt"), purpose: "assistants" });
  const answer = await app.responses.create({ model: CHAT, input: "Hello" });
  assert.equal(received(openai).length, 2);
  harness.apply(world({ residency: "EU" }), SECRETS);
  openai.reset();
  const refused = { status: 403, code: "residency_unsatisfiable" };
  await assert.rejects(app.files.retrieve(file.id), refused);
  await assert.rejects(app.files.content(file.id), refused);
  await assert.rejects(app.files.delete(file.id), refused);
  await assert.rejects(app.responses.create({ model: CHAT, input: "And?", previous_response_id: answer.id }), refused);
  await assert.rejects(app.responses.retrieve(answer.id), refused);
  assert.deepEqual([...received(openai), ...received(azure)], []);
});

test("an id that Tandem did not give out is looked for inside only", async () => {
  const harness = gateway({ residency: "EU", route: { foreignIDs: "Probe" } });
  const headers = { authorization: `Bearer ${KEY}` };
  const response = await fetch(`${harness.url}/v1/files/file-of-somebody`, { headers });
  assert.equal(response.status, 404);
  assert.equal(received(azure).length, 1);
  assert.deepEqual(received(openai), []);
});

test("the list of models holds those that may serve the caller", async () => {
  const harness = gateway({ residency: "EU" });
  const names = async (key: string) => (await sdk(harness, key).models.list()).data.map(({ id }) => id);
  const inside = await names(KEY);
  assert.ok(inside.includes(CHAT));
  assert.ok(!inside.includes("gpt-5-mini") && !inside.includes("omni-moderation-latest"));
  assert.ok((await names(UNKNOWN_KEY)).includes("gpt-5-mini"));
});

const SEARCH = { tools: [{ type: "web_search" }] };
const REMOTE_IMAGE = [
  { role: "user", content: [{ type: "image_url", image_url: { url: "https://images.example/a" } }] },
];

/** Path, body, and the field that is named. */
const LEAVING: readonly (readonly [path: string, body: object, param: string])[] = [
  ["/v1/responses", { model: CHAT, input: "Hi", ...SEARCH }, "tools"],
  ["/v1/responses", { model: CHAT, input: "Hi", prompt: { id: "pmpt_1" } }, "prompt"],
  ["/v1/chat/completions", { model: CHAT, messages: REMOTE_IMAGE }, "image_url"],
  ["/v1/chat/completions", { model: CHAT, messages: [], data_sources: [{ type: "azure_search" }] }, "data_sources"],
  [
    "/v1/batches",
    { endpoint: "/v1/chat/completions", output_folder: { url: "https://store.example" } },
    "output_folder",
  ],
  ["/v1/evals", { testing_criteria: [{ type: "score_model", model: "m" }] }, "testing_criteria"],
  [
    "/v1/containers",
    { name: "c", network_policy: { type: "allowlist", allowed_domains: ["a.example"] } },
    "network_policy",
  ],
];

test("tools and fields that send content elsewhere are refused to whoever must stay, and to nobody else", async () => {
  const harness = gateway({ residency: "EU" });
  for (const [path, body, param] of LEAVING) {
    const response = await harness.post(path, body);
    assert.equal(response.status, 403, path);
    const error = await errorOf(response);
    assert.deepEqual([error.code, error.param], ["content_leaves_residency", param], path);
  }
  assert.deepEqual([...received(openai), ...received(azure)], []);
  const [path, body] = LEAVING[2] as (typeof LEAVING)[number];
  assert.equal((await harness.post(path, body, asUnknown)).status, 200);
});

test("a batch whose lines send content elsewhere does not go in", async () => {
  const app = sdk(gateway({ residency: "EU" }));
  const body = { model: CHAT, input: "Hi", ...SEARCH };
  const lines = [{ custom_id: "1", method: "POST", url: "/v1/responses", body }];
  const file = await toFile(Buffer.from(lines.map((line) => JSON.stringify(line)).join("\n")), "batch.jsonl");
  await assert.rejects(app.files.create({ file, purpose: "batch" }), {
    status: 403,
    code: "content_leaves_residency",
    param: "tools",
  });
  assert.deepEqual([...received(openai), ...received(azure)], []);
});

test("a batch's file from before its owner belonged somewhere does not run, nor does one laundered by reading it", async () => {
  const before = sdk(gateway({ route: { backends: [BACKENDS[1]] } }));
  const body = { model: "gpt-5-mini", messages: [] };
  const lines = JSON.stringify({ custom_id: "1", method: "POST", url: "/v1/chat/completions", body });
  const upload = (app: OpenAI, text: string) =>
    toFile(Buffer.from(text), "batch.jsonl").then((file) => app.files.create({ file, purpose: "batch" }));
  const order = (input_file_id: string) => ({
    input_file_id,
    endpoint: "/v1/chat/completions" as const,
    completion_window: "24h" as const,
  });
  const old = await upload(before, lines);
  const app = sdk(gateway({ residency: "EU", route: { foreignIDs: "Probe" } }));
  const again = await app.files.retrieve(old.id);
  const store = await app.vectorStores.create({ file_ids: [old.id] });
  const [kept] = (await app.vectorStores.files.list(store.id)).data;
  const posts = () => received(azure).filter(({ method }) => method === "POST").length;
  const count = posts();
  const refused = { status: 403, code: "content_leaves_residency", param: "input_file_id" };
  for (const id of [old.id, again.id, kept?.id ?? old.id, old.id.replace(/_tdm.*$/, "")]) {
    await assert.rejects(app.batches.create(order(id)), refused, id);
  }
  assert.equal(posts(), count);
  const own = await upload(app, lines.replace("gpt-5-mini", CHAT));
  const told = await app.files.retrieve(own.id);
  assert.equal((await app.batches.create(order(told.id))).object, "batch");
  // Named beside a file that was looked through, while its owner belonged nowhere.
  gateway({ route: { backends: [BACKENDS[1]] } });
  const beside = await before.batches.create(order(old.id), { query: { after: own.id } });
  gateway({ residency: "EU" });
  await assert.rejects(app.batches.create(order(beside.input_file_id)), refused);
  assert.deepEqual(received(openai), []);
});

test("allowTools of the route's rule allows what it names", async () => {
  const compliance = { rules: [{ residency: "EU", allow: ["EU"], allowTools: ["RemoteImages"] }] };
  const harness = gateway({ residency: "EU", route: { compliance } });
  const image = await harness.post("/v1/chat/completions", { model: CHAT, messages: REMOTE_IMAGE });
  assert.deepEqual([image.status, providerOf(image)], [200, "azure"]);
  const search = await harness.post("/v1/responses", { model: CHAT, input: "Hi", ...SEARCH });
  assert.match((await errorOf(search)).message, /name WebSearch under allowTools of its rule for EU/);
});

test("a body that is not JSON to its end is not sent for whoever must stay", async () => {
  const harness = gateway({ residency: "EU" });
  const response = await harness.post("/v1/chat/completions", `{"model":"${CHAT}","messages":[{"tools" 1}]}`);
  assert.deepEqual([response.status, (await errorOf(response)).code], [400, "invalid_json"]);
  assert.deepEqual(received(azure), []);
});

test("a model that always searches the web is not there for whoever must stay", async () => {
  const searching = "gpt-4o-search-preview";
  const harness = gateway({
    residency: "EU",
    openai: {
      residency: ["EU"],
      models: [{ name: CHAT }, { name: searching }, { name: "plain", baseModel: searching }],
    },
    route: { models: [CHAT, searching, "plain"] },
  });
  assert.equal(providerOf(await harness.chat()), "openai");
  openai.reset();
  for (const model of [searching, "plain"]) {
    assert.match(await refusedUnsent(await harness.chat({ model })), /always searches the web/);
  }
});

test("what was kept out is counted by backend and reason", async () => {
  const harness = await ownGateway({ residency: "EU" });
  await harness.chat();
  await harness.chat({ model: "gpt-5-mini" });
  const metrics = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
  const count = (backend: string) =>
    new RegExp(
      `tandem_exclusions_total\\{route="ai/all",backend="${backend}",reason="ResidencyNotAllowed"\\} (\\d+)`,
    ).exec(metrics)?.[1];
  assert.deepEqual([count("anywhere"), count("sweden")], ["2", "1"]);
  assert.match(metrics, /tandem_routing_decisions_total\{route="ai\/all",backend="sweden",reason="residency"\} 1\n/);
  assert.match(metrics, /tandem_errors_total\{[^}]*class="residency_unsatisfiable",origin="gateway"\} 1\n/);
});
