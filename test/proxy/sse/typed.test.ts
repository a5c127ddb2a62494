/** What the event reader passes on, and learns, of streams whose events carry their type. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReaderOptions } from "../../../proxy/sse/reader.ts";
import { read } from "./read.ts";

interface Framing {
  /** Whether an `event:` line says the type too. */
  readonly named: boolean;
  readonly lineEnd: string;
}

const FRAMINGS: readonly Framing[] = [true, false].flatMap((named) =>
  ["\n", "\r\n", "\r"].map((lineEnd) => ({ named, lineEnd })),
);
const COMMON: Framing = { named: true, lineEnd: "\n" };

function event(type: string, fields: object = {}, { named, lineEnd } = COMMON): string {
  const name = named ? `event: ${type}${lineEnd}` : "";
  return `${name}data: ${JSON.stringify({ type, ...fields })}${lineEnd}${lineEnd}`;
}

const readTyped = (text: string, sizes: readonly number[], options: ReaderOptions = {}) =>
  read(text, sizes, { profile: "typed", ...options });

const USAGE = {
  input_tokens: 12,
  input_tokens_details: { cached_tokens: 5 },
  output_tokens: 9,
  output_tokens_details: { reasoning_tokens: 4 },
  total_tokens: 21,
};
const COUNTED = { input: 12, cachedInput: 5, output: 9, reasoning: 4 };
const RESPONSE = { id: "resp_1", object: "response", status: "in_progress", usage: null, error: null, output: [] };

function response(framing: Framing): string[] {
  const place = { item_id: "msg_1", output_index: 0, content_index: 0 };
  return [
    event("response.created", { response: RESPONSE, sequence_number: 0 }, framing),
    event("response.in_progress", { response: RESPONSE, sequence_number: 1 }, framing),
    event("response.output_item.added", { item: { id: "msg_1", usage: { x: 1 } }, sequence_number: 2 }, framing),
    event("response.output_text.delta", { ...place, delta: 'Hé "', logprobs: [], sequence_number: 3 }, framing),
    event("response.output_text.delta", { ...place, delta: "lo 😀", logprobs: [], sequence_number: 4 }, framing),
    event("response.output_text.done", { ...place, text: 'Hé "lo 😀', sequence_number: 5 }, framing),
    event(
      "response.completed",
      { response: { ...RESPONSE, usage: USAGE, metadata: { usage: "x" } }, sequence_number: 6 },
      framing,
    ),
  ];
}

test("a response goes through byte for byte, however it is framed and cut", () => {
  for (const framing of FRAMINGS) {
    const text = response(framing).join("");
    for (const sizes of [[1], [2, 3], [7], [64, 1, 5], [400], [100_000]]) {
      const { reader, passed } = readTyped(text, sizes);
      assert.equal(passed, text, JSON.stringify({ framing, sizes }));
      assert.equal(reader.whole, true);
      assert.equal(reader.missingEnd, undefined, "no [DONE] is added");
      assert.equal(reader.dropped, 0);
      assert.deepEqual(reader.usage, COUNTED);
      assert.equal(reader.text.kept.toString(), 'Hé \\"lo 😀');
    }
  }
});

test("a response without its last event is not whole, however the body ends", () => {
  for (const framing of FRAMINGS) {
    const events = response(framing);
    for (let count = 0; count < events.length; count++) {
      const { reader } = readTyped(events.slice(0, count).join(""), [50]);
      assert.equal(reader.whole, false, `${count} events`);
    }
  }
});

const ENDS: readonly { readonly name: string; readonly events: readonly string[] }[] = [
  { name: "incomplete", events: [event("response.incomplete", { response: RESPONSE })] },
  { name: "[DONE] alone", events: [event("response.created", { response: RESPONSE }), "data: [DONE]\n\n"] },
  {
    name: "transcript",
    events: [event("transcript.text.delta", { delta: "a" }), event("transcript.text.done", { text: "a" })],
  },
  { name: "speech", events: [event("speech.audio.delta", { audio: "AAAA" }), event("speech.audio.done", {})] },
  { name: "image", events: [event("image_generation.partial_image"), event("image_generation.completed")] },
  { name: "edited image", events: [event("image_edit.completed")] },
];

for (const { name, events } of ENDS) {
  test(`the end of a stream is known: ${name}`, () => {
    assert.equal(readTyped(events.join(""), [9]).reader.whole, true);
    assert.equal(readTyped(events.slice(0, -1).join(""), [9]).reader.whole, false);
  });
}

test("the type is the event line's where the data has none", () => {
  const { reader } = readTyped('event: response.completed\ndata: {"response":{}}\n\n', [11]);
  assert.equal(reader.whole, true);
});

test("of several images each must come", () => {
  const one = event("image_generation.completed", { usage: { input_tokens: 2, output_tokens: 7 } });
  assert.equal(readTyped(one, [30], { choices: 2 }).reader.whole, false);
  const { reader } = readTyped(one + one, [30], { choices: 2 });
  assert.equal(reader.whole, true);
  const none = { cachedInput: 0, reasoning: 0, imageInput: 0, imageOutput: 0 };
  assert.deepEqual(reader.usage, { input: 4, output: 14, ...none });
});

test("usage of transcripts and speech stands in their last event; seconds are no tokens", () => {
  const usage = { type: "tokens", input_tokens: 3, input_token_details: { audio_tokens: 2 }, output_tokens: 2 };
  const counted = { input: 3, cachedInput: 0, output: 2, reasoning: 0, audioInput: 2 };
  assert.deepEqual(readTyped(event("transcript.text.done", { text: "a", usage }), [9]).reader.usage, counted);
  assert.deepEqual(readTyped(event("speech.audio.done", { usage }), [9]).reader.usage, counted);
  const seconds = { type: "duration", seconds: 3.5 };
  const timed = { input: 0, cachedInput: 0, output: 0, reasoning: 0, seconds: 3.5 };
  assert.deepEqual(readTyped(event("transcript.text.done", { usage: seconds }), [9]).reader.usage, timed);
});

