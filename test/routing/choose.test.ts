import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Candidate, candidates, order, stickyKeyOf } from "../../routing/choose.ts";
import { firstShares } from "../../routing/shares.ts";
import type { Backend, Route } from "../../routing/table.ts";
import { backend, provider, route, table } from "./sample-table.ts";

const failover = route("ai/r", ["m"]).failover;

/** A route over backends that all can serve, and its candidates. */
function routeOver(backends: readonly Backend[], part: Partial<Route> = {}): [Route, readonly Candidate[]] {
  const over = route("ai/r", ["m"], { backends, ...part });
  const t = table(
    backends.map((b) => provider(b.provider, "OpenAI", ["m"])),
    [over],
  );
  return [over, candidates(t, over, "m").candidates];
}

/** Deterministic numbers in [0, 1): mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const names = (found: readonly Candidate[]) => found.map((candidate) => candidate.backend.name);
const anyDraw = () => 0.5;

test("an exact name needs a provider that lists it; an OpenAI provider without a list takes any", () => {
  const t = table(
    [
      provider("ai/openai", "OpenAI", ["m"]),
      provider("ai/open", "OpenAI", []),
      provider("ai/azure", "AzureOpenAI", ["m"]),
    ],
    [],
  );
  const r = route("ai/r", ["m", "other"], { backends: [backend("openai"), backend("open"), backend("azure")] });
  const m = candidates(t, r, "m");
  assert.deepEqual(
    m.candidates.map((c) => [c.backend.name, c.upstreamModel]),
    [
      ["openai", "m"],
      ["open", "m"],
      ["azure", "m-prod"],
    ],
  );
  const other = candidates(t, r, "other");
  assert.deepEqual(names(other.candidates), ["open"]);
  assert.deepEqual(
    other.excluded.map((e) => [e.backend, e.reason]),
    [
      ["openai", "ModelNotOffered"],
      ["azure", "ModelNotOffered"],
    ],
  );
});

test('under "*" an OpenAI provider takes any name as asked, an Azure provider only what it lists', () => {
  const t = table([provider("ai/openai", "OpenAI", ["m"]), provider("ai/azure", "AzureOpenAI", ["m"])], []);
  const r = route("ai/r", ["*"], { backends: [backend("openai"), backend("azure")] });
  assert.deepEqual(names(candidates(t, r, "m").candidates), ["openai", "azure"]);
  const found = candidates(t, r, "never-heard-of").candidates;
  assert.deepEqual(
    found.map((c) => [c.backend.name, c.upstreamModel]),
    [["openai", "never-heard-of"]],
  );
});

test("a route named by header does not open models that it does not claim", () => {
  const t = table([provider("ai/openai", "OpenAI", ["m"])], []);
  assert.deepEqual(candidates(t, route("ai/r", ["m"]), "other").candidates, []);
});

test("a backend's own model is used whatever was asked, and a provider that is gone is told", () => {
  const t = table([provider("ai/openai", "OpenAI", ["m", "small"])], []);
  const r = route("ai/r", ["m"], { backends: [backend("openai", { model: "small" }), backend("gone")] });
  const { candidates: found, excluded } = candidates(t, r, "m");
  assert.deepEqual(
    found.map((c) => [c.modelName, c.upstreamModel]),
    [["small", "small"]],
  );
  assert.deepEqual(
    excluded.map((e) => [e.backend, e.reason]),
    [["gone", "ProviderGone"]],
  );
});

test("names that every object inherits are not models", () => {
  const t = table([provider("ai/openai", "OpenAI", ["m"])], []);
  const r = route("ai/r", ["constructor", "toString", "__proto__"]);
  for (const name of r.models) assert.deepEqual(candidates(t, r, name).candidates, [], name);
  const listed = table([provider("ai/openai", "OpenAI", ["__proto__"])], []);
  assert.equal(candidates(listed, r, "__proto__").candidates[0]?.upstreamModel, "__proto__");
});

test("tiers go by priority, each tier by weight, idle ones last in their tier", () => {
  const [r, all] = routeOver([
    backend("late", { priority: 2 }),
    backend("idle", { weight: 0 }),
    backend("a", { weight: 90 }),
    backend("b", { weight: 10 }),
  ]);
  assert.deepEqual(names(order(r, all, undefined, anyDraw)), ["a", "b", "idle", "late"]);
});

test("a tier without weight stands behind the first one that has some", () => {
  const [r, all] = routeOver([
    backend("idle", { weight: 0 }),
    backend("second", { priority: 2 }),
    backend("third", { priority: 3 }),
  ]);
  assert.deepEqual(names(order(r, all, undefined, anyDraw)), ["second", "idle", "third"]);
});

test("failover Never is tried when drawn first and never after another", () => {
  const [r, all] = routeOver([
    backend("stable", { weight: 90 }),
    backend("candidate", { weight: 10, failover: "Never" }),
    backend("fallback", { priority: 2, failover: "Never" }),
    backend("last", { priority: 3 }),
  ]);
  const seen = new Set<string>();
  const rng = seeded(7);
  for (let i = 0; i < 500; i++) seen.add(names(order(r, all, undefined, rng)).join(","));
  assert.deepEqual([...seen].sort(), ["candidate,stable,last", "stable,last"]);
});

test("an idle backend that never fails over is never tried, alone or not", () => {
  const [r, all] = routeOver([backend("idle", { weight: 0, failover: "Never" })]);
  assert.deepEqual(order(r, all, "k", anyDraw), []);
  const [two, both] = routeOver([backend("idle", { weight: 0, failover: "Never" }), backend("live")]);
  assert.deepEqual(names(order(two, both, "k", anyDraw)), ["live"]);
});

test("without fallbackToNext there is one backend", () => {
  const [r, all] = routeOver([backend("a"), backend("b"), backend("c", { priority: 2 })], {
    failover: { ...failover, fallbackToNext: false },
  });
  assert.equal(order(r, all, "key", anyDraw).length, 1);
});

test("no candidates, no order", () => {
  assert.deepEqual(order(route("ai/r", ["m"]), [], "k", anyDraw), []);
});

test("the sticky key is the first place that holds something", () => {
  const r = route("ai/r", ["m"], { sticky: [{ header: "x-session-id" }, { bodyField: "user" }] });
  const read = (values: Record<string, string>) => (place: { header: string } | { bodyField: string }) =>
    "header" in place ? values[place.header] : values[place.bodyField];
  assert.equal(stickyKeyOf(r, read({ "x-session-id": "s", user: "u" })), "s");
  assert.equal(stickyKeyOf(r, read({ "x-session-id": "", user: "u" })), "u");
  assert.equal(stickyKeyOf(r, read({})), undefined);
});

const KEYS = Array.from({ length: 2500 }, (_, i) => `session-${i}`);

const weightedBackends = fc
  .array(fc.integer({ min: 1, max: 100 }), { minLength: 2, maxLength: 16 })
  .map((weights) => weights.map((weight, i) => backend(`b${i}`, { weight })));

function firstByKey(r: Route, all: readonly Candidate[]): Map<string, string> {
  return new Map(KEYS.map((key) => [key, order(r, all, key, anyDraw)[0]?.backend.name ?? ""]));
}

/** Five standard deviations of a binomial share, plus a little. */
function tolerance(share: number, draws: number): number {
  return 5 * Math.sqrt((share * (1 - share)) / draws) + 0.002;
}

