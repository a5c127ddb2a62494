/** A tag says where and whose, and nobody but Tandem can write one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OPERATIONS, operationsAt } from "../../../proxy/dialects/operations.ts";
import { Affinity, homeOf, isOwner, isTagged, ownerOf } from "../../../proxy/ids/affinity.ts";
import { PLACES } from "../../../proxy/ids/paths.ts";
import { Redacted } from "../../../routing/secrets.ts";
import type { Provider } from "../../../routing/table.ts";
import { TABLE } from "../telemetry/exchange-fixture.ts";

const OPENAI = TABLE.providers["ai/openai"] as Provider;
const old = new Redacted("old key");
const current = new Redacted("current key");
const OWNER = ownerOf({ key: "ai/app", namespace: "ai", name: "app", keys: [] }, "ai");

test("what is tagged opens to what it was, in the alphabet of ids", () => {
  const affinity = new Affinity([current]);
  for (const id of ["resp_68af", "file-AbC", "chatcmpl-x-y_z", "a", "x".repeat(200)]) {
    const tagged = affinity.tagged(id, homeOf(OPENAI), OWNER);
    assert.ok(tagged.startsWith(id) && tagged.length === id.length + 36 && /^[\w-]+$/.test(tagged));
    assert.ok(isTagged(tagged) && !isTagged(id));
    const opened = affinity.open(tagged);
    assert.deepEqual(opened && { id: opened.id, home: opened.home }, { id, home: homeOf(OPENAI) });
    assert.ok(opened && isOwner(opened, OWNER) && !isOwner(opened, ownerOf(undefined, "ai")));
  }
});

test("no changed character opens, nor another key's tag", () => {
  const affinity = new Affinity([current]);
  const tagged = affinity.tagged("resp_1", homeOf(OPENAI), OWNER);
  for (let i = 0; i < tagged.length; i++) {
    const changed = tagged.slice(0, i) + (tagged[i] === "A" ? "B" : "A") + tagged.slice(i + 1);
    assert.equal(affinity.open(changed), undefined, changed);
  }
  assert.equal(new Affinity([old]).open(tagged), undefined);
});

test("two keys are good during a rotation, and the first one signs", () => {
  const before = new Affinity([old]).tagged("resp_1", homeOf(OPENAI), OWNER);
  const rotating = new Affinity([current, old]);
  const after = rotating.tagged("resp_1", homeOf(OPENAI), OWNER);
  assert.notEqual(before, after);
  assert.ok(rotating.open(before) && rotating.open(after));
  assert.equal(new Affinity([current]).open(before), undefined);
  assert.ok(new Affinity([current]).open(after));
});

test("a resource is a provider object and its endpoint", () => {
  assert.notEqual(homeOf(OPENAI), homeOf({ ...OPENAI, endpoint: "https://eu.api.openai.com/v1" }));
  assert.notEqual(homeOf(OPENAI), homeOf({ ...OPENAI, key: "other/openai" }));
  assert.equal(homeOf(OPENAI), homeOf({ ...OPENAI, models: {} }));
});

test("every operation is found by its path, and every place with ids belongs to one", () => {
  for (const operation of OPERATIONS) {
    const path = operation.name.replace(/\{\w+\}/g, "some-id");
    assert.equal(operationsAt(path)?.get(operation.method), operation, `${operation.method} ${path}`);
  }
  const names = new Set(OPERATIONS.map(({ method, name }) => `${method} ${name}`));
  assert.deepEqual(
    Object.keys(PLACES).filter((name) => !names.has(name)),
    [],
  );
  assert.equal(operationsAt("models/org/name")?.get("GET")?.name, "models/{model}");
  for (const path of ["", "files/", "nothing", "files/x/y", "chat", "embeddings/x"]) {
    assert.equal(operationsAt(path), undefined, path);
  }
});
