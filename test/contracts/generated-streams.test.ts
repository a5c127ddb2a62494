/**
 * Do events that the providers' documents allow go through Tandem as they are?
 *
 * Streams of events made of the schemas, the last one of the kind that ends a stream. Only ids of things may be different.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EVENT_PLACES } from "../../proxy/ids/paths.ts";
import { KEY } from "../proxy/harness.ts";
import { backend, MODEL, provider } from "./backends.ts";
import { answerSchema, type Document, documentNamed } from "./documents.ts";
import { validValue } from "./generate.ts";
import { jsonText } from "./json-text.ts";
import { replacedAt, textsAt } from "./places.ts";
import type { Json, JsonObject } from "./plain-schema.ts";
import { Random } from "./random.ts";

const STREAMS = Number(process.env.TANDEM_GENERATED ?? 5);
const EVENTS_TYPE = "text/event-stream";
const MOST_EVENTS = 12;
/** Tries until a generated event is of the kind that ends a stream. */
const TRIES = 3000;
const DATA = "data: ";
const TAG = /_tdm[A-Za-z0-9_-]{32}/g;

interface Streamed {
  readonly path: string;
  readonly body: JsonObject | FormData;
  /** The types that end the stream; undefined: `[DONE]` does. */
  readonly ends?: string;
}

const messages = [{ role: "user", content: "Hi" }];

function form(fields: Readonly<Record<string, string>>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  data.set("file", new Blob(["x"]), "a.wav");
  return data;
}

const OPERATIONS: readonly Streamed[] = [
  { path: "chat/completions", body: { messages, stream_options: { include_usage: true } } },
  { path: "responses", body: { input: "Hi" }, ends: "response.completed" },
  { path: "images/generations", body: { prompt: "a dot" }, ends: "image_generation.completed" },
  { path: "images/edits", body: { prompt: "a dot", images: [] }, ends: "image_edit.completed" },
  { path: "audio/speech", body: { input: "Hi", voice: "alloy", stream_format: "sse" }, ends: "speech.audio.done" },
  { path: "audio/transcriptions", body: form({ model: MODEL, stream: "true" }), ends: "transcript.text.done" },
];

/** Would end the stream in the middle, or say that it failed. */
const NOT_IN_THE_MIDDLE = /^(error|response\.(failed|incomplete|completed|error)|.*\.(completed|done))$/;

for (const to of [await backend("openai"), await backend("azure-v1"), await backend("azure-dated")]) {
  for (const streamed of OPERATIONS) {
    test(`${streamed.path} over ${to.document.name}`, async () => {
      for (let i = 0; i < STREAMS; i++) {
        const seed = `${streamed.path} ${i}`;
        const random = new Random(seed);
        const events = eventsOf(documentFor(to.document, streamed.path), streamed, seed, random);
        provider.answer = { status: 200, type: EVENTS_TYPE, body: events.map(({ text }) => text).join("") };
        const response = await ask(to.harness.url, streamed);
        const text = await response.text();
        assert.equal(response.status, 200, text);
        assert.equal(response.headers.get("content-type")?.split(";")[0], EVENTS_TYPE);
        const sent = dataOf(events.map((event) => event.text).join(""));
        assert.deepEqual(dataOf(text.replace(TAG, "")), sent);
        if (streamed.path === "responses")
          assertIDs(
            dataOf(text),
            events.map(({ value }) => value),
          );
      }
    });
  }
}

function ask(url: string, { path, body }: Streamed): Promise<Response> {
  const isForm = body instanceof FormData;
  const headers: Record<string, string> = { authorization: `Bearer ${KEY}` };
  if (!isForm) headers["content-type"] = "application/json";
  const sent = isForm ? body : JSON.stringify({ model: MODEL, ...body, stream: true });
  return fetch(`${url}/v1/${path}`, { method: "POST", headers, body: sent });
}

/** The provider's own, where it has events there. */
function documentFor(own: Document, path: string): Document {
  return schemaIn(own, path) ? own : documentNamed("openai");
}

function schemaIn(document: Document, path: string): JsonObject | undefined {
  const names = [`POST ${path}`, `POST deployments/{deployment-id}/${path}`];
  const described = names.map((name) => document.operations[name]).find((one) => one !== undefined);
  return described && answerSchema(described, EVENTS_TYPE);
}

interface SentEvent {
  readonly value: Json;
  readonly text: string;
}

function eventsOf(document: Document, { path, ends }: Streamed, seed: string, random: Random): SentEvent[] {
  const schema = schemaIn(document, path);
  assert.ok(schema, `${document.name} has events of ${path}`);
  const count = random.between(0, MOST_EVENTS);
  const values: JsonObject[] = [];
  for (let i = 0; i < count; i++) {
    const value = validValue(document, schema, `${seed} ${i}`) as JsonObject;
    if (ends === undefined || !NOT_IN_THE_MIDDLE.test(String(value.type))) values.push(value);
  }
  values.push(lastOf(document, schema, ends, seed));
  let ids = 0;
  const events = values.map((generated): SentEvent => {
    const value = replacedAt(generated, EVENT_PLACES, () => `made-${ids++}`);
    // Line breaks would end the data.
    const data = jsonText(value, random).replaceAll("\n\t", " ");
    const type = (value as JsonObject).type;
    const name = ends === undefined ? "" : `event: ${String(type)}\n`;
    return { value, text: `${name}data: ${data}\n\n` };
  });
  return ends === undefined ? [...events, { value: null, text: "data: [DONE]\n\n" }] : events;
}

function lastOf(document: Document, schema: JsonObject, ends: string | undefined, seed: string): JsonObject {
  for (let i = 0; i < TRIES; i++) {
    const value = validValue(document, schema, `last ${seed} ${i}`) as JsonObject;
    if (ends !== undefined && value.type === ends) return value;
    if (ends === undefined)
      return { ...value, choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: "stop" }] };
  }
  throw new Error(`no ${ends} was generated`);
}

function dataOf(text: string): string[] {
  // Not by a regular expression: for it U+2028 ends a line too.
  const lines = text.split("\n").filter((line) => line.startsWith(DATA));
  return lines.map((line) => line.slice(DATA.length));
}

/** A tag at each id of a thing, and nowhere else. */
function assertIDs(got: readonly string[], sent: readonly Json[]): void {
  for (const [i, data] of got.entries()) {
    const ids = textsAt(JSON.parse(data) as Json, EVENT_PLACES);
    assert.equal(ids.length, textsAt(sent[i] as Json, EVENT_PLACES).length);
    for (const id of ids) assert.match(id, /_tdm[A-Za-z0-9_-]{32}$/);
    assert.equal([...data.matchAll(TAG)].length, ids.length, data);
  }
}
