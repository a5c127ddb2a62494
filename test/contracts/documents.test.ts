/** Does the table of operations say what the providers' documents say, and are their copies here up to date? */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { NOT_SERVED } from "../../docs/operations-page.ts";
import { OPERATIONS } from "../../proxy/dialects/operations.ts";
import { documentNamed } from "./documents.ts";
import { SOURCES } from "./reduce.ts";

const REDUCE = fileURLToPath(new URL("reduce.ts", import.meta.url));
const DEPLOYMENT_PREFIX = "deployments/{deployment-id}/";

test("the copies are what the sources make", { skip: existsSync(SOURCES) ? false : "only beside the sources" }, () => {
  const { status, stderr } = spawnSync(process.execPath, [REDUCE, "--check"], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});

test("every operation of the table stands in OpenAI's document", () => {
  const { operations } = documentNamed("openai");
  // Realtime is not in the copies.
  const names = OPERATIONS.map(({ method, name }) => `${method} ${name}`).filter((name) => !/^\w+ realtime/.test(name));
  const unknown = names.filter((name) => !(name in operations));
  assert.deepEqual(unknown, []);
});

test("what Azure's documents have, the table says so", () => {
  const find = (name: string) => OPERATIONS.find((one) => `${one.method} ${one.name}` === name);
  for (const name of Object.keys(documentNamed("azure-v1").operations)) assert.equal(find(name)?.azureV1, true, name);
  for (const name of Object.keys(documentNamed("azure-dated").operations)) {
    const below = name.replace(DEPLOYMENT_PREFIX, "");
    assert.equal(find(below)?.azureDated, name === below ? "resource" : "deployment", name);
  }
});

test("of every operation that is not served the page says why", () => {
  const said = NOT_SERVED.flatMap(([groups]) => groups);
  for (const name of documentNamed("openai").notServed) {
    const path = name.replace(/^\w+ /, "");
    const isSaid = said.some((group) => name.startsWith(`${group}/`) || path === group || path.startsWith(`${group}/`));
    assert.ok(isSaid, name);
  }
});
