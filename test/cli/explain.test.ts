/** Does `tandem explain` tell who would be asked? */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { EXAMPLES, QUICKSTART, tandem } from "./tandem.ts";

const CANARY = ["--manifests", QUICKSTART, join(EXAMPLES, "02-canary.yaml")];
const ASK = ["explain", ...CANARY, "--model", "gpt-4o", "--client", "demo"];

test("a canary: both backends with their shares", async () => {
  const { code, stdout } = await tandem(ASK);
  assert.equal(code, 0);
  assert.match(stdout, /1\. openai +first for 90\.0 %/);
  assert.match(stdout, /2\. azure +first for 10\.0 %.*deployment gpt-4o-prod/);
});

test("strategy Cost: no share is promised where a commitment decides how long it lasts", async () => {
  const manifests = ["--manifests", QUICKSTART, join(EXAMPLES, "06-cost.yaml")];
  const { code, stdout } = await tandem(["explain", ...manifests, "--model", "gpt-4o", "--client", "demo"]);
  assert.equal(code, 0);
  assert.match(stdout, /1\. committed +first while paid/);
  assert.match(stdout, /2\. burst +then by price/);
});

test("a canary whose primary fails: the other takes all, and the primary is skipped with the reason", async () => {
  const { code, stdout } = await tandem([...ASK, "--unavailable", "openai"]);
  assert.equal(code, 0);
  assert.match(stdout, /1\. azure +first for 100\.0 %/);
  assert.match(stdout, /Skipped now:\n +openai: failing/);
  assert.doesNotMatch(stdout, /\d\. openai/);
});

test("a failing model leaves the provider's other models alone", async () => {
  const [same, other] = await Promise.all([
    tandem([...ASK, "--unavailable", "openai/gpt-4o"]),
    tandem([...ASK, "--unavailable", "openai/gpt-4o-mini"]),
  ]);
  assert.match(same.stdout, /Skipped now:/);
  assert.doesNotMatch(other.stdout, /Skipped now:/);
});

test("nobody left, no such client, no such model: exit 1 with the code that a caller would see", async () => {
  const [nobody, client, model] = await Promise.all([
    tandem([...ASK, "--unavailable", "openai", "azure-sweden"]),
    tandem(["explain", ...CANARY, "--model", "gpt-4o", "--client", "ai/nobody"]),
    tandem(["explain", ...CANARY, "--model", "gpt-9"]),
  ]);
  assert.deepEqual([nobody.code, client.code, model.code], [1, 1, 1]);
  assert.match(nobody.stdout, /no_backend_available/);
  assert.match(client.stdout, /invalid_api_key/);
  assert.match(model.stdout, /model_not_found/);
});

test("a sticky header gives one order for one value, also as JSON", async () => {
  const orders = await Promise.all(
    ["ann", "ann"].map(async (value) => {
      const { stdout } = await tandem([...ASK, "--header", `x-session-id=${value}`, "-o", "json"]);
      return (JSON.parse(stdout) as { tried: { backend: string }[]; stickyKey?: string }).tried.map(
        (one) => one.backend,
      );
    }),
  );
  assert.deepEqual(orders[0], orders[1]);
  assert.deepEqual([...(orders[0] ?? [])].sort(), ["azure", "openai"]);
});

test("each backend's price and whose it is: the object's, else the shipped list's with its date", async () => {
  const ask = ["explain", "--manifests", QUICKSTART, "--model", "gpt-4o-mini", "--client", "demo"];
  const { stdout } = await tandem(ask);
  assert.match(stdout, /openai +input 0\.15, cached 0\.075, output 0\.60 \(source: Object\)/);
  assert.match(stdout, /azure +input 0\.165, cached 0\.083, output 0\.66 \(source: List of \d{4}-\d\d-\d\d\)/);
});

test("08: who belongs to a zone is explained by its client, or by --residency", async () => {
  const residency = ["--manifests", QUICKSTART, join(EXAMPLES, "08-residency.yaml")];
  const asked = ["explain", ...residency, "--model", "gpt-4o", "--client", "demo"];
  const [unknown, eu, gov, apac, wrong] = await Promise.all(
    [[], ["--residency", "EU"], ["--residency", "USGov"], ["--residency", "APAC"], ["--residency", "Mars"]].map(
      (more) => tandem([...asked, ...more]),
    ),
  );
  assert.match(unknown?.stdout ?? "", /1\. openai .*\n +2\. azure-eu .*\n +3\. azure-gov /);
  assert.match(eu?.stdout ?? "", /Residency EU: data may be processed in EU\n.*\n +1\. azure-eu /);
  assert.doesNotMatch(eu?.stdout ?? "", /^ +2\. /m);
  assert.match(gov?.stdout ?? "", /1\. azure-gov /);
  assert.match(apac?.stdout ?? "", /Would be refused: residency_unsatisfiable/);
  assert.deepEqual(
    [unknown, eu, gov, apac, wrong].map((ended) => ended?.code),
    [0, 0, 0, 1, 2],
  );
  assert.match(wrong?.stderr ?? "", /--residency Mars: choose one of APAC, EU, US, USGov/);
});
