/** Is every field that protects a route kept by a rollback, and none of them taken for a change of routing? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compile } from "../../routing/compile.ts";
import { PINNED_TABLE } from "../../routing/history.ts";
import { PROTECTING_FIELDS, routeDifferently } from "../../routing/route-protection.ts";
import type { Route } from "../../routing/table.ts";

const HASH = "ab".repeat(32);
const SPEC = {
  models: ["gpt-4o"],
  backends: [{ name: "openai", providerRef: { name: "openai" } }],
  allowedClients: { namespaces: "All" },
  compliance: { rules: [{ residency: "EU", allow: ["EU"] }], unknownResidency: "Deny" },
};

/** The route as it is now; held at a table, where a form of then is given. */
function made(then?: Route): Route {
  const annotations = then === undefined ? {} : { [PINNED_TABLE]: HASH };
  const metadata = { namespace: "ai", name: "chat", uid: "u1", generation: 2, annotations };
  const route = { apiVersion: "tandem.dev/v1alpha1", kind: "AIRoute", metadata, spec: SPEC };
  const history = then === undefined ? [] : [{ hash: HASH, route: () => then }];
  const { table } = compile({ objects: [route], secrets: [], dev: false, history });
  return table.routes[0] as Route;
}

/** Whatever the field holds, it was something else. */
function changed(route: Route, field: keyof Route): Route {
  return { ...route, [field]: { of: "then" } } as Route;
}

const now = made();

for (const field of PROTECTING_FIELDS) {
  test(`${field} is as it is now where a route is held, and no change to go back from`, () => {
    assert.ok(now[field] !== undefined, "the spec above says something of it");
    assert.deepEqual(made(changed(now, field))[field], now[field]);
    const { [field]: _absent, ...without } = now;
    assert.deepEqual(made(without as Route)[field], now[field]);
    assert.ok(!routeDifferently(now, changed(now, field)));
    assert.ok(!routeDifferently(now, without as Route));
  });
}

test("what routes is as it was then, and a change", () => {
  const backends = now.backends.map((backend) => ({ ...backend, weight: 7 }));
  const held = made({ ...now, backends, strategy: "Latency" });
  assert.deepEqual([held.backends, held.strategy], [backends, "Latency"]);
  assert.ok(routeDifferently(now, held));
  assert.ok(routeDifferently(now, undefined));
  assert.ok(!routeDifferently(now, { ...now, generation: 7, uid: "u2", created: "2026-01-01T00:00:00Z" }));
});
