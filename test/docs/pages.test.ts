/** Do the pages that are made from the proxy's tables say what the tables say? */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { FIELD_RULES } from "../../proxy/dialects/field-rules.ts";
import { ERRORS } from "../../proxy/errors.ts";

const GENERATE = fileURLToPath(new URL("../../docs/generate.ts", import.meta.url));
const page = (name: string) => readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), "utf8");

test("what is generated is up to date: errors.md and changed-fields.md", () => {
  const { status, stderr } = spawnSync(process.execPath, [GENERATE, "--check"], { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.equal(status, 0);
});

test("every code and every field stands in its page", () => {
  for (const code of Object.keys(ERRORS)) assert.ok(page("errors").includes(`\`${code}\``), code);
  for (const { fields } of FIELD_RULES) {
    for (const field of fields) assert.ok(page("changed-fields").includes(`\`${field}\``), field);
  }
});