test("shares converge to the weights, by key and at random", () => {
  fc.assert(
    fc.property(weightedBackends, fc.integer(), (backends, seed) => {
      const [r, all] = routeOver(backends);
      const total = backends.reduce((sum, b) => sum + b.weight, 0);
      const rng = seeded(seed);
      const byKey = [...firstByKey(r, all).values()];
      const atRandom = KEYS.map(() => order(r, all, undefined, rng)[0]?.backend.name);
      for (const b of backends) {
        const share = b.weight / total;
        for (const drawn of [byKey, atRandom]) {
          const seen = drawn.filter((name) => name === b.name).length / KEYS.length;
          assert.ok(Math.abs(seen - share) <= tolerance(share, KEYS.length), `${b.name}: ${seen} of ${share}`);
        }
      }
    }),
    { numRuns: 12, seed: 20261124 },
  );
});

test("a canary of 10 gets 10 percent of 20,000 conversations, one of 25 gets those and others, within a point", () => {
  const shareAt = (weight: number) => {
    const [r, all] = routeOver([backend("stable", { weight: 100 - weight }), backend("canary", { weight })]);
    const rng = seeded(7);
    const keys = Array.from({ length: 20_000 }, () => rng().toString(36));
    return keys.filter((key) => order(r, all, key, anyDraw)[0]?.backend.name === "canary");
  };
  const [none, ten, more, all] = [shareAt(0), shareAt(10), shareAt(25), shareAt(100)];
  assert.deepEqual([none.length, all.length], [0, 20_000]);
  assert.ok(Math.abs(ten.length / 200 - 10) < 1, `${ten.length / 200} %`);
  assert.ok(Math.abs(more.length / 200 - 25) < 1, `${more.length / 200} %`);
  const stayed = new Set(more);
  assert.ok(ten.every((key) => stayed.has(key)));
});

