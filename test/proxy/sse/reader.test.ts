/** What the event reader passes on, leaves out, and learns of a stream. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { JsonScan } from "../../../proxy/sse/json-scan.ts";
import { EventReader } from "../../../proxy/sse/reader.ts";
import { read } from "./read.ts";

function chunk(delta: object, finish: string | null = null, more: object = {}): string {
  const body = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "gpt-4o-2024-11-20" };
  return `data: ${JSON.stringify({ ...body, choices: [{ index: 0, delta, finish_reason: finish }], ...more })}\n\n`;
}

const USAGE = { prompt_tokens: 7, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 3 } };
const STREAM = [
  chunk({ role: "assistant", content: "" }),
  chunk({ content: 'Hé "quoted" \\ 😀\n' }),
  chunk({ content: "lo" }),
  chunk({}, "stop"),
  `data: ${JSON.stringify({ choices: [], usage: USAGE })}\n\n`,
  "data: [DONE]\n\n",
].join("");

test("a stream goes through byte for byte, however it is cut and whatever its line ends", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(sizes, fc.constantFrom("\n", "\r\n", "\r"), fc.boolean(), (cut, lineEnd, comment) => {
      const text = ((comment ? ": keep-alive\n\n" : "") + STREAM).replaceAll("\n", lineEnd);
      const { reader, passed } = read(Buffer.from(text), cut);
      assert.equal(passed, text);
      assert.equal(reader.done, true);
      assert.equal(reader.dropped, 0);
      assert.deepEqual(reader.usage, { input: 7, cachedInput: 3, output: 5, reasoning: 0 });
    }),
    { numRuns: 500 },
  );
});

test("a refusal is seen, also in a chunk that is like one with an empty refusal", () => {
  const events = [chunk({ refusal: "" }), chunk({ refusal: "" }), chunk({ refusal: "I cannot" }), chunk({}, "stop")];
  const { reader } = read(Buffer.from(events.join("")), [100_000]);
  assert.equal(reader.refused, true);
  const empty = Buffer.from(events.toSpliced(2, 1).join(""));
  for (let at = 1; at < empty.length; at++) assert.equal(read(empty, [at]).reader.refused, false, `split at ${at}`);
});

test("an event of very many lines is not read anew with each chunk", () => {
  const event = Buffer.from(`data: {"a":[\n${"data: 1,\n".repeat(400_000)}data: 1]}\n\n`);
  const begun = performance.now();
  const { reader, passed } = read(event, [500]);
  const took = performance.now() - begun;
  assert.ok(took < 8_000, `${took} ms`);
  assert.ok(event.equals(Buffer.from(passed)));
  assert.equal(reader.dropped, 0);
});

test("each chunk with sound is rewritten, also one like the one before, and no other is looked at", () => {
  const sound = (padding: string) => chunk({ audio: { id: "audio_1", data: "AAAA" } }, null, { obfuscation: padding });
  const unnamed = chunk({ audio: { data: "AAAA" } });
  const events = [chunk({ role: "assistant", content: "" }), sound("a"), sound("bc"), sound("def"), unnamed, unnamed];
  const ended = [...events, chunk({ content: "audio_1" }), chunk({}, "stop"), "data: [DONE]\n\n"];
  for (const lineEnd of ["\n", "\r\n"]) {
    for (const size of [1, 7, 5000]) {
      const seen: string[] = [];
      const rewrite = (data: Buffer) => {
        const text = data.toString();
        seen.push(text);
        return text.includes("audio_1") ? Buffer.from(text.replace("audio_1", "audio_1_of_mine")) : data;
      };
      const reader = new EventReader({ rewrite });
      const bytes = Buffer.from(ended.join("").replaceAll("\n", lineEnd));
      const out: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) out.push(...reader.feed(bytes.subarray(at, at + size)));
      const wanted = ended.map((one) => (one.includes('"audio":') ? one.replace("audio_1", "audio_1_of_mine") : one));
      assert.equal(Buffer.concat(out).toString(), wanted.join("").replaceAll("\n", lineEnd));
      assert.ok(seen.length >= 4 && seen.every((one) => one.includes('"audio":')));
      assert.equal(reader.whole, true);
    }
  }
});

test("an event that is not whole JSON is left out, the rest goes on", () => {
  const bad = [
    'data: {"choices":[{"delta":{"content":"Hel\n\n',
    "data: {]}\n\n",
    "data: nonsense\n\n",
    'data: {"a":1}}\n\n',
  ];
  for (const broken of bad) {
    const text = STREAM.replace(chunk({ content: "lo" }), broken + chunk({ content: "lo" }));
    for (const size of [1, 11, 5000]) {
      const { reader, passed } = read(Buffer.from(text), [size]);
      assert.equal(passed, STREAM);
      assert.equal(reader.dropped, 1, broken);
      assert.equal(reader.done, true);
    }
  }
});

test("half an event at the end is never passed on", () => {
  const { reader, passed } = read(Buffer.from(`${chunk({ content: "a" })}data: {"choices":[{"del`), [10]);
  assert.equal(passed, chunk({ content: "a" }));
  assert.equal(reader.done, false);
  assert.equal(reader.whole, false);
});

test("an error event is noticed, an error of null is none", () => {
  assert.equal(read(Buffer.from('data: {"error":{"message":"no capacity"}}\n\n'), [9]).reader.failure?.code, null);
  assert.equal(read(Buffer.from('data: {"error":null,"choices":[]}\n\n'), [9]).reader.failure, undefined);
});

test("keep-alives and roles are not content, deltas and tool calls are", () => {
  const seen = (text: string) => read(Buffer.from(text), [50]).reader.contentSeen;
  assert.equal(seen(": hi\n\n"), false);
  assert.equal(seen(chunk({ role: "assistant", content: "" })), false);
  assert.equal(seen(chunk({ role: "assistant", content: null, refusal: null })), false);
  assert.equal(seen(chunk({ content: "x" })), true);
  assert.equal(seen(chunk({ tool_calls: [{ index: 0 }] })), true);
});

test("Azure's forms: an empty first chunk, a chunk without delta", () => {
  const first = 'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}\n\n';
  const late =
    'data: {"choices":[{"content_filter_offsets":{"check_offset":1},"finish_reason":null,"index":0}],"id":""}\n\n';
  const { reader, passed } = read(
    Buffer.from(first + STREAM.replace("data: [DONE]\n\n", `${late}data: [DONE]\n\n`)),
    [33],
  );
  assert.ok(passed.startsWith(first) && passed.includes(late));
  assert.equal(reader.whole, true);
});

test("the JSON scan accepts what JSON.parse accepts and refuses what it refuses", () => {
  const json = fc.json({ maxDepth: 4, noUnicodeString: false });
  const spoiled = fc
    .tuple(
      json,
      fc.nat(),
      fc.constantFrom('"', "{", "}", ",", "x", "\\", "1", "", "]", "\n", ":", "\u0001"),
      fc.boolean(),
    )
    .map(([text, at, piece, replace]) => {
      const i = at % (text.length + 1);
      return text.slice(0, i) + piece + text.slice(i + (replace ? 1 : 0));
    });
  fc.assert(
    fc.property(fc.oneof(json, spoiled), (text) => {
      const bytes = Buffer.from(`${text}\n`);
      const end = new JsonScan().end(bytes, 0);
      const accepted = end > 0 && bytes.subarray(end).toString().trim() === "";
      assert.equal(accepted, parses(bytes.toString()));
    }),
    { numRuns: 10_000 },
  );
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
