/** Does the table of fields say for each target what it should, and does a body come out as the table says? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { edited } from "../../../proxy/body/edits.ts";
import { BodyScan } from "../../../proxy/body/scan.ts";
import { placed } from "../../../proxy/body/splice.ts";
import { kindOf } from "../../../proxy/dialects/base-models.ts";
import { FIELD_RULES } from "../../../proxy/dialects/field-rules.ts";
import {
  changesFor,
  type FieldTarget,
  fieldRulesFor,
  RULED_FIELDS,
  refusedField,
  tooLateFields,
} from "../../../proxy/dialects/fields.ts";
import { operationsAt } from "../../../proxy/dialects/operations.ts";
import { provider } from "../../routing/sample-table.ts";

const CHAT = "chat/completions";

interface Options {
  readonly apiVersion?: string;
  readonly ownVersion?: string;
  readonly baseModel?: string;
}

function openai(upstreamModel: string, { baseModel }: Options = {}): FieldTarget {
  const model = { upstream: upstreamModel, ...(baseModel !== undefined && { baseModel }) };
  return { provider: provider("ai/openai", "OpenAI", []), model, modelName: upstreamModel, upstreamModel };
}

function azure(modelName: string, { apiVersion = "v1", ownVersion, baseModel }: Options = {}): FieldTarget {
  const model = {
    upstream: "prod",
    ...(baseModel !== undefined && { baseModel }),
    ...(ownVersion !== undefined && { apiVersion: ownVersion }),
  };
  return {
    provider: { ...provider("ai/azure", "AzureOpenAI", []), apiVersion },
    model,
    modelName,
    upstreamModel: "prod",
  };
}

function scanned(body: string): BodyScan {
  const scan = new BodyScan(new Set(["model", ...RULED_FIELDS]));
  scan.push(Buffer.from(body));
  return scan;
}

/** What the target gets of a body, and the note; `refused` when it is not for this target. */
function at(
  target: FieldTarget,
  body: string,
  operation = CHAT,
): { sent: string; note?: string } | { refused: string } {
  const rules = fieldRulesFor(operation, target);
  const scan = scanned(body);
  const refused = refusedField(rules, scan);
  if (refused) return { refused: refused.field };
  const changes = changesFor(rules, scan);
  if (!changes) return { sent: body };
  return {
    sent: Buffer.concat(edited(scan.chunks, placed(scan, changes.edits)).chunks).toString(),
    note: changes.note,
  };
}

const RENAMED = { sent: '{"max_completion_tokens":5}', note: "max_tokens=max_completion_tokens" };
const UNTOUCHED = { sent: '{"max_tokens":5}' };

describe("which model it is", () => {
  for (const [name, kind] of [
    ["o3", "reasoning"],
    ["gpt-5-mini-2025-08-07", "reasoning"],
    ["gpt-5-2025-08-07-preview", undefined],
    ["gpt-5-chat", undefined],
    ["my-o3", undefined],
    ["O3", undefined],
    ["gpt-4o", undefined],
    ["constructor", undefined],
    ["", undefined],
  ] as const) {
    test(`${name} is ${kind ?? "not known"}`, () => assert.equal(kindOf(name), kind));
  }

  test("Azure by the model's name or baseModel, never by the deployment's; OpenAI by what it is called there", () => {
    const body = '{"max_tokens":5}';
    assert.deepEqual(at(azure("o3"), body), RENAMED);
    assert.deepEqual(at(azure("fast", { baseModel: "gpt-5-nano" }), body), RENAMED);
    assert.deepEqual(at(azure("o3", { baseModel: "gpt-4o" }), body), UNTOUCHED);
    assert.deepEqual(at({ ...azure("fast"), upstreamModel: "o3" }, body), UNTOUCHED);
    assert.deepEqual(at(openai("o3-mini-2025-01-31"), body), RENAMED);
    assert.deepEqual(at({ ...openai("gpt-4o"), modelName: "o3" }, body), UNTOUCHED);
    assert.deepEqual(at(openai("ft:o4-mini:acme::1", { baseModel: "o4-mini" }), body), RENAMED);
  });
});