test("a raised weight only draws keys to its backend, a lowered one only lets its own go", () => {
  fc.assert(
    fc.property(weightedBackends, fc.nat(15), fc.integer({ min: 0, max: 100 }), (backends, at, weight) => {
      const index = at % backends.length;
      const changed = backends.map((b, i) => (i === index ? { ...b, weight } : b));
      const name = backends[index]?.name;
      const raised = weight > (backends[index]?.weight ?? 0);
      const before = firstByKey(...routeOver(backends));
      const after = firstByKey(...routeOver(changed));
      for (const key of KEYS) {
        if (before.get(key) === after.get(key)) continue;
        assert.equal(raised ? after.get(key) : before.get(key), name, key);
      }
    }),
    { numRuns: 20, seed: 20261124 },
  );
});

test("the order of a key is the same in every process and whatever order the backends are written in", () => {
  const backends = [backend("a", { weight: 3 }), backend("b", { weight: 2 }), backend("c")];
  const [r, all] = routeOver(backends);
  const [turned, reversed] = routeOver([...backends].reverse());
  for (const key of KEYS.slice(0, 200)) {
    assert.deepEqual(names(order(r, all, key, seeded(1))), names(order(turned, reversed, key, seeded(2))));
  }
  // Computed apart from this code: a change of the hash would move every conversation on an upgrade.
  assert.deepEqual(
    ["k1", "k2", "k3", "k4", "k5"].map((key) => names(order(r, all, key, anyDraw)).join("")),
    PINNED_ORDERS,
  );
});

const PINNED_ORDERS = ["cab", "cba", "abc", "cab", "abc"];

test("the failover target of a key is sticky, and a backend that leaves moves only its own keys", () => {
  fc.assert(
    fc.property(weightedBackends, (backends) => {
      const [r, all] = routeOver(backends);
      const gone = backends[0]?.name;
      const without = all.filter((c) => c.backend.name !== gone);
      for (const key of KEYS.slice(0, 300)) {
        const whole = names(order(r, all, key, anyDraw));
        assert.deepEqual(
          names(order(r, without, key, anyDraw)),
          whole.filter((name) => name !== gone),
        );
      }
    }),
    { numRuns: 10, seed: 20261124 },
  );
});

const anyBackends = fc
  .array(
    fc.record({
      weight: fc.constantFrom(0, 1, 10, 50),
      priority: fc.integer({ min: 1, max: 3 }),
      failover: fc.constantFrom("Allowed" as const, "Never" as const),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => parts.map((part, i) => backend(`b${i}`, part)));

test("an order has each backend at most once, and Never only in front", () => {
  fc.assert(
    fc.property(anyBackends, fc.string(), (backends, key) => {
      const [r, all] = routeOver(backends);
      const ordered = order(r, all, key, anyDraw);
      assert.equal(new Set(ordered).size, ordered.length);
      assert.ok(ordered.slice(1).every((c) => c.backend.failover === "Allowed"));
      const allowed = all.filter((c) => c.backend.failover === "Allowed");
      assert.ok(allowed.every((c) => ordered.includes(c)));
    }),
    { seed: 20261124 },
  );
});

test("the shares that are told are the shares that are drawn, whoever is unavailable", () => {
  fc.assert(
    fc.property(anyBackends, fc.nat(63), fc.integer(), (backends, mask, seed) => {
      const [r, all] = routeOver(backends);
      const isAvailable = (c: Candidate) => ((mask >> Number(c.backend.name.slice(1))) & 1) === 0;
      const told = firstShares(r, all, isAvailable);
      const rng = seeded(seed);
      const seen = new Map<string, number>();
      const draws = 3000;
      for (let i = 0; i < draws; i++) {
        const first = order(r, all, undefined, rng).find(isAvailable)?.backend.name;
        if (first !== undefined) seen.set(first, (seen.get(first) ?? 0) + 1 / draws);
      }
      for (const { name } of backends) {
        const share = told.get(name) ?? 0;
        assert.ok(Math.abs((seen.get(name) ?? 0) - share) <= tolerance(share, draws), `${name}: ${share}`);
      }
    }),
    { numRuns: 60, seed: 20261124 },
  );
});
