/**
 * Does every id of every operation change hands: the caller's on this side, the provider's on that, at each place in the
 * path, the body and the answer?
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OPERATIONS, type Operation } from "../../proxy/dialects/operations.ts";
import { EVENT_PLACES, PLACES } from "../../proxy/ids/paths.ts";
import { FakeProvider, json, type SeenRequest } from "../fakes/provider.ts";
import { KEY, object, startHarness } from "../proxy/harness.ts";
import { client, openaiProvider } from "./over-simulators.ts";
import { CHAT, TAG } from "./two-tenants.ts";

const OWN = "thing-own";
const provider = await new FakeProvider(json(200, { id: OWN })).start();
const harness = await startHarness({
  openai: provider.url,
  azure: provider.url,
  objects: [
    openaiProvider(),
    object("AIRoute", "all", { models: [CHAT], backends: [{ name: "openai", providerRef: { name: "openai" } }] }),
    client({ statefulListing: "Allow" }),
  ],
});
const made = (await (await harness.post("/v1/vector_stores", {})).json()) as { id: string };
const TAGGED = made.id;

interface Asked {
  readonly status: number;
  readonly text: string;
  /** What the provider was asked; undefined: nothing. */
  readonly seen: SeenRequest | undefined;
}

interface Request {
  readonly path?: string;
  readonly body?: string;
  readonly answer?: unknown;
  readonly headers?: Record<string, string>;
}

async function ask(operation: Operation, request: Request): Promise<Asked> {
  provider.answer = json(200, request.answer ?? { id: OWN, choices: [] });
  provider.got = provider.answer;
  const before = provider.seen.length;
  const headers: Record<string, string> = { authorization: `Bearer ${KEY}` };
  let body: string | FormData | undefined;
  if (operation.body === "form") {
    body = new FormData();
    body.append("file", new Blob(["x"]), "a.txt");
    body.append("purpose", "user_data");
    body.append("model", CHAT);
  } else if (operation.body !== "none") {
    headers["content-type"] = "application/json";
    body = request.body ?? bodyWith(operation);
  }
  const url = `${harness.url}/v1/${request.path ?? pathOf(operation, TAGGED)}`;
  const answer = await fetch(url, { method: operation.method, headers, ...(body !== undefined && { body }) });
  return { status: answer.status, text: await answer.text(), seen: provider.seen.slice(before).find(isAsked) };
}

/** By this test, and not by a health check. */
function isAsked({ url }: SeenRequest): boolean {
  return !url.startsWith("/v1/models");
}

function pathOf(operation: Operation, first: string, next = "part-1"): string {
  let id = first;
  return operation.name.replace(/\{\w+\}/g, () => {
    const here = id;
    id = next;
    return here;
  });
}

function bodyWith({ handling }: Operation, more: object = {}): string {
  const inference = handling === "inference" ? { model: CHAT, store: true, audio: {} } : {};
  return JSON.stringify({ ...inference, ...more });
}

/** The value alone at its place: `output.*.file_id`. */
function at(place: string, value: unknown): object {
  const [step = "", ...steps] = place.split(".");
  const inner = steps.length === 0 ? value : at(steps.join("."), value);
  return step === "*" ? [inner] : { [step]: inner };
}

const kept = OPERATIONS.filter(({ method, name }) => PLACES[`${method} ${name}`] || name.includes("{")).filter(
  ({ handling }) => handling !== "realtime" && handling !== "models",
);