describe("which form it is", () => {
  const note = (target: FieldTarget, field: string, value: string, operation?: string) => {
    const found = at(target, `{"${field}":${value}}`, operation);
    return "refused" in found ? "refused" : (found.note ?? "passes");
  };

  test("a model's own version counts before the provider's", () => {
    assert.equal(note(azure("m", { apiVersion: "2024-06-01", ownVersion: "v1" }), "prompt_cache_key", '"k"'), "passes");
    const dated = azure("m", { apiVersion: "v1", ownVersion: "2025-04-01-preview" });
    assert.equal(note(dated, "prompt_cache_key", '"k"'), "prompt_cache_key=dropped");
  });

  for (const [field, value, last, first, before] of [
    ["max_completion_tokens", "5", "2024-08-01-preview", "2024-09-01-preview", "max_completion_tokens=max_tokens"],
    ["stream_options", "{}", "2024-06-01", "2024-10-21", "stream_options=dropped"],
    ["parallel_tool_calls", "false", "2024-08-01-preview", "2024-09-01-preview", "refused"],
    ["store", "true", "2024-10-21", "2024-12-01-preview", "store=dropped"],
    ["metadata", "{}", "2024-10-21", "2024-12-01-preview", "metadata=dropped"],
    ["reasoning_effort", '"low"', "2024-10-21", "2024-12-01-preview", "refused"],
    ["prediction", "{}", "2024-12-01-preview", "2025-01-01-preview", "prediction=dropped"],
    ["audio", "{}", "2024-12-01-preview", "2025-01-01-preview", "refused"],
  ] as const) {
    test(`${field} exists from ${first} on`, () => {
      assert.equal(note(azure("m", { apiVersion: last }), field, value), before);
      for (const apiVersion of [first, "2025-04-01-preview", "v1"]) {
        assert.equal(note(azure("m", { apiVersion }), field, value), "passes", apiVersion);
      }
      assert.equal(note(openai("m"), field, value), "passes");
    });
  }

  test("a value that asks for nothing is dropped instead of refused, however it is written", () => {
    const old = azure("m", { apiVersion: "2024-06-01" });
    assert.equal(note(old, "parallel_tool_calls", "true"), "parallel_tool_calls=dropped");
    assert.equal(note(old, "modalities", '[ "t\\u0065xt" ]'), "modalities=dropped");
    assert.equal(note(old, "modalities", '["text","audio"]'), "refused");
    assert.equal(note(old, "audio", "null"), "audio=dropped");
    assert.equal(note(azure("m"), "conversation", "null", "responses"), "conversation=dropped");
    assert.equal(note(azure("m"), "conversation", '"conv_1"', "responses"), "refused");
  });

  test("a rule is for its operations alone", () => {
    assert.equal(note(azure("m"), "conversation", '"conv_1"'), "passes");
    assert.equal(fieldRulesFor("embeddings", azure("m", { apiVersion: "2024-02-01" })), undefined);
    assert.equal(
      note(azure("m", { apiVersion: "2025-04-01-preview" }), "stream_options", "{}", "completions"),
      "stream_options=dropped",
    );
  });
});

test("where both names stand, the target's own stays", () => {
  const body = '{"max_tokens":5,"max_completion_tokens":6}';
  assert.deepEqual(at(openai("o3"), body), { sent: '{"max_completion_tokens":6}', note: "max_tokens=dropped" });
  assert.deepEqual(at(azure("gpt-4o", { apiVersion: "2024-06-01" }), body), {
    sent: '{"max_tokens":5}',
    note: "max_completion_tokens=dropped",
  });
  // A reasoning model behind a version from before there were any: the version cannot be right, the name stays.
  assert.deepEqual(at(azure("o3", { apiVersion: "2024-06-01" }), body), {
    sent: '{"max_completion_tokens":6}',
    note: "max_tokens=dropped",
  });
});

test("a field that comes too late is one with a rule, or the new name of one that was renamed", () => {
  const rules = fieldRulesFor(CHAT, openai("o3"));
  assert.ok(rules);
  assert.equal(tooLateFields(rules, scanned('{"model":"o3"}')).has("max_completion_tokens"), false);
  assert.equal(tooLateFields(rules, scanned('{"model":"o3"}')).has("max_tokens"), true);
  assert.equal(tooLateFields(rules, scanned('{"max_tokens":5}')).has("max_completion_tokens"), true);
});

test("the table names operations that exist, and ends its clauses without a full stop", () => {
  for (const { operations, fields, because } of FIELD_RULES) {
    for (const name of operations) assert.equal(operationsAt(name)?.get("POST")?.name, name);
    assert.ok(fields.length > 0 && because.length > 10 && !because.endsWith("."), because);
    for (const field of fields) assert.match(field, /^[a-z_]+$/);
  }
});

/** What is not named by a rule, and values full of what a splice trips over. */
const pass = ["temperature", "new_in_2027", "n", "user"];
const value = fc.constantFrom("1", "1e2", '"a,\\"}"', '{"max_tokens": 1, "x":[{}]}', "[ ]", "null", "true", "false");
const bodies = fc
  .uniqueArray(fc.record({ name: fc.constantFrom(...pass, ...RULED_FIELDS), value }), {
    selector: ({ name }) => name,
    maxLength: 12,
  })
  .map((fields) => ({ fields, text: `{${fields.map(({ name, value }) => `"${name}":${value}`).join(",")}}` }));
const targets = fc.constantFrom(
  openai("o3"),
  openai("gpt-4o"),
  ...["v1", "2025-04-01-preview", "2024-10-21", "2024-06-01"].flatMap((apiVersion) => [
    azure("gpt-5", { apiVersion }),
    azure("gpt-4o", { apiVersion }),
  ]),
);

test("no target gets a field that its rules take away, and every other field arrives as it was written", () => {
  fc.assert(
    fc.property(targets, bodies, fc.constantFrom(CHAT, "responses", "completions"), (target, body, operation) => {
      const rules = fieldRulesFor(operation, target);
      const found = at(target, body.text, operation);
      if ("refused" in found) {
        assert.equal(rules?.get(found.refused)?.action, "refuse");
        return;
      }
      const kept = body.fields.flatMap(({ name, value }) => {
        const action = rules?.get(name)?.action;
        if (action === undefined) return [`"${name}":${value}`];
        if (typeof action !== "object" || body.fields.some((one) => one.name === action.rename)) return [];
        return [`"${action.rename}":${value}`];
      });
      assert.equal(found.sent, `{${kept.join(",")}}`);
      assert.equal(found.note === undefined, found.sent === body.text);
    }),
    { numRuns: 5000 },
  );
});
