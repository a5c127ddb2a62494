import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson, sha256Hex } from "../../routing/canonical.ts";
import { decodeTable, encodeTable, type Published, TableError, type TableErrorCode } from "../../routing/codec.ts";
import { explain } from "../../routing/explain.ts";
import { explanationText } from "../../routing/explain-text.ts";
import { findRoute, indexTable, modelsFor } from "../../routing/lookup.ts";
import type { RoutingTable } from "../../routing/table.ts";
import { ownTime } from "../own-time.ts";
import { mutated, place, surprising } from "./mutate.ts";
import { client, provider, route, table } from "./sample-table.ts";

const small = table(
  [provider("ai/openai", "OpenAI", ["gpt-4o"]), provider("ai/azure", "AzureOpenAI", ["gpt-4o", "__proto__"])],
  [route("ai/gpt-4o", ["gpt-4o"]), route("ai/any", ["*"], { backends: [], allowedClients: ["a", "b"] })],
  [client("ai/demo", { models: ["gpt-4o"], defaultRoute: "gpt-4o" })],
);

function large(routes: number): RoutingTable {
  const list = Array.from({ length: routes }, (_, i) => route(`team-${i % 50}/route-${i}`, [`model-${i}`]));
  return table([provider("ai/openai", "OpenAI", [])], list);
}

function refusal(published: Published): TableErrorCode | undefined {
  try {
    decodeTable(published);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof TableError, String(error));
    assert.match(error.message, /^[A-Z][^\n]*\.$/, "one sentence");
    return error.code;
  }
}

/** The same table behind an index that was written for these shards. */
function republish(texts: readonly string[], index: Record<string, unknown> = {}): Published {
  const shards = Object.fromEntries(texts.map((text) => [`tandem-table-${sha256Hex(text).slice(0, 16)}`, text]));
  const refs = Object.entries(shards).map(([name, text]) => ({ name, sha256: sha256Hex(text) }));
  const hash = sha256Hex(canonicalJson({ schemaVersion: 1, shards: refs }));
  return { index: JSON.stringify({ schemaVersion: 1, hash, shards: refs, ...index }), shards, hash };
}

test("a table comes back as it was, and equal tables are equal bytes", () => {
  for (const t of [small, table([], []), large(300)]) {
    const published = encodeTable(t);
    assert.deepEqual(decodeTable(published), t);
    assert.deepEqual(encodeTable(decodeTable(published)), published);
  }
  const turned = { ...small, routes: [...small.routes].reverse() };
  assert.deepEqual(encodeTable(turned), encodeTable(small));
});

test("shards are small, named by their content, and found through the index", () => {
  const published = encodeTable(large(2000));
  const shards = Object.entries(published.shards);
  assert.ok(shards.length > 8, `${shards.length} shards`);
  for (const [name, text] of shards) {
    assert.ok(text.length <= 65 * 1024, `${name} has ${text.length} bytes`);
    assert.equal(name, `tandem-table-${sha256Hex(text).slice(0, 16)}`);
  }
  const index = JSON.parse(published.index);
  assert.equal(index.hash, published.hash);
  assert.deepEqual(index.shards.map((s: { name: string }) => s.name).sort(), shards.map(([name]) => name).sort());
});

test("an edit of one route among thousands rewrites one shard", () => {
  const before = large(2000);
  const routes = before.routes.map((r, i) => (i === 1234 ? { ...r, models: ["renamed"] } : r));
  const [a, b] = [encodeTable(before), encodeTable({ ...before, routes })];
  assert.equal(Object.keys(b.shards).filter((name) => !Object.hasOwn(a.shards, name)).length, 1);
  assert.notEqual(a.hash, b.hash);
});

test("adding a route leaves all but a few shards alone", () => {
  const before = encodeTable(large(2000));
  const after = encodeTable(large(2001));
  const fresh = Object.keys(after.shards).filter((name) => !Object.hasOwn(before.shards, name));
  assert.ok(fresh.length <= 2, `${fresh.length} new shards`);
});

test("what the operator adds to the index is not part of the table", () => {
  const published = encodeTable(small);
  const index = JSON.stringify({ ...JSON.parse(published.index), proxies: 3 });
  assert.deepEqual(decodeTable({ ...published, index }), small);
});

test("members that a newer release adds are let through", () => {
  const text = JSON.stringify({
    providers: [],
    routes: [{ ...route("ai/r", ["m"]), later: { a: 1 } }],
    clients: [],
    alsoLater: [],
  });
  assert.equal(decodeTable(republish([text])).routes[0]?.key, "ai/r");
});

test("a newer schema version is refused and the sentence says what to do", () => {
  const published = encodeTable(small);
  const index = JSON.stringify({ ...JSON.parse(published.index), schemaVersion: 2 });
  assert.equal(refusal({ ...published, index }), "newer_schema");
  assert.throws(() => decodeTable({ ...published, index }), /version 2 .* reads 1: upgrade the proxy/);
});

test("an index that names a shard which is not there is refused", () => {
  const published = encodeTable(small);
  assert.equal(refusal({ ...published, shards: {} }), "missing_shard");
  assert.equal(refusal(republish(["constructor"])), "invalid_table");
});

