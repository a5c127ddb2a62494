/** Does a gateway's YAML of old become manifests that mean the same? */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { tandem, temporaryFolder } from "./tandem.ts";

const SEED = `providers:
  openai:
    type: openai
    api_key: \${OPENAI_API_KEY}
    base_url: https://api.openai.com/v1
    models: [gpt-4, gpt-3.5-turbo, gpt-4-turbo]
  azure_openai:
    type: azure
    api_key: \${AZURE_OPENAI_KEY}
    endpoint: https://your-resource.openai.azure.com
    deployments:
      gpt-4-prod: gpt-4
      gpt35-turbo-prod: gpt-35-turbo
routing:
  default_provider: openai
  fallback_provider: azure_openai
  model_mapping:
    "gpt-4": {openai: gpt-4, azure: gpt-4-prod}
    "gpt-3.5-turbo": {openai: gpt-3.5-turbo, azure: gpt35-turbo-prod}
failover:
  health_check_interval: 10s
  failure_threshold: 3
  providers:
    openai: {priority: 1, health_endpoint: /v1/models, timeout: 5s}
    azure_openai: {priority: 2, health_endpoint: /deployments, timeout: 5s}
  on_failure: {retry_same_provider: 1, fallback_to_next: true}
  circuit_breaker: {enabled: true, failure_threshold: 5, recovery_timeout: 60s}
`;

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly stringData?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly type: string;
    readonly endpoint: string;
    readonly health: object;
    readonly circuitBreaker: object;
    readonly models: readonly (string | { readonly name: string; readonly deployment?: string })[];
    readonly backends: readonly { readonly providerRef: { readonly name: string }; readonly priority?: number }[];
    readonly failover: object;
  };
}

async function converted(text: string) {
  const file = join(await temporaryFolder(), "gateway.yaml");
  await writeFile(file, text);
  const ended = await tandem(["convert", file]);
  const documents = ended.stdout === "" ? [] : parseAllDocuments(ended.stdout);
  return { ...ended, file, manifests: [...documents].map((one) => one.toJS() as Manifest) };
}

test("the seed becomes providers, routes and secrets", async () => {
  const { code, stderr, manifests } = await converted(SEED);
  assert.equal(code, 0, stderr);
  const of = (kind: string) => manifests.filter((one) => one.kind === kind);
  const [openai, azure] = of("AIProvider").map(({ spec }) => spec);
  assert.deepEqual(openai?.health, { path: "/models", interval: "10s", timeout: "5s", failureThreshold: 3 });
  assert.deepEqual(azure?.health, { path: "/models", interval: "10s", timeout: "5s", failureThreshold: 3 });
  assert.match(stderr, /warning.*azure_openai.*\/deployments/);
  assert.deepEqual(azure?.circuitBreaker, { enabled: true, failureThreshold: 5, recoveryTimeout: "60s" });
  assert.equal(azure?.endpoint, "https://your-resource.openai.azure.com");
  assert.deepEqual(
    azure?.models.map((model) => (typeof model === "string" ? model : [model.name, model.deployment])),
    [
      ["gpt-4", "gpt-4-prod"],
      ["gpt-3.5-turbo", "gpt35-turbo-prod"],
    ],
  );
  const variables = of("Secret").flatMap(({ stringData }) => Object.values(stringData ?? {}));
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a variable
  assert.deepEqual(variables.sort(), ["${AZURE_OPENAI_KEY}", "${OPENAI_API_KEY}"]);
  const routes = of("AIRoute").map(({ spec }) => [
    ...spec.models,
    ...spec.backends.map(({ providerRef, priority }) => `${providerRef.name} ${priority}`),
  ]);
  assert.deepEqual(routes, [
    ["gpt-4", "openai 1", "azure-openai 2"],
    ["gpt-3.5-turbo", "openai 1", "azure-openai 2"],
    ["gpt-4-turbo", "openai 1"],
    ["*", "openai 1"],
  ]);
  for (const { spec } of of("AIRoute")) assert.deepEqual(spec.failover, { retrySameProvider: 1, fallbackToNext: true });
});

test("the result compiles, and a variable that is not set is refused where it is used", async () => {
  const { stdout } = await converted(SEED);
  const file = join(await temporaryFolder(), "manifests.yaml");
  await writeFile(file, stdout);
  const [set, unset] = await Promise.all([
    tandem(["compile", "--manifests", file], { OPENAI_API_KEY: "sk-a", AZURE_OPENAI_KEY: "b" }),
    tandem(["compile", "--manifests", file], { OPENAI_API_KEY: "sk-a" }),
  ]);
  assert.equal(set.code, 0, set.stderr);
  assert.doesNotMatch(set.stderr, /False/);
  assert.match(unset.stderr, /AIProvider default\/azure-openai: .*ResolvedRefs=False PlaceholderValue/);
});

test("what cannot be converted: exit 1, one line with file and field, nothing on standard output", async () => {
  const cases = await Promise.all(
    [
      SEED.replace("type: azure", "type: bedrock"),
      SEED.replace("default_provider: openai", "default_provider: nobody"),
      SEED.replace("    endpoint: https://your-resource.openai.azure.com\n", ""),
      SEED.replace("failover:", "fallover:"),
    ].map(converted),
  );
  const fields = [/providers\.azure_openai\.type/, /nobody/, /providers\.azure_openai\.endpoint/, /fallover/];
  for (const [i, { code, stdout, stderr }] of cases.entries()) {
    assert.deepEqual([code, stdout], [1, ""], stderr);
    const errors = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("warning"));
    assert.equal(errors.length, 1, stderr);
    assert.match(errors[0] ?? "", fields[i] ?? /never/);
  }
});
