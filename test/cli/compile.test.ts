/** Does `tandem compile` say what the manifests give, and fail when something is rejected? */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { EXAMPLES, QUICKSTART, tandem, temporaryFolder } from "./tandem.ts";

test("the quickstart compiles, as YAML and as JSON, and tells no key", async () => {
  const [yaml, json] = await Promise.all([
    tandem(["compile", "--manifests", QUICKSTART], { OPENAI_API_KEY: "sk-planted-in-the-environment" }),
    tandem(["compile", "--manifests", QUICKSTART, "-o", "json"], { OPENAI_API_KEY: "sk-planted-in-the-environment" }),
  ]);
  assert.deepEqual([yaml.code, json.code], [0, 0], yaml.stderr + json.stderr);
  const document = JSON.parse(json.stdout) as { table: { routes: { key: string }[] }; verdicts: unknown[] };
  assert.deepEqual(parse(yaml.stdout), document);
  assert.deepEqual(
    document.table.routes.map(({ key }) => key),
    ["ai/gpt-4o", "ai/small-models"],
  );
  assert.equal(document.verdicts.length, 5);
  for (const text of [yaml.stdout, yaml.stderr, json.stdout, json.stderr]) {
    assert.doesNotMatch(text, /planted|demo-azure-key|tdm-demo-key/);
  }
});

/** What protects and has no effect yet: not served, or served in spite of it with `--dev`, and rejected either way. */
const NOT_YET = ["10-content-policy.yaml"];

for (const file of readdirSync(EXAMPLES).filter((name) => name.endsWith(".yaml"))) {
  test(`examples/${file} compiles over the quickstart`, async () => {
    const { code, stderr } = await tandem(["compile", "--manifests", QUICKSTART, join(EXAMPLES, file)]);
    const isPending = NOT_YET.includes(file);
    assert.equal(code, isPending ? 1 : 0, stderr);
    assert.equal(/Accepted=False NotYetEffective/.test(stderr), isPending, stderr);
    assert.doesNotMatch(stderr, /Accepted=False (?!NotYetEffective)/);
  });
}

const ROUTE = `apiVersion: tandem.dev/v1alpha1
kind: AIRoute
metadata: {name: gpt-4o, namespace: ai}
spec:
  models: [gpt-4o]
  backends:
  - name: openai
    providerRef: {name: openai}
    weight: 101
`;

test("a rejected object: exit 1, and its file, line and field on standard error", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "route.yaml");
  await writeFile(file, ROUTE);
  const { code, stdout, stderr } = await tandem(["compile", "--manifests", QUICKSTART, file, "-o", "json"]);
  assert.equal(code, 1);
  assert.ok(stderr.includes(`${file}:9`), `the line of the field: ${stderr}`);
  assert.match(stderr, /AIRoute ai\/gpt-4o.*spec\.backends\[0\]\.weight/);
  assert.ok(JSON.parse(stdout), "the table is printed all the same");
});

test("a file that cannot be read: exit 1, one line with the place, nothing on standard output", async () => {
  const folder = await temporaryFolder();
  await writeFile(
    join(folder, "torn.yaml"),
    "apiVersion: v1\nkind: Secret\nmetadata: {name: a\nstringData: {key: planted-value}\n",
  );
  await writeFile(join(folder, ".hidden.yaml"), "not: an object");
  const { code, stdout, stderr } = await tandem(["compile", "--manifests", folder]);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /torn\.yaml:\d+: /);
  assert.doesNotMatch(stderr, /planted/);
});

test("other kinds are an error that names file and line", async () => {
  const folder = await temporaryFolder();
  await writeFile(
    join(folder, "a.yaml"),
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: ai}\n---\napiVersion: v1\nkind: ConfigMap\n",
  );
  const { code, stderr } = await tandem(["compile", "--manifests", folder]);
  assert.equal(code, 1);
  assert.match(stderr, /a\.yaml:6: .*ConfigMap/);
});

test("one object twice within a PATH names both files; a later PATH replaces", async () => {
  const folder = await temporaryFolder();
  const [one, two] = [join(folder, "one.yaml"), join(folder, "two.yaml")];
  await Promise.all([one, two].map((file) => writeFile(file, ROUTE.replace("101", "1"))));
  const [within, across] = await Promise.all([
    tandem(["compile", "--manifests", folder]),
    tandem(["compile", "--manifests", QUICKSTART, "--manifests", one, two]),
  ]);
  assert.equal(within.code, 1);
  assert.ok(within.stderr.includes("one.yaml") && within.stderr.includes("two.yaml"), within.stderr);
  assert.equal(across.code, 0, across.stderr);
});
