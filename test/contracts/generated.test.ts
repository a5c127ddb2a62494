/**
 * Does what the providers' documents allow go through Tandem as it is?
 *
 * Every operation of each document, in that document's form, to each provider form: requests made of the document's
 * schemas, and answers of the schemas of the provider that answers. Only the model's name, ids, and what
 * `x-tandem-changed` says may be different.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Operation, operationsAt } from "../../proxy/dialects/operations.ts";
import { PLACES } from "../../proxy/ids/paths.ts";
import { AZURE_KEY, KEY, OPENAI_KEY } from "../proxy/harness.ts";
import { type Backend, backend, DATED, DEPLOYMENT, MODEL, provider, ROUTE } from "./backends.ts";
import { type DescribedOperation, type Document, type DocumentName, documentNamed } from "./documents.ts";
import { formOf, type SentForm } from "./form-text.ts";
import { validValue } from "./generate.ts";
import { jsonText, withUnknownFields, writtenScalars } from "./json-text.ts";
import { replacedAt, textsAt } from "./places.ts";
import type { Json, JsonObject } from "./plain-schema.ts";
import { Random } from "./random.ts";

/** Requests of each operation, form of the caller and form of the provider. */
const REQUESTS = Number(process.env.TANDEM_GENERATED ?? 3);
const JSON_TYPE = "application/json";
const FORM_TYPE = "multipart/form-data";
/** As a tag stands behind an id. */
const TAG = /_tdm[A-Za-z0-9_-]{32}/g;

const backends = [await backend("openai"), await backend("azure-v1"), await backend("azure-dated")];

/** Where callers of a document's form find its operations. */
const PREFIX: Readonly<Record<DocumentName, string>> = {
  openai: "/v1/",
  "azure-v1": "/openai/v1/",
  "azure-dated": "/openai/",
};
const IN_DEPLOYMENT = "deployments/{deployment-id}/";

for (const from of backends) {
  for (const [name, described] of Object.entries(from.document.operations)) {
    const [method = "", path = ""] = name.split(" ");
    const below = path.replace(IN_DEPLOYMENT, "");
    const operation = operationsAt(below)?.get(method);
    assert.ok(operation, name);
    if (operation.handling === "models") continue;
    for (const to of backends) {
      test(`${name} as ${from.document.name} has it, over ${to.document.name}`, async () => {
        const types = typesOf(operation, described);
        const asked: Case = { from: from.document, to, operation, described, method, path, below };
        if (!isOffered(operation, to.document.name)) return isRefused(asked, types[0]);
        for (const type of types) {
          for (let i = 0; i < REQUESTS; i++) await isPassedOn(asked, type, `${name} ${type} ${i}`);
        }
      });
    }
  }
}

/** Azure's document of 2025-03-01-preview says that speech is asked for with a form; its own examples send JSON. */
function typesOf({ body }: Operation, described: DescribedOperation): readonly (string | undefined)[] {
  if (described.body === undefined) return [undefined];
  return body === "json" ? [JSON_TYPE] : Object.keys(described.body);
}

interface Case {
  readonly from: Document;
  readonly to: Backend;
  readonly operation: Operation;
  readonly described: DescribedOperation;
  readonly method: string;
  /** As the document has it. */
  readonly path: string;
  /** Without a deployment. */
  readonly below: string;
}

function isOffered({ azureV1, azureDated }: Operation, name: DocumentName): boolean {
  return name === "openai" || (name === "azure-v1" ? azureV1 : azureDated !== "none");
}

async function isRefused(asked: Case, type: string | undefined): Promise<void> {
  provider.asked = [];
  const response = await ask(asked, await request(asked, type, "refused"));
  const { error } = (await response.json()) as { error: { code: string } };
  assert.deepEqual([response.status, error.code], [404, "operation_not_supported"]);
  assert.deepEqual(provider.asked, [], "nothing was sent");
}

