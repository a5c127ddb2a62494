/** Does `validateObject` say of any object what the API server would say, always, and quickly? */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseAllDocuments } from "yaml";
import { validateObject } from "../../routing/schema.ts";
import { BAD_OBJECTS, GOOD_OBJECTS } from "../control-plane/objects.ts";
import { ownTime } from "../own-time.ts";

const MANIFESTS = new URL("../golden/manifests/", import.meta.url);
const KINDS = ["AIProvider", "AIRoute", "AIClient"];

function manifests(): Record<string, unknown>[] {
  const files = readdirSync(MANIFESTS).map((file) => readFileSync(new URL(file, MANIFESTS), "utf8"));
  const objects = files.flatMap((text) => parseAllDocuments(text).map((one) => one.toJS() as Record<string, unknown>));
  return objects.filter(({ kind }) => KINDS.includes(String(kind)));
}

function route(fields: Readonly<Record<string, unknown>>): unknown {
  const spec = { models: ["m"], backends: [{ name: "a", providerRef: { name: "p" } }], ...fields };
  return { apiVersion: "tandem.dev/v1alpha1", kind: "AIRoute", metadata: { name: "r", namespace: "ai" }, spec };
}

function messages(object: unknown): string[] {
  return validateObject(object).problems.map(({ message }) => message);
}

describe("the table of bad objects", () => {
  for (const { name, object, says } of BAD_OBJECTS) {
    test(`${object.kind}: ${name}`, () => {
      const { object: validated, problems } = validateObject(JSON.parse(JSON.stringify(object)));
      const problem = problems.find(({ message }) => message === says);
      assert.ok(problem, problems.map(({ message }) => message).join("\n"));
      assert.equal(
        validated === undefined,
        problems.some(({ kind }) => kind !== "unknownField"),
      );
      const named = says.startsWith("<nil>") || says.startsWith("unknown") ? problem.path : says.split(": ")[0];
      assert.equal(problem.path, named);
    });
  }
});

describe("good objects", () => {
  test("the manifests and the odd ones", () => {
    for (const object of [...manifests(), ...GOOD_OBJECTS.map((one) => JSON.parse(JSON.stringify(one.object)))]) {
      assert.deepEqual(messages(object), [], JSON.stringify(object));
    }
  });

  test("defaults are those that manifest 12 states", () => {
    const of = (kind: string, name: string) => manifests().filter((one) => one.kind === kind && nameOf(one) === name);
    const [plain, stated] = [of("AIProvider", "azure-sweden")[0], of("AIProvider", "openai").at(-1)].map(specOf);
    assert.deepEqual(
      { ...(plain?.timeouts as object), firstToken: "90s" },
      stated?.timeouts,
      "firstToken is unset by default",
    );
    assert.deepEqual(plain?.health, stated?.health);
    assert.deepEqual(plain?.circuitBreaker, stated?.circuitBreaker);
    assert.equal(plain?.concurrency, undefined);
    assert.deepEqual(specOf(route({})).failover, specOf(of("AIRoute", "gpt-4o").at(-1)).failover);
  });

  test("a default fills what is missing of an object that is there", () => {
    const { failover } = specOf(route({ failover: { backoff: { max: "10s" } } })) as { failover: { backoff: unknown } };
    assert.deepEqual(failover.backoff, { base: "250ms", max: "10s" });
  });

  test("the input stays as it was", () => {
    const object = Object.freeze(route({ failover: Object.freeze({}) }));
    const before = JSON.stringify(object);
    validateObject(object);
    assert.equal(JSON.stringify(object), before);
  });

  test("metadata is reduced to what Tandem reads, and a namespace left out is default", () => {
    const metadata = {
      name: "r",
      uid: "u",
      generation: 3,
      labels: { a: "b" },
      annotations: { a: "b" },
      managedFields: [],
    };
    const { object, problems } = validateObject({ ...(route({}) as object), metadata });
    assert.deepEqual(problems, []);
    assert.deepEqual(object?.metadata, {
      name: "r",
      namespace: "default",
      uid: "u",
      generation: 3,
      annotations: { a: "b" },
    });
  });

  test("a status that does not fit is left out, one that fits is kept", () => {
    const withStatus = (status: unknown) => validateObject({ ...(route({}) as object), status }).object?.status;
    assert.deepEqual(withStatus({ rollout: { stepIndex: 2 } }), { rollout: { stepIndex: 2 } });
    assert.equal(withStatus({ rollout: { stepIndex: "two" } }), undefined);
    assert.equal(withStatus("fine"), undefined);
  });

  test("5,000 routes take well under two seconds", () => {
    const routes = Array.from({ length: 5_000 }, (_, i) => route({ models: [`m${i}`] }));
    const took = ownTime(() => {
      for (const one of routes) assert.equal(validateObject(one).problems.length, 0);
    });
    assert.ok(took < 2_000, `${Math.round(took)} ms`);
  });
});