for (const operation of kept) {
  const name = `${operation.method} ${operation.name}`;
  const places = PLACES[name] ?? {};
  test(`ids of ${name}`, async () => {
    if (operation.name.includes("{")) {
      for (const path of [pathOf(operation, TAGGED), pathOf(operation, TAGGED, TAGGED)]) {
        const { status, seen } = await ask(operation, { path });
        assert.equal(status, 200, path);
        assert.equal(seen?.url, `/v1/${path.replaceAll(TAGGED, OWN)}`);
      }
      const { status, seen } = await ask(operation, { path: pathOf(operation, OWN) });
      assert.deepEqual({ status, seen }, { status: 404, seen: undefined });
    }
    for (const place of places.request ?? []) {
      const body = bodyWith(operation, at(place, TAGGED));
      for (const written of [body, body.replace(`"${TAGGED}"`, `"\\u0074${TAGGED.slice(1)}"`)]) {
        const { status, text, seen } = await ask(operation, { body: written });
        assert.equal(status, 200, `${place}: ${text}`);
        assert.deepEqual(JSON.parse(seen?.body ?? ""), JSON.parse(body.replace(TAGGED, OWN)), place);
      }
      const foreign = await ask(operation, { body: bodyWith(operation, at(place, OWN)) });
      assert.deepEqual({ status: foreign.status, seen: foreign.seen }, { status: 404, seen: undefined }, place);
      // A second key of the same name hides nothing.
      const twice = `${body.slice(0, -1)},${JSON.stringify(at(place, OWN)).slice(1)}`;
      const { status, seen } = await ask(operation, { body: twice });
      assert.ok(status === 404 || status === 400, place);
      assert.equal(seen, undefined, place);
    }
    for (const place of places.answer ?? []) {
      const answer = { ...(operation.name === "chat/completions" && { choices: [] }), ...at(place, OWN) };
      const { status, text } = await ask(operation, { answer });
      assert.equal(status, 200, place);
      assert.equal(text.replaceAll(/_tdm[\w-]{32}/g, ""), JSON.stringify(answer), place);
      assert.match(text, /thing-own_tdm/, place);
    }
  });
}

test("a body full of ids arrives whole, and costs little more than its bytes", async () => {
  const many = OPERATIONS.find(({ method, name }) => method === "POST" && name === "vector_stores") as Operation;
  const asks = (count: number) => ask(many, { body: bodyWith(many, at("file_ids", Array(count).fill(TAGGED))) });
  await asks(2_000);
  const before = process.threadCpuUsage();
  const { status, seen } = await asks(50_000);
  const { user, system } = process.threadCpuUsage(before);
  assert.equal(status, 200);
  const { file_ids } = JSON.parse(seen?.body ?? "") as { file_ids: string[] };
  assert.equal(file_ids.length, 50_000);
  assert.ok(file_ids.every((id) => id === OWN));
  // Each looked at and written by itself they take about a second.
  assert.ok(user + system < 600_000, `${(user + system) / 1000} ms of CPU`);
});

test("ids in events of responses, also of one that is taken up again", async () => {
  const create = OPERATIONS.find(({ method, name }) => method === "POST" && name === "responses") as Operation;
  const get = OPERATIONS.find(({ name }) => name === "responses/{response_id}") as Operation;
  const events = EVENT_PLACES.map((place) => ({ type: typeAt(place), ...at(place, OWN) }));
  const last = { type: "response.completed", response: { id: OWN, status: "completed", output: [] } };
  const sent = [...events, last].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
  const streaming = (response: Parameters<FakeProvider["answer"]>[0]) =>
    void response.writeHead(200, { "content-type": "text/event-stream" }).end(sent);
  provider.answer = streaming;
  provider.got = streaming;
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  const body = bodyWith(create, { stream: true, input: "x" });
  const answers = [
    await fetch(`${harness.url}/v1/responses`, { method: "POST", headers, body }),
    await fetch(`${harness.url}/v1/${pathOf(get, TAGGED)}?stream=true&starting_after=3`, { headers }),
  ];
  for (const answer of answers) {
    assert.equal(answer.status, 200);
    const text = await answer.text();
    assert.equal(text.replaceAll(/_tdm[\w-]{32}/g, ""), sent);
    assert.doesNotMatch(text, new RegExp(`"${OWN}"`));
  }
  assert.equal(provider.seen.findLast(isAsked)?.url, `/v1/responses/${OWN}?stream=true&starting_after=3`);
  assert.match(TAGGED, TAG);
});

function typeAt(place: string): string {
  if (place.startsWith("response.")) return "response.in_progress";
  if (place.startsWith("item.")) return "response.output_item.done";
  if (place.startsWith("part.")) return "response.content_part.done";
  return place.startsWith("annotation.")
    ? "response.output_text.annotation.added"
    : "response.code_interpreter_call.completed";
}