async function isPassedOn(asked: Case, type: string | undefined, seed: string): Promise<void> {
  let sent = await request(asked, type, seed);
  provider.answer = answerOf(asked, sent, seed);
  provider.asked = [];
  let response = await ask(asked, sent);
  while (response.status === 400 && provider.asked.length === 0) {
    sent = await withoutRefused(asked, sent, response);
    response = await ask(asked, sent);
  }
  const text = await response.text();
  assert.equal(response.status, provider.answer.status, text.slice(0, 500));
  const [got, ...more] = provider.asked;
  assert.ok(got && more.length === 0, "asked once");
  assertAddress(asked, got, sent);
  assertHeaders(asked, got);
  if (sent.form) await sent.form.assertSame(got, bodyModel(asked));
  else if (sent.text !== undefined)
    assertBody(asked, sent, got.body.toString(), response.headers.get("x-tandem-changed"));
  else assert.equal(got.body.length, 0);
  assertAnswer(asked, sent, text);
}

interface Sent {
  /** Ids in the path, as the provider has them. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly value?: JsonObject;
  /** As the provider knows it. */
  readonly text?: string;
  readonly form?: SentForm;
}

/** A request with the provider's own ids; `ask` puts the caller's in their places. */
async function request(
  { from, operation, described, path }: Case,
  type: string | undefined,
  seed: string,
): Promise<Sent> {
  const random = new Random(seed);
  const filled = path.replace("{deployment-id}", MODEL).replace(/\{(\w+)\}/g, (_all, name) => `${name}-1`);
  const query = new URLSearchParams();
  for (const { name, required, schema } of described.query) {
    if (name === "api-version" || name === "stream" || name === "starting_after") continue;
    if (!required && random.happens(0.5)) continue;
    const value = name === "after" || name === "before" ? "cursor-1" : validValue(from, schema, `${seed} ${name}`);
    if (value !== null && typeof value !== "object") query.set(name, String(value));
    else if (Array.isArray(value)) for (const one of value) query.append(name, String(one));
  }
  if (type === undefined) return { path: filled, query };
  const generated = validValue(from, described.body?.[type] ?? described.body?.[FORM_TYPE] ?? {}, seed) as JsonObject;
  const value = settled(
    operation,
    path,
    replacedAt(generated, placesOf(operation).request ?? [], () => ID),
  );
  if (type !== JSON_TYPE) return { path: filled, query, form: await formOf(value, from, described, random) };
  return { path: filled, query, value: value as JsonObject, text: withUnknownFields(jsonText(value, random)) };
}

/** What is known to decide how Tandem takes a request. */
function settled(operation: Operation, path: string, value: Json): Json {
  const { stream: _stream, ...rest } = value as JsonObject;
  if (operation.handling === "inference" && !path.startsWith(IN_DEPLOYMENT)) return { ...rest, model: MODEL };
  // Files of batches are read, and translated line by line.
  return operation.name === "files" || operation.name === "uploads" ? { ...rest, purpose: "assistants" } : rest;
}

const ID = "thing-1";

function placesOf({ method, name }: Operation): { request?: readonly string[]; answer?: readonly string[] } {
  return PLACES[`${method} ${name}`] ?? {};
}

const callersIDs = new Map<string, Promise<string>>();

/** The caller's form of a provider's id: what Tandem makes of it in an answer. */
function callersID({ harness, document }: Backend, id: string): Promise<string> {
  const key = `${document.name} ${id}`;
  const known = callersIDs.get(key);
  if (known) return known;
  const made = (async () => {
    const before = provider.answer;
    provider.answer = { status: 200, type: JSON_TYPE, body: JSON.stringify({ id }) };
    const response = await harness.post("/v1/vector_stores", {});
    provider.answer = before;
    provider.asked = [];
    const { id: tagged } = (await response.json()) as { id: string };
    assert.equal(tagged.replace(TAG, ""), id);
    assert.notEqual(tagged, id);
    return tagged;
  })();
  callersIDs.set(key, made);
  return made;
}

