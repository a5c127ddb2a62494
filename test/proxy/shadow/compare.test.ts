/** Are structures told apart that no simulator makes on request, and formats judged as their schemas say? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { saidIn } from "../../../proxy/shadow/answer.ts";
import { answerOf, differences, overlap } from "../../../proxy/shadow/compare.ts";
import { fitsFormat, formatIn } from "../../../proxy/shadow/fits-format.ts";

const FREE = { format: undefined, isRepeatable: false };

function chat(message: object, finish = "stop") {
  const body = Buffer.from(JSON.stringify({ choices: [{ index: 0, finish_reason: finish, message }] }));
  return answerOf("chat/completions", { status: 200, isStream: false, body, usage: undefined });
}

function call(name: string, given: string) {
  return chat(
    { content: null, tool_calls: [{ type: "function", function: { name, arguments: given } }] },
    "tool_calls",
  );
}

test("tools are told apart by their names and the names of their arguments", () => {
  const weather = call("weather", '{"city":"Rome","unit":"C"}');
  assert.deepEqual(differences(weather, call("weather", '{"unit":"F","city":"Oslo"}'), FREE), []);
  assert.deepEqual(differences(weather, call("forecast", '{"city":"Rome","unit":"C"}'), FREE), ["tools"]);
  assert.deepEqual(differences(weather, call("weather", '{"town":"Rome"}'), FREE), ["tools"]);
  assert.deepEqual(differences(weather, call("weather", '{"city":"Ro'), FREE), ["tools"], "broken arguments");
  assert.deepEqual(differences(weather, chat({ content: "It rains" }), FREE), ["finish_reason", "tools"]);
});

test("a stream's pieces make the same as a whole answer", () => {
  const chunk = (delta: object, finish: string | null = null) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\r\n\r\n`;
  const piece = (given: object) => chunk({ tool_calls: [{ index: 0, ...given }] });
  const events =
    chunk({ role: "assistant", content: "" }) +
    piece({ id: "1", function: { name: "weather", arguments: "" } }) +
    piece({ function: { arguments: '{"ci' } }) +
    ": a comment\r\n\r\n" +
    piece({ function: { arguments: 'ty":"Rome"}' } }) +
    chunk({}, "tool_calls") +
    "data: [DONE]";
  const said = saidIn("chat/completions", true, Buffer.from(events));
  assert.deepEqual(said, { finish: ["tool_calls"], tools: ["weather(city)"], refused: false, texts: [""] });
});

test("refusals, in each API", () => {
  const refused = chat({ content: null, refusal: "I cannot help with that." });
  assert.deepEqual(differences(chat({ content: "Sure." }), refused, FREE), ["refusal"]);
  const response = {
    status: "completed",
    output: [{ type: "message", content: [{ type: "refusal", refusal: "No." }] }],
  };
  assert.equal(saidIn("responses", false, Buffer.from(JSON.stringify(response)))?.refused, true);
});

test("what is no answer at all has no shape", () => {
  const page = answerOf("chat/completions", {
    status: 200,
    isStream: false,
    body: Buffer.from("<html>"),
    usage: undefined,
  });
  assert.deepEqual(differences(chat({ content: "Hi" }), page, FREE), ["shape"]);
});

test("formats: JSON, and what schemas of structured outputs can say", () => {
  const format = formatIn({
    type: "json_schema",
    json_schema: {
      schema: {
        $defs: {
          step: {
            type: "object",
            properties: { n: { type: "integer" } },
            required: ["n"],
            additionalProperties: false,
          },
        },
        type: "object",
        properties: {
          steps: { type: "array", items: { $ref: "#/$defs/step" } },
          kind: { enum: ["a", "b"] },
          note: { type: ["string", "null"] },
        },
        required: ["steps", "kind"],
        additionalProperties: false,
      },
    },
  });
  assert.ok(format);
  const fits = (value: unknown) => fitsFormat(JSON.stringify(value), format);
  assert.ok(fits({ steps: [{ n: 1 }], kind: "a", note: null }));
  assert.ok(!fits({ steps: [{ n: 1.5 }], kind: "a" }));
  assert.ok(!fits({ steps: [{}], kind: "a" }));
  assert.ok(!fits({ steps: [{ n: 1, m: 2 }], kind: "a" }));
  assert.ok(!fits({ steps: [], kind: "c" }));
  assert.ok(!fits({ kind: "a" }));
  assert.ok(!fits({ steps: [], kind: "a", note: 3 }));
  assert.ok(!fits([]));
  assert.ok(!fitsFormat('{"steps": [', format));
  assert.ok(fitsFormat("{}", { type: "json_object" }));
  assert.ok(!fitsFormat("[]", { type: "json_object" }));
  assert.equal(formatIn({ type: "text" }), undefined);
});

test("the overlap of words, in any script", () => {
  assert.equal(overlap("The cat sat", "the CAT sat."), 1);
  assert.equal(overlap("one two", "three four"), 0);
  assert.ok(overlap("今日は天気がいい", "今日は天気が悪い") > 0.7);
  assert.equal(overlap("", ""), 1);
});
