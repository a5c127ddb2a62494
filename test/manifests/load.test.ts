/** Do files and folders give the objects that kubectl would have applied, and are all others refused with their place? */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, symlink } from "node:fs/promises";
import { test } from "node:test";
import { inspect } from "node:util";
import { loadManifests, ManifestError, type ParsedFiles } from "../../manifests/load.ts";
import { provider, route, type Scratch, scratchFolder, secret } from "./scratch.ts";

interface Named {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

async function load(...paths: string[]) {
  const loaded = await loadManifests(paths);
  const objects = loaded.objects as readonly Named[];
  return {
    ...loaded,
    objects,
    names: objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`),
  };
}

async function refusal(...paths: string[]): Promise<ManifestError> {
  const error = await loadManifests(paths).then(
    () => assert.fail("it was loaded"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ManifestError, String(error));
  return error;
}

async function refusalOf(scratch: Scratch, text: string): Promise<ManifestError> {
  return refusal(await scratch.write("a.yaml", text));
}

test("a folder counts its yaml, yml and json files, not hidden ones, others and sub-folders", async (t) => {
  const scratch = await scratchFolder(t);
  await scratch.write("b.yml", provider("b"));
  await scratch.write("a.yaml", `${provider("a")}---\n# nothing\n---\n${provider("a2")}`);
  await scratch.write("c.json", JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: "ai" } }));
  for (const name of [".hidden.yaml", "a.yaml~", "notes.txt", "a.yaml.swp", "sub/d.yaml", "sub.yaml/e.yaml", ".yaml"]) {
    await scratch.write(name, "not: [yaml");
  }
  const { names, files } = await load(scratch.folder);
  assert.deepEqual(names, ["AIProvider ai/a", "AIProvider ai/a2", "AIProvider ai/b"]);
  assert.deepEqual(files, ["a.yaml", "b.yml", "c.json"].map(scratch.path));
});

test("a file named as a PATH may be called as it likes, and links are followed", async (t) => {
  const scratch = await scratchFolder(t);
  await scratch.write("folder/real.yaml", provider("a"));
  await symlink("folder", scratch.path("link"));
  await symlink("folder/real.yaml", scratch.path("manifest.txt"));
  assert.deepEqual((await load(scratch.path("link"))).names, ["AIProvider ai/a"]);
  assert.deepEqual((await load(scratch.path("manifest.txt"))).names, ["AIProvider ai/a"]);
});

test("a later PATH replaces by kind, namespace and name, Secrets too, and adds what is new", async (t) => {
  const scratch = await scratchFolder(t);
  const base = await scratch.write("base/a.yaml", `${provider("a")}---\n${secret("one")}---\n${provider("b")}`);
  const over = await scratch.write(
    "over.yaml",
    `${provider("a", "  endpoint: https://x.example/v1")}\n---\n${secret("two")}`,
  );
  const other = provider("a").replace("namespace: ai", "namespace: other");
  const more = await scratch.write("more.yaml", `${other}---\n${route("a", "  - {name: a, providerRef: {name: a}}")}`);
  const { objects, names, secrets, locate } = await load(base, over, more);
  assert.deepEqual(names, ["AIProvider ai/a", "AIProvider ai/b", "AIProvider other/a", "AIRoute ai/a"]);
  assert.equal(objects[0]?.spec.endpoint, "https://x.example/v1");
  assert.deepEqual(
    secrets.map((one) => one.values["api-key"]?.reveal()),
    ["two"],
  );
  assert.deepEqual(locate("AIProvider", "ai", "a", "spec.endpoint"), { file: over, line: 7 });
  assert.deepEqual(locate("AIProvider", "ai", "b", "spec.type"), { file: base, line: 17 });
  assert.equal(locate("AIProvider", "ai", "c"), undefined);
});