test("deltas and pictures are content, what frames them is not", () => {
  const seen = (text: string) => readTyped(text, [33]).reader.contentSeen;
  assert.equal(seen(response(COMMON).slice(0, 3).join("")), false);
  assert.equal(seen(": keep-alive\n\n"), false);
  for (const type of [
    "response.output_text.delta",
    "response.function_call_arguments.delta",
    "response.mcp_call.arguments_delta",
    "response.image_generation_call.partial_image",
    "image_generation.partial_image",
    "transcript.text.delta",
    "speech.audio.delta",
  ]) {
    assert.equal(seen(event(type, { delta: "a" })), true, type);
  }
});

test("sound is not kept as text", () => {
  const heard =
    event("response.audio.delta", { delta: "AAAA" }) + event("response.audio.transcript.delta", { delta: "hi" });
  assert.equal(readTyped(heard, [20]).reader.text.kept.toString(), "hi");
});

test("errors are noticed in every form, with their code and whose fault they are", () => {
  const failed = { ...RESPONSE, status: "failed", error: { code: "server_error", message: "x" } };
  const cases: readonly (readonly [string, string | null, boolean])[] = [
    [
      event("error", { code: "rate_limit_exceeded", message: "x", param: null, sequence_number: 1 }),
      "rate_limit_exceeded",
      false,
    ],
    [event("error", { error: { type: "too_many_requests", code: "no_capacity", message: "x" } }), "no_capacity", false],
    ['event: error\ndata: {"code":"server_error","message":"x"}\n\n', "server_error", false],
    ['data: {"error":{"code":null,"message":"x"}}\n\n', null, false],
    [event("response.failed", { response: failed }), "server_error", false],
    [event("response.failed", { response: { ...failed, error: { code: "invalid_prompt" } } }), "invalid_prompt", true],
    [event("error", { error: { code: "moderation_blocked" } }), "moderation_blocked", true],
  ];
  for (const [text, code, callersFault] of cases) {
    const { reader, passed } = readTyped(text + event("response.completed", { response: RESPONSE }), [13]);
    const { body = "", ...told } = reader.failure ?? {};
    assert.deepEqual(told, { code, callersFault }, text);
    assert.equal((JSON.parse(body) as { error: { code: string | null } }).error.code, code, text);
    assert.equal(reader.whole, false);
    assert.ok(passed.startsWith(text));
  }
});

test("an event that is not whole JSON is left out, the rest goes on", () => {
  const events = response(COMMON);
  const broken = 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"lo\n\n';
  for (const size of [1, 17, 5000]) {
    const { reader, passed } = readTyped(events.toSpliced(4, 0, broken).join(""), [size]);
    assert.equal(passed, events.join(""));
    assert.equal(reader.dropped, 1);
    assert.equal(reader.whole, true);
    assert.equal(reader.text.kept.toString(), 'Hé \\"lo 😀', "its text does not count");
  }
});

test("events with ids are rewritten in their framing, all others untouched", () => {
  const rewrite = (data: Buffer) =>
    Buffer.from(data.toString().replaceAll("resp_1", "resp_other").replaceAll('"msg_1"', '"m"'));
  for (const framing of FRAMINGS) {
    const expected = response(framing).map((text, at) =>
      at < 3 || at === 6 ? rewrite(Buffer.from(text)).toString() : text,
    );
    for (const size of [1, 40, 100_000]) {
      const { passed } = readTyped(response(framing).join(""), [size], { rewrite });
      assert.equal(passed, expected.join(""), JSON.stringify({ framing, size }));
    }
  }
});

test("an event of several data lines is rewritten as one", () => {
  const rewrite = (data: Buffer) => Buffer.from(data.toString().replace("resp_1", "resp_other"));
  const text =
    ': note\nevent: response.created\ndata: {"type":"response.created",\ndata: "response":{"id":"resp_1"}}\nid: 7\n\n';
  const { passed } = readTyped(text, [10], { rewrite });
  assert.equal(
    passed,
    ': note\nevent: response.created\nid: 7\ndata: {"type":"response.created",\ndata: "response":{"id":"resp_other"}}\n\n',
  );
});

test("a broken stream ends in its API's own error event", () => {
  const { reader } = readTyped(response(COMMON).slice(0, 4).join(""), [100]);
  const [name, data] = reader.interruption().split("\n");
  assert.equal(name, "event: error");
  const { message, ...rest } = JSON.parse((data ?? "").slice("data: ".length)) as Record<string, unknown>;
  assert.deepEqual(rest, { type: "error", code: "stream_interrupted", param: null, sequence_number: 4 });
  assert.equal(typeof message, "string");
  const spoken = readTyped(event("speech.audio.delta", { audio: "AA" }), [100]).reader.interruption();
  assert.match(
    spoken,
    /^event: error\ndata: \{"type":"error","error":\{"message":"[^"]+","type":"server_error","param":null,"code":"stream_interrupted"\}\}\n\n$/,
  );
});

test("content beyond what is kept is counted in bytes", () => {
  const delta = event("response.output_text.delta", { delta: "x".repeat(1000) });
  const { text } = readTyped(delta.repeat(100), [5000]).reader;
  assert.equal(text.bytes, 100_000);
  assert.equal(text.kept.length, 65_000);
});
