/**
 * Does the compiler make of each input the table and the verdicts that stand beside it?
 *
 * `test/golden/NAME.in.yaml` gives `NAME.table.json` and `NAME.status.yaml`; `NAME.before.yaml`, where it exists, was in
 * force before. Each file of `test/golden/manifests` is applied over 00 and 01, as a user would.
 * `UPDATE_GOLDEN=1` writes the expected files anew: read the difference before it is committed.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseAllDocuments, stringify } from "yaml";
import { decodeTable, encodeTable } from "../routing/codec.ts";
import { type Compiled, compile } from "../routing/compile.ts";
import { describeSecret, Redacted } from "../routing/secrets.ts";
import type { RoutingTable } from "../routing/table.ts";

const FOLDER = join(import.meta.dirname, "golden");
const MANIFESTS = join(FOLDER, "manifests");
const UPDATE = process.env.UPDATE_GOLDEN === "1";
const PEPPER = new Redacted("the pepper of the golden tests");

interface Doc {
  readonly golden?: { readonly dev?: boolean };
  readonly kind?: string;
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly stringData?: Readonly<Record<string, string>>;
}

function readDocs(path: string): Doc[] {
  return parseAllDocuments(readFileSync(path, "utf8")).map((doc) => {
    assert.deepEqual("errors" in doc ? doc.errors : [], [], path);
    return ("toJS" in doc ? doc.toJS() : undefined) as Doc;
  });
}

/** `${NAME:-default}` is its default here: no test depends on the environment. */
function secretFacts({ metadata, stringData = {} }: Doc) {
  const values = Object.entries(stringData).map(([key, value]) => {
    return [key, new Redacted(value.replace(/\$\{\w+:-([^}]*)\}/g, "$1"))];
  });
  return describeSecret({ ...metadata, values: Object.fromEntries(values) }, PEPPER).facts;
}

function compileDocs(docs: readonly Doc[], last?: RoutingTable): Compiled {
  const dev = docs.some((doc) => doc.golden?.dev === true);
  const secrets = docs.filter((doc) => doc.kind === "Secret").map(secretFacts);
  const objects = docs.filter((doc) => doc.kind?.startsWith("AI"));
  return compile({ objects, secrets, dev }, last);
}

function check(path: string, actual: string): void {
  if (UPDATE) writeFileSync(path, actual);
  assert.equal(actual, existsSync(path) ? readFileSync(path, "utf8") : "", path);
}

function checkPair(base: string, docs: readonly Doc[], last?: RoutingTable): void {
  const { table, verdicts } = compileDocs(docs, last);
  const texts = [`${JSON.stringify(table, null, 2)}\n`, stringify(verdicts, { lineWidth: 0 })] as const;
  check(`${base}.table.json`, texts[0]);
  check(`${base}.status.yaml`, texts[1]);
  for (const value of secretValues(docs)) assert.ok(!texts.join("").includes(value), `${base} tells a secret`);
  const published = decodeTable(encodeTable(table));
  assert.deepEqual(published, table, "the table survives publishing");
  assert.deepEqual(compileDocs(docs, published), { table, verdicts }, "over its own table nothing changes");
}

function secretValues(docs: readonly Doc[]): readonly string[] {
  const values = docs.flatMap((doc) => Object.values(doc.stringData ?? {}));
  return values.map((value) => value.trim()).filter((value) => value !== "");
}

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".in.yaml"))) {
  const name = file.replace(".in.yaml", "");
  test(`golden: ${name}`, () => {
    const before = join(FOLDER, `${name}.before.yaml`);
    const last = existsSync(before) ? compileDocs(readDocs(before)).table : undefined;
    checkPair(join(FOLDER, name), readDocs(join(FOLDER, file)), last);
  });
}

/** Later documents replace earlier ones of the same kind, namespace and name, as `kubectl apply` does. */
function applied(files: readonly string[]): Doc[] {
  const byId = new Map<string, Doc>();
  for (const doc of files.flatMap((file) => readDocs(join(MANIFESTS, file)))) {
    byId.set(`${doc.kind} ${doc.metadata.namespace}/${doc.metadata.name}`, doc);
  }
  return [...byId.values()];
}

const manifests = readdirSync(MANIFESTS)
  .filter((name) => /^\d\d-.*\.yaml$/.test(name) && !name.includes(".status."))
  .sort();
const [secrets = "", base = "", ...rest] = manifests;

for (const file of [base, ...rest]) {
  test(`golden: manifest ${file}`, () => {
    const docs = applied(file === base ? [secrets, base] : [secrets, base, file]);
    checkPair(join(MANIFESTS, file.replace(".yaml", "")), docs);
  });
}