async function ask({ to, from, operation, method, path }: Case, sent: Sent): Promise<Response> {
  const thing = await callersID(to, ID);
  const ids = await Promise.all([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => callersID(to, `${name}-1`)));
  let filled = sent.path;
  // Only the first is a thing of its own; files stand by themselves too.
  for (const [i, [all]] of [...path.matchAll(/\{\w+\}/g)].entries()) {
    if (i === 0 || all === "{file_id}") filled = filled.replace(`${all.slice(1, -1)}-1`, ids[i] as string);
  }
  const query = new URLSearchParams(sent.query);
  for (const name of ["after", "before"]) if (query.has(name)) query.set(name, await callersID(to, "cursor-1"));
  if (from.name === "azure-dated") query.set("api-version", "2024-10-21");
  const headers: Record<string, string> = { "x-tandem-route": ROUTE };
  if (from.name === "openai") headers.authorization = `Bearer ${KEY}`;
  else headers["api-key"] = KEY;
  let body: string | Uint8Array<ArrayBuffer> | null = null;
  if (sent.form) {
    headers["content-type"] = sent.form.type;
    const form = sent.form.bytes.toString("latin1").replace(`\r\n\r\n${ID}\r\n`, `\r\n\r\n${thing}\r\n`);
    body = Uint8Array.from(Buffer.from(form, "latin1"));
  } else if (sent.value !== undefined && sent.text !== undefined) {
    headers["content-type"] = JSON_TYPE;
    const places = new Set(textsAt(sent.value, placesOf(operation).request ?? []));
    body = places.size === 0 ? sent.text : sent.text.replaceAll(`"${ID}"`, `"${thing}"`);
  }
  const address = `${to.harness.url}${PREFIX[from.name]}${filled}${query.size === 0 ? "" : `?${query}`}`;
  return fetch(address, { method, headers, body });
}

/** Without the field that no backend can take, as the refusal says; the provider's document must not have it either. */
async function withoutRefused({ to, below, method }: Case, sent: Sent, response: Response): Promise<Sent> {
  const { error } = (await response.json()) as { error: { code: string; param: string; message: string } };
  assert.equal(error.code, "unsupported_parameter", error.message);
  assert.ok(sent.value && error.param in sent.value, error.message);
  assert.ok(
    !knows(to.document, method, below, error.param),
    `${to.document.name} has ${error.param}: ${error.message}`,
  );
  const { [error.param]: _refused, ...value } = sent.value;
  return { ...sent, value, text: withUnknownFields(JSON.stringify(value)) };
}

/** Whether a field stands in the document's body of an operation. */
function knows(document: Document, method: string, below: string, field: string): boolean {
  const described = describedBy(document, method, below);
  const schema = JSON.stringify(described?.body?.[JSON_TYPE] ?? {});
  const names = [...schema.matchAll(/"#\/schemas\/([^"]+)"/g)].map(([, name = ""]) => document.schemas[name] ?? {});
  return [schema, ...names.map((one) => JSON.stringify(one))].some((text) => text.includes(`"${field}":{`));
}

function describedBy(document: Document, method: string, below: string): DescribedOperation | undefined {
  return document.operations[`${method} ${below}`] ?? document.operations[`${method} ${IN_DEPLOYMENT}${below}`];
}

/** The name that has to stand in the provider's body; undefined: whatever stood there. */
function bodyModel({ to, operation }: Case): string | undefined {
  if (operation.handling !== "inference") return undefined;
  if (to.document.name === "openai") return MODEL;
  return to.document.name === "azure-v1" || operation.azureDated === "resource" ? DEPLOYMENT : undefined;
}

function assertAddress({ to, operation, below }: Case, got: { method: string; url: string }, sent: Sent): void {
  const { name } = to.document;
  const filled = below.replace(/\{(\w+)\}/g, (_all, id) => `${id}-1`);
  const inPath = name === "azure-dated" && operation.azureDated === "deployment" ? `deployments/${DEPLOYMENT}/` : "";
  const [path, query = ""] = got.url.split("?");
  assert.equal(`${got.method} ${path}`, `${operation.method} ${PREFIX[name]}${inPath}${filled}`);
  const wanted = new URLSearchParams(sent.query);
  if (name === "azure-dated") wanted.set("api-version", DATED);
  assert.deepEqual([...new URLSearchParams(query)].sort(), [...wanted].sort());
}

