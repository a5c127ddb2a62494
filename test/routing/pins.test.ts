/** What becomes of a route that is held at a former table? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeTable } from "../../routing/codec.ts";
import { type CompileInput, compile } from "../../routing/compile.ts";
import { type FormerTable, PINNED_TABLE } from "../../routing/history.ts";
import type { SecretFacts } from "../../routing/secrets.ts";
import type { Condition, Verdict } from "../../routing/verdict.ts";

const secret: SecretFacts = {
  namespace: "ai",
  name: "keys",
  keys: { "api-key": { state: "Usable", version: "v1", hmac: "aa".repeat(32), isToken: true, length: 40 } },
};
const provider = (name: string) => ({
  apiVersion: "tandem.dev/v1alpha1",
  kind: "AIProvider",
  metadata: { namespace: "ai", name },
  spec: {
    type: "OpenAI",
    endpoint: `https://${name}.example.com/v1`,
    auth: { apiKey: { secretRef: { name: "keys", key: "api-key" } } },
    models: [{ name: "gpt-4o" }, { name: "o3" }],
  },
});
const BOTH = [provider("openai"), provider("other")];

function route(weights: Readonly<Record<string, number>>, spec: object = {}, metadata: object = {}) {
  const backends = Object.entries(weights).map(([name, weight]) => ({ name, providerRef: { name }, weight }));
  return {
    apiVersion: "tandem.dev/v1alpha1",
    kind: "AIRoute",
    metadata: { namespace: "ai", name: "chat", uid: "u1", generation: 1, ...metadata },
    spec: { models: ["gpt-4o"], backends, ...spec },
  };
}

function compiled(objects: readonly unknown[], history: readonly FormerTable[] = []) {
  const input: CompileInput = { objects, history, secrets: [secret], dev: false };
  const { table, verdicts } = compile(input);
  const { hash } = encodeTable(table);
  const former: FormerTable = {
    hash,
    at: "2026-11-26T10:00:00Z",
    route: (key) => table.routes.find((one) => one.key === key),
  };
  return { table, verdicts, hash, former, route: table.routes[0] };
}

function pinned(verdicts: readonly Verdict[]): Condition | undefined {
  const verdict = verdicts.find(({ kind }) => kind === "AIRoute");
  return verdict?.conditions.find(({ type }) => type === "Pinned");
}

const heldAt = (hash: string, generation = 2) => ({ generation, annotations: { [PINNED_TABLE]: hash } });

test("it routes as in that table, whatever the spec says, and says so", () => {
  const then = compiled([...BOTH, route({ openai: 90, other: 10 }, { sticky: { by: [{ bodyField: "user" }] } })]);
  const { former, hash } = then;
  const edited = route({ openai: 0, other: 100 }, { failover: { maxAttempts: 1 } }, heldAt(hash.slice(0, 8), 7));
  const now = compiled([...BOTH, edited], [former]);
  assert.deepEqual(now.route, { ...then.route, generation: 7 });
  const condition = pinned(now.verdicts);
  assert.equal(condition?.status, "True");
  assert.match(condition?.message ?? "", new RegExp(`Held as in table ${hash.slice(0, 12)} of 2026-11-26T10:00:00Z`));
  assert.equal(now.verdicts.find(({ kind }) => kind === "AIRoute")?.columns.weights, "openai 90%, other 10%");
  const released = compiled([...BOTH, route({ openai: 0, other: 100 })], [former]);
  assert.equal(pinned(released.verdicts), undefined);
  assert.equal(released.route?.backends[1]?.weight, 100);
});

test("what protects is as it is now: compliance, who may use it, providers", () => {
  const lax = { allowedClients: { namespaces: "All" } };
  const { former, hash } = compiled([...BOTH, route({ openai: 50, other: 50 }, lax)]);
  const strict = { compliance: { rules: [{ residency: "EU", allow: ["EU"] }], unknownResidency: "Deny" } };
  const now = compiled([provider("openai"), route({ openai: 1 }, strict, heldAt(hash))], [former]);
  assert.equal(now.route?.allowedClients, "Same");
  assert.deepEqual(now.route?.compliance?.unknownResidency, "Deny");
  assert.deepEqual(Object.keys(now.table.providers), ["ai/openai"]);
  const unresolved = now.verdicts
    .find(({ kind }) => kind === "AIRoute")
    ?.conditions.find(({ type }) => type === "ResolvedRefs");
  assert.match(unresolved?.message ?? "", /^table [0-9a-f]{12}: backend other.*there is no AIProvider ai\/other/);
  // The other way round: protection of then does not come back either.
  const then = compiled([...BOTH, route({ openai: 50 }, strict)]);
  const open = compiled([...BOTH, route({ other: 1 }, {}, heldAt(then.hash))], [then.former]);
  assert.equal(open.route?.compliance, undefined);
  assert.deepEqual(
    open.route?.backends.map(({ name }) => name),
    ["openai"],
  );
});

test("it has the names that it had then, as far as nobody else has them now", () => {
  const { former, hash } = compiled([...BOTH, route({ openai: 1 }, { models: ["gpt-4o", "o3"] })]);
  const older = route({ other: 1 }, { models: ["o3"] }, { name: "alone", creationTimestamp: "2026-01-01T00:00:00Z" });
  const held = route({ other: 1 }, { models: ["o4"] }, { ...heldAt(hash), creationTimestamp: "2026-02-01T00:00:00Z" });
  const now = compiled([...BOTH, older, held], [former]);
  assert.deepEqual(now.table.routes.find(({ name }) => name === "chat")?.models, ["gpt-4o"]);
  const all = route(
    { other: 1 },
    { models: ["o3", "gpt-4o"] },
    { name: "alone", creationTimestamp: "2026-01-01T00:00:00Z" },
  );
  const none = compiled([...BOTH, all, held], [former]);
  const condition = none.verdicts.find(({ name }) => name === "chat")?.conditions.find(({ type }) => type === "Pinned");
  assert.equal(condition?.reason, "ModelsTaken");
  assert.deepEqual(none.table.routes.find(({ name }) => name === "chat")?.models, ["o4"]);
});

test("a table that is not kept, too few digits, or one without the route: the spec stays in force, and the owner is told", () => {
  const { former, hash } = compiled([...BOTH, route({ openai: 90, other: 10 })]);
  for (const [digits, reason] of [
    ["0123456789ab", "TableNotFound"],
    [hash.slice(0, 5), "TableNotFound"],
    ["../../etc", "TableNotFound"],
  ] as const) {
    const now = compiled([...BOTH, route({ other: 100 }, {}, heldAt(digits))], [former]);
    assert.equal(pinned(now.verdicts)?.status, "False");
    assert.equal(pinned(now.verdicts)?.reason, reason);
    assert.match(pinned(now.verdicts)?.message ?? "", new RegExp(`annotations.*kept are ${hash.slice(0, 12)}`));
    assert.deepEqual(
      now.route?.backends.map(({ name }) => name),
      ["other"],
    );
  }
  const without = compiled(BOTH);
  const now = compiled([...BOTH, route({ other: 100 }, {}, heldAt(without.hash))], [without.former]);
  assert.equal(pinned(now.verdicts)?.reason, "RouteNotInTable");
});

test("what may not serve is not served in a former form", () => {
  const { former, hash } = compiled([...BOTH, route({ openai: 90, other: 10 })]);
  const policy = { contentPolicy: { input: { hate: "Low" } } };
  const now = compiled([...BOTH, route({ openai: 1 }, policy, heldAt(hash))], [former]);
  assert.deepEqual(now.route?.backends, []);
  assert.equal(pinned(now.verdicts)?.status, "False");
});
