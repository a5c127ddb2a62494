/** Does every field of the contract either have effect, or say that it has none yet? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PENDING_FIELDS, pendingUses } from "../../routing/effective.ts";
import { SCHEMA_TEXTS } from "../../routing/schemas.generated.ts";
import type { Kind } from "../../routing/verdict.ts";

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
}

/** `models[].price.input` for every field that has no fields of its own. */
function leaves(node: SchemaNode, path: string): readonly string[] {
  if (node.items?.properties !== undefined) return leaves(node.items, `${path}[]`);
  if (node.properties === undefined) return [path];
  const below = Object.entries(node.properties);
  return below.flatMap(([name, child]) => leaves(child, path === "" ? name : `${path}.${name}`));
}

function specOf(kind: Kind): SchemaNode {
  const { properties } = JSON.parse(SCHEMA_TEXTS[kind]) as { properties: { spec: SchemaNode } };
  return properties.spec;
}

const KINDS: readonly Kind[] = ["AIProvider", "AIRoute", "AIClient"];

/** What the gateway does something with today, or what is said for people only (a model's version). */
const EFFECTIVE: Readonly<Record<Kind, RegExp>> = {
  AIProvider:
    /^(type|endpoint|apiVersion|compatibility\.\w+|region|residency|auth\.(apiKey|entraID)\.\S+|tls\.caSecretRef\.\S+|models\[\]\.(name|deployment|baseModel|version|contextTokens|deploymentType|apiVersion|timeouts\.\w+|price\.\S+|commitment\.\w+)|timeouts\.\w+|health\.\w+|concurrency\.\w+|circuitBreaker\.\w+|rateLimitGroup|allowedRoutes\.namespaces)$/,
  AIRoute:
    /^(models|strategy|activeBackend|backends\[\]\.\S+|sticky\.by\[\]\.\w+|failover\.(retrySameProvider|fallbackToNext|maxAttempts|maxDuration|hedgeAfter|backoff\.\w+|streamRecovery)|allowedClients\.namespaces|foreignIDs|compliance\.\S+|cost\.\w+|shadow\.\S+|latency\.\w+|rollout\.\S+)$/,
  AIClient: /^(keys\[\]\.\S+|models|defaultRoute|statefulListing|residency|location|limits\.\w+|budget\.\w+)$/,
};

for (const kind of KINDS) {
  test(`every field of ${kind} has effect or is known to have none yet`, () => {
    const pending = PENDING_FIELDS.filter((field) => field.kind === kind).map((field) => field.path);
    const isPending = (leaf: string) =>
      pending.some((path) => leaf === path || leaf.startsWith(`${path}.`) || leaf.startsWith(`${path}[]`));
    const unknown = leaves(specOf(kind), "").filter((leaf) => !EFFECTIVE[kind].test(leaf) && !isPending(leaf));
    assert.deepEqual(unknown, []);
  });

  test(`every pending field of ${kind} is a field`, () => {
    const all = leaves(specOf(kind), "");
    for (const { path } of PENDING_FIELDS.filter((field) => field.kind === kind)) {
      assert.ok(
        all.some((leaf) => leaf === path || leaf.startsWith(`${path}.`)),
        path,
      );
    }
  });
}

test("what the contract calls protecting is refused while it has no effect", () => {
  const protecting = PENDING_FIELDS.filter((field) => field.effect === "Protects").map((f) => `${f.kind} ${f.path}`);
  assert.deepEqual(protecting.sort(), ["AIRoute contentPolicy"]);
});

test("a use is told with its concrete paths; a default, an empty block or null is no use", () => {
  const spec = { models: [{ name: "a" }, { name: "b", limits: { tokensPerMinute: 1 } }, { name: "c", limits: {} }] };
  assert.deepEqual(
    pendingUses("AIProvider", spec).map((use) => use.paths),
    [["spec.models[1].limits"]],
  );
  const idle = { strategy: "Weighted", shadow: null, foreignIDs: "NotFound" };
  assert.deepEqual(pendingUses("AIRoute", idle), []);
  assert.deepEqual(pendingUses("AIRoute", undefined), []);
});
