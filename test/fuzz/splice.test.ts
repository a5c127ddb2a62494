/** What is changed of a body is changed, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Edit, edited } from "../../proxy/body/edits.ts";
import { BodyScan } from "../../proxy/body/scan.ts";
import { type FieldEdit, placed, withModel } from "../../proxy/body/splice.ts";
import { askingForUsage } from "../../proxy/body/usage-option.ts";
import { objectText, stringText, valueText } from "./json-text.ts";
import type { Random } from "./random.ts";
import { chunksOf, fuzz } from "./run.ts";

const READ = new Set(["model", "stream", "stream_options"]);
/** No field that is read is spelt with escapes here: its replacement keeps the spelling, which JSON.stringify would not. */
const KEYS = ["a", "b", "model", "stream", "stream_options", "é", "x\\\\y", "messages"];
const VALUE = '"my-deployment"';

type Json = Record<string, unknown>;

function scanned(text: string, random: Random): BodyScan | undefined {
  const scan = new BodyScan(READ);
  for (const chunk of chunksOf(Buffer.from(text), random)) scan.push(chunk);
  return scan.problem ? undefined : scan;
}

function sentText({ chunks, length }: { chunks: readonly Buffer[]; length: number }): string {
  const sent = Buffer.concat(chunks);
  assert.equal(sent.length, length);
  return sent.toString();
}

test("edits of bytes at any places", (t) => {
  fuzz(t, 150_000, (random) => {
    const bytes = Buffer.from(`${stringText(random)}${stringText(random)}`);
    const edits: Edit[] = [];
    let expected = "";
    let at = 0;
    for (let n = random.below(4); n > 0 && at <= bytes.length; n--) {
      const start = at + random.below(bytes.length - at + 1);
      const end = start + random.below(Math.min(9, bytes.length - start + 1));
      const replacement = random.pick(["", "x", '"resp_other"']);
      expected += bytes.toString("latin1", at, start) + replacement;
      edits.push({ start, end, replacement: Buffer.from(replacement) });
      at = end;
      // An insertion right behind a replacement would stand at the same place as its end.
      if (end === start) at++;
      if (at > end) expected += bytes.toString("latin1", end, Math.min(at, bytes.length));
    }
    expected += bytes.toString("latin1", Math.min(at, bytes.length));
    const payload = edited(chunksOf(bytes, random), edits.reverse());
    const sent = Buffer.concat(payload.chunks).toString("latin1");
    if (sent !== expected) assert.fail(`${bytes}: ${JSON.stringify(edits)}`);
    assert.equal(payload.length, sent.length);
  });
});

test("the model of any body", (t) => {
  fuzz(t, 150_000, (random) => {
    const { text } = objectText(random, 0, KEYS);
    const scan = scanned(text, random);
    if (!scan) return;
    const body = JSON.parse(text) as Json;
    const model = JSON.parse(VALUE) as string;
    const expected = Object.hasOwn(body, "model") ? { ...body, model } : { model, ...body };
    const sent = sentText(withModel(scan, Buffer.from(VALUE)));
    if (JSON.stringify(JSON.parse(sent)) !== JSON.stringify(expected)) assert.fail(`${text} → ${sent}`);
  });
});

test("fields removed, renamed and set in any body", (t) => {
  fuzz(t, 150_000, (random) => {
    const { text } = objectText(random, 0, ["a", "b", "c", "d", "é"]);
    const scan = new BodyScan(new Set(["a", "b", "c", "d"]));
    for (const chunk of chunksOf(Buffer.from(text), random)) scan.push(chunk);
    if (scan.problem) return;
    const before = Object.entries(JSON.parse(text) as Json);
    const edits: FieldEdit[] = [];
    const added: [string, unknown][] = [];
    let expected: [string, unknown][] = before;
    for (const field of ["a", "b", "c", "d"]) {
      const at = expected.findIndex(([key]) => key === field);
      switch (random.below(5)) {
        case 0:
          edits.push({ field, action: "remove" });
          expected = expected.filter(([key]) => key !== field);
          break;
        case 1:
          edits.push({ field, action: "rename", to: Buffer.from(`"new_${field}"`) });
          expected = expected.map(([key, value]) => [key === field ? `new_${field}` : key, value]);
          break;
        case 2:
          edits.push({ field, action: "set", value: Buffer.from("[1]") });
          if (at === -1) added.push([field, [1]]);
          else expected = expected.with(at, [field, [1]]);
      }
    }
    const sent = sentText(edited(scan.chunks, placed(scan, edits)));
    const wanted = JSON.stringify(Object.fromEntries([...added, ...expected]));
    if (JSON.stringify(JSON.parse(sent)) !== wanted) assert.fail(`${text} → ${sent}, not ${wanted}`);
  });
});

test("the wish for usage in any body", (t) => {
  fuzz(t, 150_000, (random) => {
    const text = `{"stream":true,${random.once(3) ? "" : `"stream_options":${optionsText(random)},`}"a":${valueText(random)}}`;
    const scan = scanned(text, random) as BodyScan;
    const edit = askingForUsage(scan);
    const body = JSON.parse(text) as Json;
    const expected = asking(body);
    if (!edit || !expected) {
      if (edit !== expected) assert.fail(`${text}: ${edit ? "asked" : "not asked"}`);
      return;
    }
    const sent = sentText(edited(scan.chunks, [edit]));
    if (JSON.stringify(JSON.parse(sent)) !== JSON.stringify(expected)) assert.fail(`${text} → ${sent}`);
  });
});

function optionsText(random: Random): string {
  if (random.once(4)) return valueText(random);
  const keys = ["include_usage", "include_obfuscation", "a", "é"];
  const fields = keys
    .filter(() => random.once(2))
    .map((key) => `"${key}": ${random.pick(["true", "false", "null", valueText(random)])}`);
  return `{${fields.join(" , ")}}`;
}

/** The body that asks, as one would write it over JSON.parse; undefined: it stays as it is. */
function asking(body: Json): Json | undefined {
  const usage = { include_usage: true };
  if (!Object.hasOwn(body, "stream_options")) return { stream_options: usage, ...body };
  const options = body.stream_options;
  if (options === null) return { ...body, stream_options: usage };
  if (typeof options !== "object" || Array.isArray(options)) return undefined;
  const written = options as Json;
  if (!Object.hasOwn(written, "include_usage")) return { ...body, stream_options: { ...usage, ...written } };
  if (written.include_usage !== false && written.include_usage !== null) return undefined;
  return { ...body, stream_options: { ...written, ...usage } };
}
