/** Does `tandem check` ask each backend once, say the cost first, and tell what is wrong? */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, test } from "node:test";
import { azure, CONNECT_TO, openai, quickstartCopy } from "./over-simulators.ts";
import { QUICKSTART, tandem } from "./tandem.ts";

beforeEach(() => {
  openai.reset();
  azure.reset();
});

const asked = () => [...openai.requests(), ...azure.requests()];

test("all backends answer: their models, deployments and latencies", async () => {
  const { code, stdout, stderr } = await tandem(["check", "--manifests", QUICKSTART, ...CONNECT_TO]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stderr, /6 real requests.*\$0\.\d+/);
  assert.match(
    stdout,
    /^ok +ai\/gpt-4o azure: ai\/azure-sweden, deployment gpt-4o-prod: answered by gpt-4o.* in Sweden Central in \d+ ms$/m,
  );
  assert.match(stdout, /^ok +ai\/small-models openai: ai\/openai, model text-embedding-3-small: .* in \d+ ms$/m);
  assert.match(stdout, /6 of 6 backends answer/);
});

test("a wrong key and an unknown deployment: FAIL with the fix, exit 1, and no key is told", async () => {
  const folder = await quickstartCopy();
  const file = join(folder, "01-two-providers.yaml");
  await writeFile(file, (await readFile(file, "utf8")).replace("deployment: gpt-4o-prod", "deployment: gpt-4o-gone"));
  const { code, stdout, stderr } = await tandem(["check", "--manifests", folder, "--route", "gpt-4o", ...CONNECT_TO], {
    OPENAI_API_KEY: "sk-planted-wrong-key",
  });
  assert.equal(code, 1);
  assert.match(stdout, /^FAIL ai\/gpt-4o openai: .*401.*spec\.auth/m);
  assert.match(stdout, /^FAIL ai\/gpt-4o azure: .*404 DeploymentNotFound.*spec\.models\[\]\.deployment/m);
  assert.match(stdout, /0 of 2 backends answer/);
  assert.doesNotMatch(stdout + stderr, /planted|wrong-key/);
});

test("only the named route is asked; an unknown one is an error before anything is sent", async () => {
  const [one, none] = [
    await tandem(["check", "--manifests", QUICKSTART, "--route", "ai/gpt-4o", ...CONNECT_TO]),
    await tandem(["check", "--manifests", QUICKSTART, "--route", "nowhere", ...CONNECT_TO]),
  ];
  assert.deepEqual([one.code, none.code], [0, 1]);
  assert.match(none.stderr, /no route nowhere/);
  assert.equal(asked().length, 2);
});

test("without --connect-to's target nothing is reached, and the line says so", async () => {
  const { code, stdout } = await tandem([
    ...["check", "--manifests", QUICKSTART, "--route", "gpt-4o", "--dev"],
    ...["--connect-to", "api.openai.com=http://127.0.0.1:1"],
    ...["--connect-to", "contoso-sweden.openai.azure.com=http://127.0.0.1:1"],
  ]);
  assert.equal(code, 1);
  assert.match(stdout, /^FAIL ai\/gpt-4o openai: .*ECONNREFUSED|^FAIL ai\/gpt-4o openai: .*refused/m);
});
