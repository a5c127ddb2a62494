/**
 * Does Tandem know every place at which an id of a thing may stand?
 *
 * An id at a place that is not known would pass as it is: a caller could name another one's things, and their own would
 * not be found. So the places are held against the properties of the documents.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EVENT_PLACES, PLACES } from "../../proxy/ids/paths.ts";
import { kindOf } from "../../proxy/sse/typed-event.ts";
import { type Document, type DocumentName, documentNamed } from "./documents.ts";
import type { JsonObject } from "./plain-schema.ts";

/** Properties that name a thing of its own, wherever they stand. */
const NAMES_OF_THINGS = new Set([
  ...["previous_response_id", "response_id", "conversation", "conversation_id", "completion_id"],
  ...["file_id", "file_ids", "input_file_id", "output_file_id", "error_file_id", "training_file", "validation_file"],
  ...["result_files", "container", "container_id", "vector_store_id", "vector_store_ids", "batch_id", "upload_id"],
  ...["eval_id", "fine_tuning_job_id", "job_id"],
]);
/** `id` names a thing of its own when it stands in one of these. */
const THINGS_INSIDE = new Set(["audio"]);
const JSON_TYPE = "application/json";
const FORM_TYPE = "multipart/form-data";
const IN_DEPLOYMENT = "deployments/{deployment-id}/";

/** Paths of the texts that name things: `output.*.container_id`. */
function placesIn(document: Document, schema: JsonObject | undefined): Set<string> {
  const found = new Set<string>();
  walk(document, schema, [], [], found);
  return found;
}

function walk(
  document: Document,
  schema: JsonObject | undefined,
  path: readonly string[],
  inside: readonly string[],
  found: Set<string>,
): void {
  if (schema === undefined) return;
  if (typeof schema.$ref === "string") {
    const name = schema.$ref.slice("#/schemas/".length);
    if (!inside.includes(name)) walk(document, document.schemas[name], path, [...inside, name], found);
    return;
  }
  for (const list of [schema.allOf, schema.anyOf]) {
    for (const part of (list ?? []) as readonly JsonObject[]) walk(document, part, path, inside, found);
  }
  for (const [name, part] of Object.entries((schema.properties ?? {}) as Record<string, JsonObject>)) {
    walk(document, part, [...path, name], inside, found);
  }
  for (const each of [schema.items, schema.additionalProperties]) {
    if (typeof each === "object") walk(document, each as JsonObject, [...path, "*"], inside, found);
  }
  const isText = schema.enum === undefined && [schema.type].flat().includes("string");
  if (isText && namesThing(path)) found.add(path.join("."));
}

function namesThing(path: readonly string[]): boolean {
  const [inside = "", name = ""] = path.filter((step) => step !== "*").slice(-2);
  return (
    NAMES_OF_THINGS.has(path.findLast((step) => step !== "*") ?? "") || (name === "id" && THINGS_INSIDE.has(inside))
  );
}

function missing(found: Iterable<string>, known: readonly string[] = []): string[] {
  return [...found].filter((place) => !known.includes(place));
}

for (const name of ["openai", "azure-v1", "azure-dated"] satisfies DocumentName[]) {
  const document = documentNamed(name);

  test(`ids in JSON requests and answers of ${name}`, () => {
    let count = 0;
    for (const [described, { body, answers }] of Object.entries(document.operations)) {
      const operation = described.replace(IN_DEPLOYMENT, "");
      const inRequest = placesIn(document, body?.[JSON_TYPE]);
      assert.deepEqual(missing(inRequest, PLACES[operation]?.request), [], `request of ${operation}`);
      const inForm = placesIn(document, body?.[FORM_TYPE]);
      assert.deepEqual(missing(inForm, PLACES[operation]?.request), [], `form of ${operation}`);
      for (const types of Object.values(answers)) {
        const inAnswer = placesIn(document, types[JSON_TYPE]);
        assert.deepEqual(missing(inAnswer, PLACES[operation]?.answer), [], `answer of ${operation}`);
        count += inRequest.size + inAnswer.size;
      }
    }
    assert.ok(count > 10, "the walk finds places");
  });

  test(`ids in events of responses of ${name}`, () => {
    const events = document.operations["POST responses"]?.answers["200"]?.["text/event-stream"];
    assert.deepEqual(missing(placesIn(document, events), EVENT_PLACES), []);
  });
}

for (const name of ["openai", "azure-v1", "azure-dated"] satisfies DocumentName[]) {
  test(`events of ${name} that carry ids are read for them`, () => {
    const document = documentNamed(name);
    const events = document.operations["POST responses"]?.answers["200"]?.["text/event-stream"];
    for (const [type, schema] of eventTypes(document, events)) {
      if (placesIn(document, schema).size > 0) assert.equal(kindOf(type).ids, true, type);
    }
  });
}

/** Each kind of event by its type. */
function eventTypes(document: Document, schema: JsonObject | undefined): [string, JsonObject][] {
  if (schema === undefined) return [];
  if (typeof schema.$ref === "string")
    return eventTypes(document, document.schemas[schema.$ref.slice("#/schemas/".length)]);
  const type = (schema.properties as Record<string, JsonObject> | undefined)?.type;
  if (Array.isArray(type?.enum) && type.enum.length === 1) return [[String(type.enum[0]), schema]];
  return ((schema.anyOf ?? []) as readonly JsonObject[]).flatMap((part) => eventTypes(document, part));
}

test("what a document's operation makes or shows has its own id translated", () => {
  const { operations, schemas } = documentNamed("openai");
  const makers = Object.entries(operations).filter(([name]) => /^(POST|GET) [a-z_]+(\/\{\w+\})?$/.test(name));
  const kept = /^\w+ (files|uploads|batches|vector_stores|containers|conversations|evals|responses)/;
  const things = makers.filter(([name]) => kept.test(name));
  assert.ok(things.length > 20);
  for (const [name] of things) {
    const answer = PLACES[name]?.answer ?? [];
    assert.ok(answer.includes("id") || answer.includes("data.*.id"), `${name} of ${Object.keys(schemas).length}`);
  }
});
