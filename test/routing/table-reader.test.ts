/** Does reading one table after another cost what is new, give the same as reading each alone, and stop in between? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalJson, sha256Hex } from "../../routing/canonical.ts";
import { decodeTable, encodeTable, type Published, TableError } from "../../routing/codec.ts";
import { indexing, indexTable } from "../../routing/lookup.ts";
import { atOnce } from "../../routing/pieces.ts";
import type { RoutingTable } from "../../routing/table.ts";
import { TableReader } from "../../routing/table-reader.ts";
import { client, provider, route, table } from "./sample-table.ts";

function large(routes: number, generation: (i: number) => number = () => 1): RoutingTable {
  const list = Array.from({ length: routes }, (_, i) => {
    return route(`team-${i % 50}/route-${i}`, [`model-${i}`], { generation: generation(i) });
  });
  return table([provider("ai/openai", "OpenAI", ["gpt-4o"])], list, [client("ai/app")]);
}

const before = encodeTable(large(3000));
const after = encodeTable(large(3000, (i) => (i === 1234 ? 2 : 1)));
const onlyNew: Published = {
  ...after,
  shards: Object.fromEntries(Object.entries(after.shards).filter(([name]) => !Object.hasOwn(before.shards, name))),
};

test("after an edit only the edited shard is missing, and is enough", () => {
  const reader = new TableReader();
  assert.deepEqual(reader.missing(before.index).sort(), Object.keys(before.shards).sort());
  const first = atOnce(reader.read(before));
  assert.deepEqual(reader.missing(after.index), Object.keys(onlyNew.shards));
  assert.equal(Object.keys(onlyNew.shards).length, 1);
  const second = atOnce(reader.read(onlyNew));
  assert.deepEqual(second, decodeTable(after));
  const same = second.routes.filter((one, i) => one === first.routes[i]).length;
  assert.ok(same > 2800 && same < 3000, `${same} routes are the same objects`);
  assert.equal(second.providers["ai/openai"], first.providers["ai/openai"]);
});

test("what no table has any more is forgotten", () => {
  const reader = new TableReader();
  for (const published of [before, after]) atOnce(reader.read(published));
  assert.equal(reader.missing(before.index).length, 1);
});

test("a refused table leaves what is known, and the repaired one needs only what was wrong", () => {
  const reader = new TableReader();
  atOnce(reader.read(before));
  const [name = ""] = Object.keys(onlyNew.shards);
  for (const shards of [{}, { [name]: "{}" }]) {
    assert.throws(() => atOnce(reader.read({ ...after, shards })), TableError);
    assert.deepEqual(reader.missing(after.index), [name]);
  }
  assert.deepEqual(atOnce(reader.read(onlyNew)), decodeTable(after));
});

test("reading that is given up does no harm", () => {
  const reader = new TableReader();
  const given = reader.read(before);
  for (let i = 0; i < 5; i++) assert.equal(given.next().done, false);
  assert.deepEqual(atOnce(reader.read(after)), decodeTable(after));
});

test("two shards that hold the same object are refused", () => {
  const texts = [1, 2].map((generation) => {
    return Object.values(encodeTable(table([], [route("ai/twice", ["m"], { generation })])).shards)[0] as string;
  });
  const refs = texts.map((text, i) => ({ name: `tandem-table-${i}`, sha256: sha256Hex(text) }));
  const hash = sha256Hex(canonicalJson({ schemaVersion: 1, shards: refs }));
  const shards = Object.fromEntries(texts.map((text, i) => [`tandem-table-${i}`, text]));
  const published = { index: JSON.stringify({ schemaVersion: 1, hash, shards: refs }), shards, hash };
  assert.throws(() => atOnce(new TableReader().read(published)), /holds ai\/twice twice/);
});

test("work comes in many pieces, and in them it is the same work", () => {
  let pieces = 0;
  const work = new TableReader().read(before);
  let step = work.next();
  for (; !step.done; step = work.next()) pieces++;
  assert.ok(pieces >= Object.keys(before.shards).length, `${pieces} pieces`);
  const whole = step.value;
  let indexPieces = 0;
  const searching = indexing(whole);
  while (!searching.next().done) indexPieces++;
  assert.ok(indexPieces >= 5, `${indexPieces} pieces`);
  assert.deepEqual(indexTable(whole).modelNames.size, 3000 + 1);
});