describe("any input", () => {
  test("what is no object of ours", () => {
    for (const value of [null, undefined, 5, "text", [], true, Symbol("s"), () => {}, 5n, Number.NaN]) {
      assert.equal(validateObject(value).problems.length, 1);
      assert.equal(validateObject(value).object, undefined);
    }
    assert.match(messages({ kind: "Pod" })[0] ?? "", /^kind: Unsupported value: "Pod"/);
    assert.match(messages({ kind: "constructor" })[0] ?? "", /^kind: Unsupported value/);
    assert.match(messages({ kind: "AIRoute", apiVersion: "tandem.dev/v2" })[0] ?? "", /^apiVersion: Unsupported value/);
    assert.ok(messages({ kind: "AIRoute", apiVersion: "tandem.dev/v1alpha1" }).includes("spec: Required value"));
  });

  test("garbage anywhere gets an answer, and the answer is one object or at least one problem", () => {
    const fields = [
      "models",
      "backends",
      "strategy",
      "sticky",
      "failover",
      "rollout",
      "shadow",
      "compliance",
      "allowedClients",
    ];
    const garbage = fc.object({
      key: fc.oneof(fc.constantFrom(...fields, "__proto__", "name"), fc.string()),
      maxDepth: 4,
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...KINDS),
        fc.dictionary(fc.constantFrom(...fields), fc.anything()),
        garbage,
        (kind, spec, more) => {
          const { object, problems } = validateObject({ ...(route({ ...more, ...spec }) as object), kind });
          assert.ok(object !== undefined || problems.length > 0);
          for (const { message } of problems) assert.ok(message.length < 5_000);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("one value of a good object replaced by anything", () => {
    const good = GOOD_OBJECTS.map(({ object }) => JSON.parse(JSON.stringify(object)) as Record<string, unknown>);
    fc.assert(
      fc.property(fc.constantFrom(...good), fc.nat(), fc.anything(), (object, at, value) => {
        const { object: validated, problems } = validateObject(replaceLeaf(object, at, value));
        assert.ok(validated !== undefined || problems.length > 0);
      }),
      { numRuns: 1_000 },
    );
  });

  test("depth and size", () => {
    let deep: unknown = "x";
    for (let i = 0; i < 100_000; i++) deep = { deep };
    assert.deepEqual(messages(route({ deep })), ['unknown field "spec.deep"']);
    assert.ok(messages(route({ strategy: deep })).length > 0);
    assert.ok(messages(route({ allowedClients: { namespaces: deep } })).length > 0);
    assert.ok(messages(route({ allowedClients: { namespaces: [[deep]] } })).length > 0);
    const many = Array.from({ length: 200_000 }, (_, i) => ({ name: `B${i}`, providerRef: {}, weight: -1, more: 1 }));
    const took = ownTime(() => {
      assert.ok(messages(route({ backends: many })).length <= 400, "sentences are bounded");
      assert.ok(messages(route({ activeBackend: "x".repeat(10_000_000) })).some((text) => text.includes("Too long")));
    });
    assert.ok(took < 5_000, `${Math.round(took)} ms`);
  });

  test("a name that reaches into prototypes is an unknown field, not a way in", () => {
    const spec = JSON.parse(
      '{"models":["m"],"backends":[{"name":"a","providerRef":{"name":"p"}}],"__proto__":{"strategy":"Cost"}}',
    );
    const { object, problems } = validateObject({ ...(route({}) as object), spec });
    assert.equal((object?.spec as { strategy?: string } | undefined)?.strategy, "Weighted");
    assert.deepEqual(
      problems.map(({ message }) => message),
      ['unknown field "spec.__proto__"'],
    );
  });
});

function nameOf(object: Record<string, unknown>): unknown {
  return (object.metadata as { name: string }).name;
}

function specOf(object: unknown): Record<string, unknown> {
  const { object: validated, problems } = validateObject(object);
  assert.deepEqual(problems, []);
  return validated?.spec as unknown as Record<string, unknown>;
}

/** A copy in which the leaf number `at` (round and round) is another value. */
function replaceLeaf(object: unknown, at: number, value: unknown): unknown {
  const leaves = countLeaves(object);
  let left = at % leaves;
  const copy = (node: unknown): unknown => {
    if (typeof node !== "object" || node === null) return left-- === 0 ? value : node;
    if (Array.isArray(node)) return node.map(copy);
    return Object.fromEntries(Object.entries(node).map(([key, one]) => [key, copy(one)]));
  };
  return copy(object);
}

function countLeaves(node: unknown): number {
  if (typeof node !== "object" || node === null) return 1;
  return Object.values(node).reduce((sum: number, one) => sum + countLeaves(one), 0);
}
