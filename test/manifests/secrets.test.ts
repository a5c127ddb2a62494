/** Are a Secret's values those that a cluster would hold, with variables filled in from the environment alone? */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables in manifests look like this
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadManifests, ManifestError } from "../../manifests/load.ts";
import { provider, scratchFolder } from "./scratch.ts";

const ENV = { SET: "value", EMPTY: "", QUOTE: 'a"b: [c', NESTED: "${SET}" };
const HEAD = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ai}\n";

test("variables are expanded in stringData", async (t) => {
  const scratch = await scratchFolder(t);
  const cases: readonly [string, string][] = [
    ["${SET}", "value"],
    ["a-${SET}-${SET:-b}-c", "a-value-value-c"],
    ["${UNSET:-stand in}", "stand in"],
    ["${EMPTY:-stand in}", "stand in"],
    ["${EMPTY}", ""],
    ["${UNSET:-}", ""],
    ["${UNSET}", "${UNSET}"],
    ["${SET:-}", "value"],
    ["${QUOTE}", 'a"b: [c'],
    ["${NESTED}", "${SET}"],
    ["$SET ${1X} ${SET-x} ${SET", "$SET ${1X} ${SET-x} ${SET"],
    ["${toString}", "${toString}"],
  ];
  const lines = cases.map(([text], i) => `  k${i}: '${text}'`).join("\n");
  const file = await scratch.write("a.yaml", `${HEAD}stringData:\n${lines}\n`);
  const { secrets } = await loadManifests([file], { env: ENV });
  for (const [i, [text, value]] of cases.entries()) assert.equal(secrets[0]?.values[`k${i}`]?.reveal(), value, text);
});

test("variables are expanded nowhere else", async (t) => {
  const scratch = await scratchFolder(t);
  const data = Buffer.from("${SET}").toString("base64");
  const text = `${provider("a", '  endpoint: "https://${SET}/v1"')}\n---\n${HEAD}data: {k: ${data}}\n`;
  const { objects, secrets } = await loadManifests([await scratch.write("a.yaml", text)], { env: ENV });
  assert.equal((objects[0] as { spec: { endpoint: string } }).spec.endpoint, "https://${SET}/v1");
  assert.equal(secrets[0]?.values.k?.reveal(), "${SET}");
});

test("data is base64, and stringData wins over it", async (t) => {
  const scratch = await scratchFolder(t);
  const text = `${HEAD}type: Opaque\nimmutable: true\ndata:\n  a: aMOp\n  b: |\n    aGVs\n    bG8=\n  c: ""\nstringData: {c: plain}\n`;
  const { secrets } = await loadManifests([await scratch.write("a.yaml", text)]);
  const values = Object.entries(secrets[0]?.values ?? {}).map(([key, value]) => [key, value.reveal()]);
  assert.deepEqual(values, [
    ["a", "hé"],
    ["b", "hello"],
    ["c", "plain"],
  ]);
});

test("a Secret that a cluster would refuse is refused, without its values", async (t) => {
  const scratch = await scratchFolder(t);
  const cases: readonly [string, RegExp, number, string | undefined][] = [
    ["data: {a: 4711.}", /data\.a must be a text/, 4, "data.a"],
    ["data:\n  a: marked-4711", /data\.a is not base64; encode it, or write it as it is under stringData/, 5, "data.a"],
    ["stringData:\n  b: x\n  a: 4711", /stringData\.a must be a text; put the value in quotes/, 6, "stringData.a"],
    ["stringData: {sk-4711}", /a key of stringData has no value/, 4, "stringData"],
    ["stringData: {'sk 4711': a}", /a key of stringData has a character/, 4, "stringData"],
    ["stringData: sk-4711", /stringData must hold keys with their values/, 4, "stringData"],
    ["stringdata: {a: sk-4711}", /a field that Kubernetes does not know; it may have .*stringData/, 1, undefined],
    ["stringData: {a: on}", /kubectl reads .* as booleans/, 4, "stringData.a"],
  ];
  for (const [text, message, line, field] of cases) {
    const file = await scratch.write("a.yaml", `${HEAD}${text}\n`);
    await assert.rejects(loadManifests([file]), (error) => {
      assert.ok(error instanceof ManifestError);
      assert.match(error.message, message);
      assert.deepEqual([error.file, error.line, error.field], [file, line, field], text);
      assert.ok(!`${error.message} ${error.field}`.includes("4711"), error.message);
      return true;
    });
  }
});
