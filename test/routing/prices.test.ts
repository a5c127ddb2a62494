/** Whose price counts, and what does the shipped list know? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PRICE_LIST } from "../../routing/price-list.generated.ts";
import { findPrice } from "../../routing/prices.ts";
import type { Model } from "../../routing/table.ts";
import { provider } from "./sample-table.ts";

const openai = provider("ai/openai", "OpenAI", []);
const azure = (region?: string) => ({ ...provider("ai/azure", "AzureOpenAI", []), ...(region && { region }) });
const deployed = (deploymentType: string | undefined, more: Partial<Model> = {}): Model => ({
  upstream: "prod",
  ...(deploymentType !== undefined && { deploymentType }),
  ...more,
});
const inputOf = (deploymentType: string | undefined, region: string | undefined, name = "gpt-4o") =>
  findPrice(azure(region), deployed(deploymentType), name)?.price.input;

test("the object's price stands above the list", () => {
  const model = { upstream: "gpt-4o", price: { input: "1.00" } };
  assert.deepEqual(findPrice(openai, model, "gpt-4o"), { price: { input: "1.00" }, source: "Object" });
});

test("without one the list knows it, and says of which day it is", () => {
  assert.deepEqual(findPrice(openai, { upstream: "gpt-4o" }, "gpt-4o"), {
    price: { input: "2.5", cachedInput: "1.25", output: "10" },
    source: "List",
    date: PRICE_LIST.date,
  });
});

test("a model in neither is unpriced, whatever its name looks like", () => {
  for (const name of ["gpt-4o-of-ours", "__proto__", "constructor", "toString", "azure/gpt-4o/x", ""]) {
    assert.equal(findPrice(openai, { upstream: name }, name), undefined, name);
    assert.equal(findPrice(azure("swedencentral"), deployed("GlobalStandard"), name), undefined, name);
  }
});

test("the base model is what the list is asked for; a deployment's name says nothing", () => {
  const sold = findPrice(azure("swedencentral"), deployed("GlobalStandard", { baseModel: "gpt-4o-mini" }), "small");
  assert.equal(sold?.price.input, "0.15");
  assert.equal(findPrice(azure(), { upstream: "gpt-4o", deploymentType: "GlobalStandard" }, "ours"), undefined);
});

test("on Azure the deployment type decides, with the region's area", () => {
  assert.equal(inputOf("GlobalStandard", "swedencentral"), "2.5");
  assert.equal(inputOf("DataZoneStandard", "swedencentral"), "2.75");
  assert.equal(inputOf("Standard", "eastus2"), "2.75");
  assert.equal(inputOf("Standard", "usgovvirginia", "gpt-5.1"), "1.71875");
  assert.equal(inputOf("DataZoneStandard", "japaneast", "gpt-6.1-sol"), "2.4");
});

test("where a price depends on what is not said, it is not guessed", () => {
  assert.equal(inputOf("DataZoneStandard", undefined), undefined);
  assert.equal(inputOf("Standard", "brazilsouth"), undefined);
  assert.equal(inputOf(undefined, "swedencentral"), undefined);
  assert.equal(inputOf(undefined, undefined, "whisper-1"), undefined);
  assert.equal(findPrice(azure(), deployed(undefined), "whisper-1")?.price.perMinute, "0.006");
});

test("capacity by the hour and batches have no list price per token", () => {
  for (const type of ["ProvisionedManaged", "DataZoneProvisionedManaged", "GlobalBatch", "DeveloperTier"]) {
    assert.equal(inputOf(type, "swedencentral"), undefined, type);
  }
});

test("the list is whole: decimal texts above zero, but for what is free", () => {
  const all = Object.entries(PRICE_LIST.prices);
  assert.ok(all.length > 400, `${all.length} models`);
  assert.match(PRICE_LIST.date, /^\d{4}-\d\d-\d\d$/);
  for (const [name, { steps = [], ...amounts }] of all) {
    for (const amount of [
      ...Object.values(amounts),
      ...steps.flatMap(({ aboveContextTokens, ...rest }) => Object.values(rest)),
    ]) {
      assert.match(amount, /^(0|[1-9]\d*)(\.\d{1,9})?$/, name);
      assert.ok(Number(amount) > 0 || name.includes("moderation"), `${name} costs nothing`);
    }
  }
});