function assertHeaders({ to }: Case, { headers }: { headers: Readonly<Record<string, unknown>> }): void {
  const isOpenAI = to.document.name === "openai";
  assert.equal(headers.authorization, isOpenAI ? `Bearer ${OPENAI_KEY}` : undefined);
  assert.equal(headers["api-key"], isOpenAI ? undefined : AZURE_KEY);
  assert.equal(headers["x-tandem-route"], undefined);
  assert.ok(!JSON.stringify(headers).includes(KEY), "the caller's key stays here");
}

function assertBody(asked: Case, { value = {}, text = "" }: Sent, got: string, changed: string | null): void {
  const { to, operation, method, below } = asked;
  const model = bodyModel(asked);
  const isBatch = operation.name === "batches";
  if (changed === null && !isBatch && (model === undefined || model === value.model)) {
    assert.equal(got, text);
    return;
  }
  const wanted = writtenScalars(text);
  if (model !== undefined) wanted.set("/model", JSON.stringify(model));
  if (isBatch && to.document.name !== "openai") {
    wanted.set("/endpoint", JSON.stringify(String(value.endpoint).replace("/v1", "")));
  }
  for (const change of changed?.split(", ") ?? []) {
    const [field = "", became = ""] = change.split("=");
    assert.ok(!knows(to.document, method, below, field), `${to.document.name} has ${field}, but ${change}`);
    for (const [place, scalar] of wanted) {
      if (place !== `/${field}` && !place.startsWith(`/${field}/`)) continue;
      wanted.delete(place);
      if (became !== "dropped") wanted.set(place.replace(field, became), scalar);
    }
  }
  assert.deepEqual(new Map([...writtenScalars(got)].sort()), new Map([...wanted].sort()));
}

/** A good answer as the provider's document has it; where it has none, as OpenAI's has it. */
function answerOf({ to, operation, method, below }: Case, sent: Sent, seed: string) {
  const own = describedBy(to.document, method, below);
  const document = own ? to.document : documentNamed("openai");
  const described = own ?? describedBy(document, method, below);
  const [status = "200", types = {}] = Object.entries(described?.answers ?? {})[0] ?? [];
  const random = new Random(`answer ${seed}`);
  const schema = types[JSON_TYPE];
  if (!schema) {
    const type = Object.keys(types)[0];
    const isEmpty = type === undefined;
    return { status: Number(status), type, body: isEmpty ? "" : Buffer.from([0, 255, ...Buffer.from(sent.path)]) };
  }
  const generated = validValue(document, schema, `answer ${seed}`);
  let count = 0;
  const value = replacedAt(generated, placesOf(operation).answer ?? [], () => `made-${count++}`);
  return { status: Number(status), type: JSON_TYPE, body: jsonText(value, random) };
}

/** What a chat says aloud can be named whether the chat is stored or not. */
function isOfAudio(place: string): boolean {
  return place.endsWith(".audio.id");
}

/** Byte for byte but for the tags, and a tag at each id of a thing, and nowhere else. */
function assertAnswer({ operation, to, method, below }: Case, { value }: Sent, text: string): void {
  const { body, type } = provider.answer;
  if (type !== JSON_TYPE) {
    assert.equal(text, body.toString());
    return;
  }
  const untagged = text.replace(TAG, "");
  if (operation.name.startsWith("batches")) {
    const endpoints = (one: string) => one.replace(/"endpoint"\s*:\s*"(?:\\?\/v1)?/g, '"endpoint":"');
    assert.equal(endpoints(untagged), endpoints(body.toString()));
  } else assert.equal(untagged, body.toString());
  const parsed = JSON.parse(text) as Json;
  const isKept = operation.name !== "chat/completions" || method !== "POST" || value?.store === true;
  const { answer: places = [] } = placesOf(operation);
  const spoken = typeof value?.audio === "object" && value.audio !== null ? places.filter(isOfAudio) : [];
  const ids = textsAt(parsed, isKept ? places : spoken);
  for (const id of ids) assert.match(id, /_tdm[A-Za-z0-9_-]{32}$/);
  assert.equal([...text.matchAll(TAG)].length, ids.length);
  const document = describedBy(to.document, method, below) ? to.document : documentNamed("openai");
  const schema = Object.values(describedBy(document, method, below)?.answers ?? {})[0]?.[JSON_TYPE];
  assert.equal(schema && document.faultOf(schema, parsed), undefined);
}