test("twice within one PATH names both files and both lines", async (t) => {
  const scratch = await scratchFolder(t);
  const first = await scratch.write("set/a.yaml", provider("a"));
  const second = await scratch.write("set/b.yaml", `# one line\n${provider("a")}`);
  const error = await refusal(scratch.path("set"));
  assert.deepEqual([error.file, error.line, error.field], [second, 4, "metadata.name"]);
  assert.ok(error.message.includes(`AIProvider ai/a is here and in ${first}:3; keep one of them`), error.message);
  const within = await refusalOf(scratch, `${secret("x")}---\n${secret("y")}`);
  assert.match(within.message, /Secret ai\/openai is here and in .*a\.yaml:3/);
  assert.equal(within.line, 8);
});

test("an object without a namespace belongs to default", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", provider("a").replace(", namespace: ai", ""));
  const { names, objects } = await load(file);
  assert.deepEqual(names, ["AIProvider default/a"]);
  assert.equal(objects[0]?.metadata.namespace, "default");
});

test("other kinds, versions and texts that are no objects are refused with line and fix", async (t) => {
  const scratch = await scratchFolder(t);
  const cases: readonly [string, RegExp, number, string | undefined][] = [
    [
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}",
      /"ConfigMap" is not for Tandem; only AIProvider/,
      2,
      "kind",
    ],
    ["apiVersion: v1\nkind: List\nitems: []", /"List" is not for Tandem/, 2, "kind"],
    ["apiVersion: v1\nkind: toString", /"toString" is not for Tandem/, 2, "kind"],
    ["apiVersion: v1", /kind is missing; write kind/, 1, undefined],
    [
      provider("a").replace("v1alpha1", "v1"),
      /"tandem.dev\/v1" is not known for AIProvider; write apiVersion: tandem.dev\/v1alpha1/,
      1,
      "apiVersion",
    ],
    ["kind: Secret\nmetadata: {name: a}", /apiVersion is missing; write apiVersion: v1/, 1, undefined],
    [
      "apiVersion: tandem.dev/v1alpha1\nkind: Namespace",
      /not known for Namespace; write apiVersion: v1$/,
      1,
      "apiVersion",
    ],
    ["# a\n\n- a\n- b", /no Kubernetes object; begin with apiVersion/, 3, undefined],
    ["just words", /no Kubernetes object/, 1, undefined],
    ["apiVersion: tandem.dev/v1alpha1\nkind: AIRoute", /metadata is missing/, 1, undefined],
    [
      "apiVersion: tandem.dev/v1alpha1\nkind: AIRoute\nmetadata:\n  namespace: a",
      /metadata.name is missing/,
      3,
      "metadata",
    ],
    [provider("A_b"), /"A_b" is not a name; use lower-case/, 3, "metadata.name"],
    [provider("ai/b"), /"ai\/b" is not a name/, 3, "metadata.name"],
    [provider("a").replace("namespace: ai", "namespace: {}"), /not a namespace/, 3, "metadata.namespace"],
    ["  \n\n", /it is empty; write an object, or remove the file/, 0, undefined],
  ];
  for (const [text, message, line, field] of cases) {
    const error = await refusalOf(scratch, text);
    assert.match(error.message, message);
    assert.deepEqual([error.file, error.line ?? 0, error.field], [scratch.path("a.yaml"), line, field], text);
  }
});

test("what cannot be read is named, and nothing waits for a pipe", async (t) => {
  const scratch = await scratchFolder(t);
  assert.match((await refusal(scratch.path("none"))).message, /no such file or folder; check the path/);
  await mkdir(scratch.path("empty"));
  assert.match((await refusal(scratch.path("empty"))).message, /there is no \*.yaml, \*.yml or \*.json in it/);
  const latin = await scratch.write("latin.yaml", Buffer.from([0x61, 0x3a, 0x20, 0xe9]));
  assert.match((await refusal(latin)).message, /not UTF-8/);
  await symlink("nowhere.yaml", scratch.path("empty/broken.yaml"));
  assert.deepEqual((await refusal(scratch.path("empty"))).file, scratch.path("empty/broken.yaml"));
  execFileSync("mkfifo", [scratch.path("pipe")]);
  assert.match((await refusal(scratch.path("pipe"))).message, /neither a file nor a folder/);
});

