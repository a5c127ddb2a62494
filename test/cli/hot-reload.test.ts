/** Is a change of a manifest in force within a second, whatever way it was made, and does a broken one change nothing? */
import assert from "node:assert/strict";
import { appendFile, mkdir, readFile, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { quickstartCopy, runOver } from "./over-simulators.ts";
import { chat, statusOf, temporaryFolder, waitFor } from "./tandem.ts";

const WITHIN = 1000;
/** A rotated Secret has two seconds. */
const ROTATION_WITHIN = 2000;

/** One route for gpt-4o, all of it to one provider. */
function routeTo(provider: string): string {
  return `apiVersion: tandem.dev/v1alpha1
kind: AIRoute
metadata: {name: gpt-4o, namespace: ai}
spec:
  models: [gpt-4o]
  backends:
  - name: only
    providerRef: {name: ${provider}}
    weight: 1
`;
}

const answeredBy = (url: string, provider: string) => async () => (await chat(url)).provider === provider;

test("written in place, replaced by a rename, removed: each within a second", async () => {
  const folder = await quickstartCopy();
  const over = await temporaryFolder();
  const file = join(over, "route.yaml");
  await writeFile(file, routeTo("openai"));
  const { url, child, ended } = await runOver([folder, over]);
  assert.equal((await chat(url)).provider, "openai");

  await writeFile(file, routeTo("azure-sweden"));
  await waitFor("the edit in place", WITHIN, answeredBy(url, "azure-sweden"));

  await writeFile(`${file}.swp`, routeTo("openai"));
  await rename(`${file}.swp`, file);
  await waitFor("the rename", WITHIN, answeredBy(url, "openai"));

  // As vim does: the old file becomes the backup, the new one takes its name.
  await rename(file, `${file}~`);
  await writeFile(file, routeTo("azure-sweden"));
  await waitFor("the backup and new file", WITHIN, answeredBy(url, "azure-sweden"));

  await writeFile(join(over, "zz-other.yml"), "# nothing yet\n");
  await unlink(file);
  await waitFor("the removal", WITHIN, answeredBy(url, "openai"));
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
});

test("a route that is held at a former table by its annotation, until the annotation goes", async () => {
  const folder = await quickstartCopy();
  const file = join(await temporaryFolder(), "route.yaml");
  await writeFile(file, routeTo("openai"));
  const { url, adminUrl } = await runOver([folder, file]);
  const { hash } = (await statusOf(adminUrl)).table as { hash: string };
  await writeFile(file, routeTo("azure-sweden"));
  await waitFor("the edit", WITHIN, answeredBy(url, "azure-sweden"));
  const held = routeTo("azure-sweden").replace(
    "namespace: ai}",
    `namespace: ai, annotations: {tandem.dev/pinned-table: "${hash}"}}`,
  );
  await writeFile(file, held);
  await waitFor("the hold", WITHIN, answeredBy(url, "openai"));
  await writeFile(file, `${held}  failover: {maxAttempts: 2}\n`);
  await waitFor("the edit is read", WITHIN, async () => (await statusOf(adminUrl)).table !== undefined);
  assert.equal((await chat(url)).provider, "openai");
  await writeFile(file, routeTo("azure-sweden"));
  await waitFor("the release", WITHIN, answeredBy(url, "azure-sweden"));
});

test("a single file as PATH, replaced by a rename", async () => {
  const folder = await quickstartCopy();
  const file = join(await temporaryFolder(), "route.yaml");
  await writeFile(file, routeTo("openai"));
  const { url, child, ended } = await runOver([folder, file]);
  assert.equal((await chat(url)).provider, "openai");
  await writeFile(`${file}.new`, routeTo("azure-sweden"));
  await rename(`${file}.new`, file);
  await waitFor("the rename", WITHIN, answeredBy(url, "azure-sweden"));
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
});

test("a mounted ConfigMap: the link ..data is swapped", async () => {
  const folder = await quickstartCopy();
  const mount = await temporaryFolder();
  for (const [version, provider] of [
    ["..1", "openai"],
    ["..2", "azure-sweden"],
  ] as const) {
    await mkdir(join(mount, version));
    await writeFile(join(mount, version, "route.yaml"), routeTo(provider));
  }
  await symlink("..1", join(mount, "..data"));
  await symlink("..data/route.yaml", join(mount, "route.yaml"));
  const { url, child, ended } = await runOver([folder, mount]);
  assert.equal((await chat(url)).provider, "openai");
  await symlink("..2", join(mount, "..data_tmp"));
  await rename(join(mount, "..data_tmp"), join(mount, "..data"));
  await rm(join(mount, "..1"), { recursive: true });
  await waitFor("the swap", WITHIN, answeredBy(url, "azure-sweden"));
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
});

test("PATH itself is a link to a release, and the link is swapped", async () => {
  const folder = await quickstartCopy();
  const releases = await temporaryFolder();
  for (const [name, provider] of [
    ["one", "openai"],
    ["two", "azure-sweden"],
  ] as const) {
    await mkdir(join(releases, name));
    await writeFile(join(releases, name, "route.yaml"), routeTo(provider));
  }
  const current = join(releases, "current");
  await symlink("one", current);
  const { url, child, ended } = await runOver([folder, current]);
  assert.equal((await chat(url)).provider, "openai");
  await symlink("two", `${current}.new`);
  await rename(`${current}.new`, current);
  await waitFor("the swap", WITHIN, answeredBy(url, "azure-sweden"));
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
});

const BROKEN: readonly {
  readonly what: string;
  readonly text: string;
  readonly line: number;
  readonly field?: string;
  readonly says: RegExp;
}[] = [
  { what: "torn YAML", text: routeTo("azure-sweden").replace("name: gpt-4o,", "name: [gpt-4o,"), line: 3, says: /./ },
  {
    what: "a weight out of bounds",
    text: routeTo("azure-sweden").replace("weight: 1", "weight: 101"),
    line: 9,
    field: "spec.backends[0].weight",
    says: /less than or equal to 100/,
  },
  {
    what: "a boolean to kubectl",
    text: routeTo("azure-sweden").replace("name: only", "name: off"),
    line: 7,
    field: "spec.backends[0].name",
    says: /quotes/,
  },
];

for (const { what, text, line, field, says } of BROKEN) {
  test(`${what}: the old table serves on, terminal and /status name the place; mended, it is in force`, async () => {
    const folder = await quickstartCopy();
    const file = join(await temporaryFolder(), "route.yaml");
    await writeFile(file, routeTo("openai"));
    const { url, adminUrl, child, ended, stderr } = await runOver([folder, file]);
    const before = await statusOf(adminUrl);
    assert.equal(before.lastReload?.result, "success");
    await writeFile(file, text);
    await waitFor("the report", WITHIN, async () => (await statusOf(adminUrl)).lastReload?.result === "failure");
    const during = await statusOf(adminUrl);
    assert.equal(during.table?.hash, before.table?.hash);
    const error = during.lastReload?.error;
    assert.deepEqual([error?.file, error?.line], [file, line]);
    if (field !== undefined) assert.equal(error?.field, field);
    assert.match(error?.message ?? "", says);
    assert.equal((await chat(url)).provider, "openai");
    assert.ok(stderr().includes(`${file}:${line}`), stderr());
    await writeFile(file, routeTo("azure-sweden"));
    await waitFor("the mended file", WITHIN, answeredBy(url, "azure-sweden"));
    assert.equal((await statusOf(adminUrl)).lastReload?.result, "success");
    child.kill("SIGTERM");
    assert.equal((await ended).code, 0);
  });
}

test("a client's key is rotated: the new one is let in within two seconds, the old one no more", async () => {
  const folder = await quickstartCopy();
  const file = join(folder, "00-secrets.laptop.yaml");
  const { url, child, ended, stderr, stdout } = await runOver([folder], {
    TANDEM_DEMO_KEY: "tdm-planted-before-rotation",
  });
  assert.equal((await chat(url, "tdm-planted-before-rotation")).status, 200);
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replace(/"\$\{TANDEM_DEMO_KEY[^"]*"/, "tdm-planted-after-rotation"));
  await waitFor(
    "the new key",
    ROTATION_WITHIN,
    async () => (await chat(url, "tdm-planted-after-rotation")).status === 200,
  );
  const old = await chat(url, "tdm-planted-before-rotation");
  assert.deepEqual([old.status, old.body.error?.code], [401, "invalid_api_key"]);
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
  assert.doesNotMatch(stdout() + stderr(), /planted/);
});

test("a provider's key is rotated: the old one is never sent again", async () => {
  const folder = await quickstartCopy();
  const file = join(folder, "00-secrets.laptop.yaml");
  // The simulated OpenAI takes one key only: before the rotation it refuses, and Azure answers.
  const { url, child, ended } = await runOver([folder], { OPENAI_API_KEY: "sk-planted-wrong" });
  assert.equal((await chat(url)).provider, "azure-sweden");
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replace(/"\$\{OPENAI_API_KEY[^"]*"/, "sk-demo-openai"));
  await waitFor("the new key", ROTATION_WITHIN, answeredBy(url, "openai"));
  for (let i = 0; i < 5; i++) assert.equal((await chat(url)).provider, "openai");
  await appendFile(file, "\n# touched\n");
  assert.equal((await chat(url)).provider, "openai");
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
});

/** One slip in each kind that a caller needs; in a cluster each would be refused, and nothing would change. */
const SLIPS = [
  ["a provider's field", "recoveryTimeout: 60s", "recoveryTimeout: 0s", "spec.circuitBreaker.recoveryTimeout"],
  [
    "a client's field",
    "{name: demo-client-key, key: key}",
    "{name: demo-client-key, kay: key}",
    "spec.keys[0].secretRef",
  ],
] as const;

for (const [what, right, wrong, field] of SLIPS) {
  test(`${what} is refused: the same table serves on, another file's change is taken`, async () => {
    const folder = await quickstartCopy();
    const over = join(await temporaryFolder(), "route.yaml");
    await writeFile(over, routeTo("openai"));
    const { url, adminUrl, child, ended } = await runOver([folder, over]);
    const before = await statusOf(adminUrl);
    const file = join(folder, "01-two-providers.yaml");
    await writeFile(file, (await readFile(file, "utf8")).replace(right, wrong));
    await waitFor("the report", WITHIN, async () => (await statusOf(adminUrl)).lastReload?.result === "failure");
    const during = await statusOf(adminUrl);
    assert.equal(during.table?.hash, before.table?.hash);
    assert.ok(during.lastReload?.error?.field?.startsWith(field), String(during.lastReload?.error?.message));
    assert.equal((await chat(url)).provider, "openai");
    await writeFile(over, routeTo("azure-sweden"));
    await waitFor("the other change", WITHIN, answeredBy(url, "azure-sweden"));
    assert.equal((await statusOf(adminUrl)).lastReload?.result, "failure", "what is refused is still told");
    child.kill("SIGTERM");
    assert.equal((await ended).code, 0);
  });
}
