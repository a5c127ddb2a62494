/** The event reader passes, leaves out and learns what a plain one does that parses everything, however chunks are cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventReader } from "../../proxy/sse/reader.ts";
import { spoiled, stringText, valueText } from "./json-text.ts";
import { plainlyRead, type Verdict } from "./plain-reader.ts";
import type { Random } from "./random.ts";
import { chunksOf, fuzz } from "./run.ts";

const LINE_ENDS = ["\n", "\n", "\n", "\r\n", "\r"];
const NOISE = [": keep-alive", "id: 7", "retry: 10", "data", "event: x", "", "foo: bar"];
const TYPES = [
  "response.created",
  "response.output_text.delta",
  "response.output_text.delta",
  "response.function_call_arguments.delta",
  "response.audio.delta",
  "response.output_item.done",
  "response.completed",
  "response.incomplete",
  "response.failed",
  "image_generation.partial_image",
  "image_generation.completed",
  "transcript.text.done",
  "error",
  "delta",
  "some.new.type",
];
const USAGE = [
  "null",
  "{}",
  '{"prompt_tokens":3,"completion_tokens":2}',
  '{"input_tokens":5,"output_tokens":4,"x":{"y":[1]}}',
];

/** No API has both. */
const USAGE_PLACES = [
  (usage: string) => `"usage":${usage}`,
  (usage: string) => `"response":{"id":"r","usage":${usage},"a":{"usage":{"input_tokens":99}}}`,
];

function chatData(random: Random): string {
  const delta = random.pick([
    "{}",
    '{"role":"assistant","content":""}',
    `{"content":${stringText(random)}}`,
    `{ "content" : ${stringText(random)} , "refusal":null}`,
    `{"reasoning_content":${stringText(random)}}`,
    `{"tool_calls":[{"index":0,"function":{"name":"f","arguments":${stringText(random)}}}]}`,
  ]);
  const finish = random.pick(["null", "null", '"stop"']);
  const filter = random.once(4) ? `,"content_filter_results":{"hate":{"filtered":false}}` : "";
  const choice = `{"index":0,"delta":${delta}${filter},"finish_reason":${finish}}`;
  const choices = random.pick([
    "",
    choice,
    choice,
    `${choice},${choice}`,
    `{"text":${stringText(random)},"finish_reason":null}`,
  ]);
  const usage = random.once(3) ? `,"usage":${random.pick(USAGE)}` : "";
  const error = random.once(12) ? `,"error":${random.pick(["null", '{"code":"x"}', '"x"'])}` : "";
  const padding = random.once(3) ? `,"obfuscation":${stringText(random)}` : "";
  return `{"id":"c","choices":[${choices}]${usage}${error}${padding}}`;
}

function typedData(random: Random, type: string): string {
  const fields = [
    ...(random.once(9) ? [] : [`"type":"${type}"`]),
    ...(random.once(2) ? [`"delta":${random.once(5) ? valueText(random, 3) : stringText(random)}`] : []),
    ...(random.once(2) ? [random.pick(USAGE_PLACES)(random.pick(USAGE))] : []),
    ...(random.once(9) ? [`"error":${random.pick(["null", '{"code":"x"}'])}`] : []),
    `"sequence_number":${random.below(100)}`,
    ...(random.once(4) ? [`"obfuscation":${stringText(random)}`] : []),
  ];
  if (random.once(3)) fields.reverse();
  return `{${fields.join(random.pick([",", ", "]))}}`;
}

function eventText(random: Random, typed: boolean): string {
  const lineEnd = random.pick(LINE_ENDS);
  if (random.once(25)) return `data: [DONE]${lineEnd}${lineEnd}`;
  const type = random.pick(TYPES);
  const written = typed ? typedData(random, type) : chatData(random);
  const data = random.once(6) ? spoiled(written, random) : written;
  // Where a comma stands, a line may end: often inside a string, and then it is no JSON any more.
  const parts = random.once(12) ? data.split(/(?<=,)/) : [data];
  const lines = parts.map((part) => `data:${random.once(5) ? "" : " "}${part}`);
  if (typed && !random.once(4)) lines.unshift(`event:${random.once(5) ? "" : " "}${type}`);
  if (random.once(10)) lines.splice(random.below(lines.length + 1), 0, random.pick(NOISE));
  return lines.join(lineEnd) + lineEnd + lineEnd;
}

const SLOT = /("(?:content|delta|arguments|text|obfuscation)" ?: ?)"(?:[^"\\]|\\.)*"/;
const NUMBER = /("sequence_number":)\d+/;

/** The event once more, or one that differs a little: what has been seen once is read by a shorter way. */
function like(event: string, random: Random): string {
  switch (random.below(6)) {
    case 0:
      return event;
    case 1:
      return spoiled(event, random);
    case 2:
      return event.replace(
        NUMBER,
        (_, key: string) => key + random.pick(["0", "7", "07", "1.5", "-1", "1e3", "12345", '"1"']),
      );
    default:
      return event.replace(
        SLOT,
        (_, key: string) => key + (random.once(6) ? valueText(random, 3) : stringText(random)),
      );
  }
}

function streamText(random: Random, typed: boolean): string {
  let stream = "";
  let event = "";
  for (let n = random.below(6); n > 0; n--) {
    event = event !== "" && !random.once(3) ? like(event, random) : eventText(random, typed);
    stream += event;
  }
  return stream;
}

function read(stream: string, typed: boolean, choices: number, random: Random): Verdict {
  const reader = new EventReader({ profile: typed ? "typed" : "chat", choices });
  const out: Buffer[] = [];
  for (const chunk of chunksOf(Buffer.from(stream), random)) out.push(...reader.feed(chunk));
  out.push(...reader.end());
  const { usage, text } = reader;
  return {
    passed: Buffer.concat(out).toString(),
    dropped: reader.dropped,
    done: reader.done,
    failed: reader.failure !== undefined,
    contentSeen: reader.contentSeen,
    usage: usage && [usage.input, usage.output],
    text: JSON.parse(`"${text.kept}"`) as string,
    whole: reader.whole,
  };
}

/** More than 1: somewhere a choice has lost its end, and the next one's `delta` stands in it. */
function deltasPerChoice(stream: string): number {
  const count = (key: string) => stream.split(`"${key}":`).length - 1;
  return count("delta") / Math.max(count("finish_reason"), 1);
}

for (const typed of [false, true]) {
  test(`streams, whole and spoiled: ${typed ? "typed" : "chat"}`, (t) => {
    fuzz(t, 100_000, (random) => {
      let stream = streamText(random, typed);
      if (random.once(5)) stream = stream.slice(0, random.below(stream.length + 1));
      // A character cut in half by the slice would be another one as UTF-8.
      stream = stream.toWellFormed();
      const choices = 1 + random.below(2);
      const expected = JSON.stringify(plainlyRead(stream, typed, choices));
      const actual = JSON.stringify(read(stream, typed, choices, random));
      if (actual !== expected) {
        const sorted = (text: string) => JSON.parse(text) as Verdict;
        const [seen, wanted] = [sorted(actual), sorted(expected)];
        // A spoiled key can make one choice of two: JSON.parse keeps the last `delta`, the reader counts what both say.
        const isMerged = seen.text.endsWith(wanted.text) && deltasPerChoice(stream) > 1;
        assert.deepEqual(seen, { ...wanted, ...(isMerged && { text: seen.text }) }, JSON.stringify(stream));
      }
    });
  });
}