test("any damage to a shard is refused", () => {
  const published = encodeTable(large(40));
  const names = Object.keys(published.shards);
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.constantFrom("x", "", "0", '"', "\u0000"), (which, at, put) => {
      const name = names[which % names.length] ?? "";
      const text = published.shards[name] ?? "";
      const place = at % text.length;
      const damaged = text.slice(0, place) + put + text.slice(place + 1);
      if (damaged === text) return;
      assert.equal(refusal({ ...published, shards: { ...published.shards, [name]: damaged } }), "damaged_shard");
    }),
    { seed: 20261124 },
  );
});

test("any damage to the index is refused, and never as a table", () => {
  const published = encodeTable(large(40));
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom("x", "", "0", '"', "}"), (at, put) => {
      const place = at % published.index.length;
      const index = published.index.slice(0, place) + put + published.index.slice(place + 1);
      if (index === published.index) return;
      assert.match(refusal({ ...published, index }) ?? "accepted", /^(invalid_index|newer_schema)$/);
    }),
    { seed: 20261124, numRuns: 400 },
  );
});

test("an index of another shape is refused", () => {
  const { shards, hash } = encodeTable(small);
  for (const index of ["", "null", "[]", "{}", "7", '{"schemaVersion":"1"}', '{"schemaVersion":1,"shards":{}}']) {
    assert.equal(refusal({ index, shards, hash }), "invalid_index", index);
  }
  assert.equal(refusal({ ...encodeTable(small), hash: "other" }), "invalid_index");
});

test("a table that is not one is refused, although its checksums fit", () => {
  const shard = (part: object) => JSON.stringify({ providers: [], routes: [], clients: [], ...part });
  const r = route("ai/r", ["m"]);
  const texts = [
    "not json",
    "[]",
    "{}",
    shard({ routes: [{ ...r, models: "m" }] }),
    shard({ routes: [{ ...r, backends: [{ name: "a" }] }] }),
    shard({ routes: [{ ...r, failover: null }] }),
    shard({ routes: [{ ...r, allowedClients: "Everyone" }] }),
    shard({ routes: [r, r] }),
    shard({ providers: [{ ...provider("ai/p", "OpenAI", []), type: "Other" }] }),
    shard({ providers: [{ ...provider("ai/p", "OpenAI", []), models: { m: {} } }] }),
    shard({ providers: [{ ...provider("ai/p", "OpenAI", []), endpoint: "https://x:99999" }] }),
    shard({ clients: [{ ...client("ai/c"), keys: [{ name: "k" }] }] }),
    `{"providers":[{"key":"x","namespace":"x","name":"x","type":"OpenAI","endpoint":"https://x","auth":{"kind":"ApiKey","credential":"x"},"models":{"__proto__":7},"timeouts":{"connect":1,"firstByte":1,"idle":1,"request":1},"rateLimitGroup":"x"}],"routes":[],"clients":[]}`,
  ];
  for (const text of texts) assert.equal(refusal(republish([text])), "invalid_table", text.slice(0, 80));
});

test("whatever stands in a shard with a right checksum, it is refused or can be served", () => {
  const whole = JSON.parse(Object.values(encodeTable(small).shards)[0] ?? "") as unknown;
  let accepted = 0;
  fc.assert(
    fc.property(place, surprising, (at, put) => {
      const published = republish([JSON.stringify(mutated(whole, at, put))]);
      const code = refusal(published);
      if (code !== undefined) return assert.equal(code, "invalid_table");
      accepted += 1;
      const t = decodeTable(published);
      for (const model of ["gpt-4o", "other"]) {
        explanationText(explain(t, { namespace: "ai", model, stickyKey: "k" }));
        explanationText(explain(t, { namespace: "ai", client: "demo", model, headers: { a: "b" } }));
      }
      modelsFor(indexTable(t), "ai");
      assert.deepEqual(decodeTable(encodeTable(t)), t);
    }),
    { seed: 20261124, numRuns: 2000 },
  );
  assert.ok(accepted > 100, `${accepted} of them could be served`);
});

test("5,000 routes are read in well under a second", () => {
  const published = encodeTable(large(5000));
  decodeTable(published);
  const took = ownTime(() => decodeTable(published));
  assert.ok(took < 500, `${took.toFixed(0)} ms`);
});

test("a table as release 0.1 published it is read, and a request finds its route in it", () => {
  // Written by that release and never again: proxies and operators of two releases run side by side during an upgrade.
  const published = JSON.parse(
    readFileSync(new URL("../golden/published-0.1.json", import.meta.url), "utf8"),
  ) as Published;
  const decoded = decodeTable(published);
  assert.deepEqual(
    findRoute(indexTable(decoded), "ai", "gpt-4o")?.backends.map(({ name, weight }) => `${name} ${weight}`),
    ["openai 90", "azure 10"],
  );
});

test("20,000 routes: no ConfigMap comes near 1 MiB, and the index stays small", () => {
  const published = encodeTable(large(20_000));
  const sizes = Object.values(published.shards).map((text) => Buffer.byteLength(text));
  assert.ok(Math.max(...sizes) <= 64 * 1024, `the largest shard has ${Math.max(...sizes)} bytes`);
  assert.ok(published.index.length < 128 * 1024, `the index has ${published.index.length} bytes`);
});
