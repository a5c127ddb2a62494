/** The scan of bodies sees the fields that JSON.parse sees, and refuses no body that it accepts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyScan } from "../../proxy/body/scan.ts";
import { objectText, parsed, spoiled } from "./json-text.ts";
import type { Random } from "./random.ts";
import { chunksOf, fuzz } from "./run.ts";

const READ = new Set(["model", "stream", "user"]);

function scanned(text: string, random: Random): BodyScan {
  const scan = new BodyScan(READ);
  for (const chunk of chunksOf(Buffer.from(text), random)) scan.push(chunk);
  return scan;
}

test("fields of whole bodies", (t) => {
  fuzz(t, 300_000, (random) => {
    const { text, keys } = objectText(random);
    const scan = scanned(text, random);
    const names = keys.map((key) => JSON.parse(`"${key}"`) as string).filter((name) => READ.has(name));
    const twice = names.find((name, at) => names.indexOf(name) !== at);
    if (twice !== undefined) {
      assert.equal(scan.problem?.code, "duplicate_field", text);
      return;
    }
    assert.ok(scan.complete && !scan.problem, text);
    const body = JSON.parse(text) as Record<string, unknown>;
    assert.equal(scan.fields.size, names.length, text);
    for (const [name, { start, end }] of scan.fields) {
      const seen = JSON.stringify(JSON.parse(scan.slice(start, end).toString()));
      if (seen !== JSON.stringify(body[name])) assert.fail(`${name} of ${text}: ${seen}`);
    }
  });
});

test("spoiled bodies", (t) => {
  fuzz(t, 300_000, (random) => {
    const text = spoiled(objectText(random).text, random);
    const scan = scanned(text, random);
    const value = parsed(text)?.value;
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    // What stands inside of values is the provider's to judge; a body must not be refused for what JSON allows.
    if (isObject && !scan.complete && scan.problem?.code !== "duplicate_field") assert.fail(`refused: ${text}`);
    if (scan.complete && !/^\s*\{[\s\S]*\}\s*$/.test(text)) assert.fail(`accepted: ${text}`);
    if (!isObject || scan.problem) return;
    for (const name of READ) {
      if (scan.fields.has(name) !== Object.hasOwn(value, name)) assert.fail(`${name} of ${text}`);
    }
  });
});