test("a file of 3 MiB is read, a larger one is refused", async (t) => {
  const scratch = await scratchFolder(t);
  const text = provider("a");
  const padded = (size: number) => `${text}#${"x".repeat(size - text.length - 1)}`;
  const file = await scratch.write("a.yaml", padded(3 * 1024 * 1024));
  assert.deepEqual((await load(file)).names, ["AIProvider ai/a"]);
  await scratch.write("a.yaml", padded(3 * 1024 * 1024 + 1));
  assert.match((await refusal(file)).message, /larger than 3 MiB; split it/);
});

test("more than 10,000 files are refused before one is read", async (t) => {
  const scratch = await scratchFolder(t);
  const file = await scratch.write("a.yaml", "not: [yaml");
  const error = await refusal(...Array(10_001).fill(file));
  assert.match(error.message, /there are 10001 files, and at most 10000 are read/);
});

test("an empty folder beside another PATH is nothing to complain about", async (t) => {
  const scratch = await scratchFolder(t);
  await mkdir(scratch.path("later"));
  const file = await scratch.write("a.yaml", provider("a"));
  assert.deepEqual((await load(file, scratch.path("later"))).names, ["AIProvider ai/a"]);
});

test("a file with the same text is parsed once, and its objects stay the same ones", async (t) => {
  const scratch = await scratchFolder(t);
  await scratch.write("a.yaml", provider("a"));
  await scratch.write("b.yaml", provider("b"));
  const parsed: ParsedFiles = new Map();
  const before = await loadManifests([scratch.folder], { parsed });
  await scratch.write("b.yaml", provider("b", "  endpoint: https://x.example/v1"));
  const after = await loadManifests([scratch.folder], { parsed });
  assert.equal(after.objects[0], before.objects[0]);
  assert.notEqual(after.objects[1], before.objects[1]);
});

test("what was loaded does not print a secret", async (t) => {
  const scratch = await scratchFolder(t);
  const loaded = await loadManifests([await scratch.write("a.yaml", secret("sk-marked-4711"))]);
  assert.equal(loaded.secrets[0]?.values["api-key"]?.reveal(), "sk-marked-4711");
  for (const text of [inspect(loaded, { depth: 20 }), JSON.stringify(loaded)]) assert.ok(!text.includes("4711"), text);
});

test("of a long file only the edited document is parsed again, and the lines below move", async (t) => {
  const scratch = await scratchFolder(t);
  const parsed: ParsedFiles = new Map();
  const text = (first: string) =>
    `# head\n%YAML 1.2\n# more\n---\n${first}---\n${provider("b")}--- # last\r\n${provider("c")}`;
  const file = await scratch.write("a.yaml", text(provider("a")));
  const before = await loadManifests([file], { parsed });
  await scratch.write("a.yaml", text(`\n\n${provider("a", "  endpoint: https://x.example/v1\n")}`));
  const after = await loadManifests([file], { parsed });
  assert.deepEqual(
    after.objects.map((object, i) => object === before.objects[i]),
    [false, true, true],
  );
  const lines = (loaded: typeof before) =>
    ["a", "b", "c"].map((name) => loaded.locate("AIProvider", "ai", name, "kind")?.line);
  assert.deepEqual(lines(before), [6, 13, 20]);
  assert.deepEqual(lines(after), [8, 16, 23]);
  await scratch.write("a.yaml", `${text(provider("a"))}---\n\tkind: [\n`);
  assert.equal((await refusal(file)).line, 26);
});

test("only a marker at the start of a line begins a document", async (t) => {
  const scratch = await scratchFolder(t);
  const text = secret("x")
    .replace('"x"', '"--- a"')
    .replace("{", "\n  {")
    .concat(`# ---\n---\n---\n${provider("---a".slice(3))}`);
  const { objects, secrets } = await loadManifests([await scratch.write("a.yaml", `${text}---`)]);
  assert.deepEqual([objects.length, secrets[0]?.values["api-key"]?.reveal()], [1, "--- a"]);
});
