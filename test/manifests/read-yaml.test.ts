/** Is a text read as kubectl would read it, and is every fault told with its line and field, without quoting the text? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { stepsOf } from "../../manifests/field-path.ts";
import { ManifestError } from "../../manifests/manifest-error.ts";
import { parseYaml, readYaml, toYaml } from "../../manifests/read-yaml.ts";
import { scratchFolder } from "./scratch.ts";

function refusal(text: string): ManifestError {
  try {
    parseYaml(text, "a.yaml");
  } catch (error) {
    assert.ok(error instanceof ManifestError, String(error));
    return error;
  }
  assert.fail(`it was read: ${text}`);
}

test("several documents, comments and merge keys are read as plain JSON", () => {
  const [first, second, third] = parseYaml(
    "# one\na: &a {x: 1}\nb: {<<: *a, z: [true, null, 2.5]}\n---\n# nothing\n---\n{c: d}",
    "a.yaml",
  );
  assert.deepEqual(first?.value, { a: { x: 1 }, b: { x: 1, z: [true, null, 2.5] } });
  assert.equal(second?.value, null);
  assert.deepEqual(third?.value, { c: "d" });
  assert.deepEqual(parseYaml("", "a.yaml"), []);
});

test("JSON is read with the lines of its fields", () => {
  const [document] = parseYaml('{\n\t"a": "\\ud83d\\ude00\\/",\n\t"b": [1,\n\t2]\n}\n', "a.json");
  assert.deepEqual(document?.value, { a: "😀/", b: [1, 2] });
  assert.equal(document?.lineOf(["b", 1]), 4);
});

for (const word of ["y", "N", "yes", "No", "on", "OFF"]) {
  test(`a plain ${word} is refused as value, item and key, and taken in quotes`, () => {
    for (const [text, field] of [
      [`kind: AIRoute\nspec:\n  a: ${word}`, "spec.a"],
      [`kind: AIRoute\nspec:\n  a:\n    [1, {b: ${word}}]`, "spec.a[1].b"],
      [`kind: AIRoute\nspec:\n\n  ${word}: 1`, `spec.${word}`],
    ] as const) {
      const error = refusal(text);
      assert.match(error.message, /kubectl reads .* as booleans; put the text in quotes/);
      assert.equal(error.field, field);
      assert.equal(error.line, text.split("\n").length);
    }
    assert.deepEqual(parseYaml(`a: "${word}"\nb: '${word}'\nc: ${word}a\nd: |-\n  ${word}`, "a.yaml")[0]?.value, {
      a: word,
      b: word,
      c: `${word}a`,
      d: word,
    });
  });
}

test("true and false are booleans for both", () => {
  assert.deepEqual(parseYaml("[true, false, True, FALSE]", "a.yaml")[0]?.value, [true, false, true, false]);
});

test("numbers that kubectl reads otherwise, or JSON not at all, are refused", () => {
  for (const text of ["a: 010", "a: -017", "a: 0b11", "a: 1_000", "a: 1_0.5"])
    assert.match(refusal(text).message, /octal/);
  for (const text of ["a: .nan", "a: -.inf"]) assert.match(refusal(text).message, /JSON has no such number/);
  const plain = "a: 0\nb: 08x\nc: 2024-10-21\nd: 10_m\ne: '010'\nf: 0.5\ng: 1.5.0";
  assert.deepEqual(parseYaml(plain, "a.yaml")[0]?.value, {
    a: 0,
    b: "08x",
    c: "2024-10-21",
    d: "10_m",
    e: "010",
    f: 0.5,
    g: "1.5.0",
  });
});

test("a fault of syntax names line, field and fix", () => {
  const error = refusal("kind: AIRoute\nspec:\n  models: [a, b\n  backends: []\n");
  assert.equal(error.file, "a.yaml");
  assert.equal(error.field, "spec.models");
  assert.ok([3, 4].includes(error.line ?? 0), `line ${error.line}`);
  assert.match(error.message, /;/);

  const tab = refusal("kind: AIRoute\nspec:\n\tmodels: []\n");
  assert.equal(tab.line, 3);
  assert.match(tab.message, /tab .* use spaces/);

  const second = refusal("kind: AIRoute\n---\nkind: AIRoute\nspec:\n  models: [a]\n  models: [b]\n");
  assert.deepEqual([second.line, second.field], [6, "spec.models"]);
  assert.match(second.message, /written twice; keep one/);
});

test("no fault quotes what stands in the text", () => {
  const MARK = "sk-marked-4711";
  for (const text of [
    `stringData: {api-key: |${MARK}}`,
    `stringData:\n  api-key: |${MARK}\n   x`,
    `stringData:\n  api-key: "${MARK}\n`,
    `stringData:\n  api-key: "\\${MARK}"\n`,
    `stringData:\n  api-key: *${MARK}\n`,
    `stringData:\n  api-key: !${MARK} x\n`,
    `stringData:\n  api-key: @${MARK}\n`,
    `stringData: {${MARK}: a, ${MARK}: b}`,
    `stringData:\n  ${MARK}\n  x: y\n`,
    `%${MARK}\n---\na: b`,
    `stringData: [${MARK}`,
    `kind: Secret\nstringData:\n  ${MARK}: {\n`,
  ]) {
    const { message, field = "", file, line } = refusal(text);
    assert.ok(!JSON.stringify([message, field, file]).includes("4711"), `${text} → ${message} ${field}`);
    assert.ok((line ?? 0) >= 1, text);
  }
});

test("aliases are bounded, and a ring is refused", () => {
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 9; i++) {
    const [name, before] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
    bomb.push(`${name}${name}: &${name} [${Array(10).fill(`*${before}`).join(", ")}]`);
  }
  assert.match(refusal(bomb.join("\n")).message, /alias/);
  assert.match(refusal(`a: &a x\nb: [${Array(101).fill("*a").join(", ")}]`).message, /more than 100 aliases/);
  assert.match(refusal("a: &a [*a]").message, /names itself/);
  assert.match(refusal("a: *nowhere").message, /alias/);
  assert.match(refusal("a: {<<: 3}").message, /merge key/);
});

test("a text nested without end is refused, not followed", () => {
  assert.match(refusal("[".repeat(200_000)).message, /nested too deeply|missing/);
});

test("another YAML than 1.2 cannot be asked for", () => {
  assert.match(refusal("%YAML 1.1\n---\na: b").message, /take the line that begins with % out/);
  assert.deepEqual(parseYaml("%YAML 1.2\n---\na: b", "a.yaml")[0]?.value, { a: "b" });
});

test("a field is found on its line; one that is absent, on the nearest above", () => {
  const [, document] = parseYaml(
    "a: b\n---\nspec:\n  backends:\n  - name: one\n    weight: 1\n  - {name: two,\n     weight: 2}\n",
    "a.yaml",
  );
  const line = (field: string) => document?.lineOf(stepsOf(field));
  assert.equal(line("spec.backends[0].weight"), 6);
  assert.equal(line("spec.backends[1].weight"), 8);
  assert.equal(line("spec.backends[two].weight"), 8);
  assert.equal(line("spec.backends[1].priority"), 7);
  assert.equal(line("spec.backends[7].weight"), 4);
  assert.equal(line("spec.sticky.by"), 3);
  assert.equal(line(""), 3);
});

test("readYaml reads one document, toYaml writes what it reads", async (t) => {
  const scratch = await scratchFolder(t);
  const value = { a: "no", on: "y", e: "1_000", f: "0b1", g: "yEs", b: [1, { c: "x".repeat(300) }], d: "010" };
  assert.deepEqual(await readYaml(await scratch.write("a.yaml", toYaml(value))), value);
  assert.equal(await readYaml(await scratch.write("b.yaml", "# nothing")), null);
  await assert.rejects(readYaml(await scratch.write("c.yaml", "a: 1\n---\nb: 2")), { line: 3, message: /only one/ });
  await assert.rejects(readYaml(scratch.path("d.yaml")), { name: "ManifestError", message: /no such file/ });
});
