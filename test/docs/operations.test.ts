/** Does docs/operations.md say what the table of operations says? */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { OPERATIONS } from "../../proxy/dialects/operations.ts";

const GENERATE = fileURLToPath(new URL("../../docs/generate.ts", import.meta.url));
const PAGE = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");

test("the page is what the generator makes", () => {
  const { status, stderr } = spawnSync(process.execPath, [GENERATE, "--check"], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});

test("every operation has its row once", () => {
  const rows = [...PAGE.matchAll(/^\| `([A-Z]+ [^`]+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(rows.toSorted(), OPERATIONS.map(({ method, name }) => `${method} ${name}`).toSorted());
});

test("a row says which form has the operation and where ids stand", () => {
  const row = (name: string) => PAGE.split("\n").find((line) => line.startsWith(`| \`${name}\``)) ?? "";
  assert.match(row("POST moderations"), /\| yes \| no \| no \| model optional \|/);
  assert.match(row("POST chat/completions"), /\| yes \| yes \| yes, `deployments\/\{deployment\}\/` \|/);
  assert.match(row("GET batches"), /\| yes \| yes \| yes \| needs `statefulListing: Allow` \|/);
  assert.match(row("POST vector_stores/{vector_store_id}/files"), /path: `\{vector_store_id\}`, `file_id` \| `id` /);
});
