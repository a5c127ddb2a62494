/** Does every example work as it stands, over the quickstart, with the verdicts that its README tells? */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { loadManifests } from "../../manifests/load.ts";
import { compile } from "../../routing/compile.ts";
import { describeSecret, Redacted } from "../../routing/secrets.ts";
import { isAccepted, type Verdict } from "../../routing/verdict.ts";

const EXAMPLES = join(import.meta.dirname, "../../examples");
const QUICKSTART = join(EXAMPLES, "quickstart");
const PEPPER = new Redacted("pepper");

/** What has no effect yet, by example: rejected, and served with `--dev` alone where it is only a protection. */
const PENDING: Readonly<Record<string, { readonly object: string; readonly servedInDev: boolean }>> = {
  "10-content-policy.yaml": { object: "AIRoute ai/gpt-4o", servedInDev: true },
};

async function compiled(paths: readonly string[], dev = false) {
  const loaded = await loadManifests(paths, { env: {} });
  const secrets = loaded.secrets.map((secret) => describeSecret(secret, PEPPER).facts);
  return { ...compile({ objects: loaded.objects, secrets, dev }), loaded };
}

function rejectedIn(verdicts: readonly Verdict[]): string[] {
  return verdicts.filter((one) => !isAccepted(one)).map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`);
}

function served({ table }: Awaited<ReturnType<typeof compiled>>): string[] {
  return [
    ...Object.keys(table.providers).map((key) => `AIProvider ${key}`),
    ...table.routes.filter(({ backends }) => backends.length > 0).map(({ key }) => `AIRoute ${key}`),
    ...table.clients.map(({ key }) => `AIClient ${key}`),
  ];
}

const examples = readdirSync(EXAMPLES)
  .filter((name) => name.endsWith(".yaml"))
  .sort();

test("the examples are all there", () => {
  assert.deepEqual(
    examples.map((name) => name.slice(0, 2)),
    ["02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"],
  );
  assert.deepEqual(readdirSync(QUICKSTART).sort(), ["00-secrets.laptop.yaml", "01-two-providers.yaml"]);
});

test("the quickstart is accepted and resolved whole, with and without dev", async () => {
  for (const dev of [false, true]) {
    const result = await compiled([QUICKSTART], dev);
    for (const { conditions, name } of result.verdicts) {
      assert.deepEqual(
        conditions.map(({ status }) => status),
        ["True", "True"],
        name,
      );
    }
    assert.deepEqual(served(result), [
      "AIProvider ai/azure-sweden",
      "AIProvider ai/openai",
      "AIRoute ai/gpt-4o",
      "AIRoute ai/small-models",
      "AIClient ai/demo",
    ]);
  }
});

test("01 without its Secrets says which one is missing", async () => {
  const { verdicts } = await compiled([join(QUICKSTART, "01-two-providers.yaml")]);
  const reasons = verdicts.flatMap(({ conditions }) => conditions.filter(({ status }) => status !== "True"));
  assert.deepEqual([...new Set(reasons.map(({ reason }) => reason))].sort(), ["ProviderNotReady", "SecretNotFound"]);
});

for (const example of examples) {
  const pending = PENDING[example];
  test(`${example} over the quickstart: ${pending ? `${pending.object} waits for its effect` : "all accepted"}`, async () => {
    const paths = [QUICKSTART, join(EXAMPLES, example)];
    const plain = await compiled(paths);
    const dev = await compiled(paths, true);
    const expected = pending ? [pending.object] : [];
    assert.deepEqual([rejectedIn(plain.verdicts), rejectedIn(dev.verdicts)], [expected, expected]);
    const reasons = plain.verdicts.filter((one) => !isAccepted(one)).map(({ conditions }) => conditions[0]?.reason);
    assert.deepEqual(
      reasons,
      expected.map(() => "NotYetEffective"),
    );
    if (!pending) return;
    assert.equal(served(plain).includes(pending.object), false);
    assert.equal(served(dev).includes(pending.object), pending.servedInDev);
  });
}

test("all examples over one another, in any order, hold every object", async () => {
  for (const order of [examples, [...examples].reverse()]) {
    const { verdicts } = await compiled([QUICKSTART, ...order.map((name) => join(EXAMPLES, name))], true);
    for (const { conditions, name } of verdicts) {
      assert.ok(
        ["Accepted", "NotYetEffective"].includes(conditions[0]?.reason ?? ""),
        `${name}: ${conditions[0]?.message}`,
      );
      assert.equal(conditions[1]?.status, "True", `${name}: ${conditions[1]?.message}`);
    }
  }
});

test("the README names every example, and those that need --dev", async () => {
  const rows = (await readFile(join(EXAMPLES, "README.md"), "utf8"))
    .split("\n")
    .filter((line) => line.startsWith("| ["));
  for (const example of examples) {
    const row = rows.find((line) => line.includes(`(${example})`));
    assert.ok(row, example);
    assert.equal(row.includes("`--dev`"), PENDING[example]?.servedInDev === true, row);
  }
});
