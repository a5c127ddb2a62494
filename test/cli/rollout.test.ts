/** Does a rollout on a laptop go on by traffic, commands and file edits, and remember itself? */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { azure, CONNECT_TO, quickstartCopy } from "./over-simulators.ts";
import { chat, startGatewayCommand, tandem, temporaryFolder, waitFor } from "./tandem.ts";

/** Milliseconds: several windows, on a loaded machine. */
const IN_TIME = 60_000;

const ROUTE = `# Kept as it is: a comment.
apiVersion: tandem.dev/v1alpha1
kind: AIRoute
metadata: {name: gpt-4o, namespace: ai}
spec:
  models: [gpt-4o]
  backends:
  - {name: openai, providerRef: {name: openai}}
  - {name: azure, providerRef: {name: azure-sweden}}   # the new one
  rollout:
    stable: openai
    candidate: azure
    steps:
    - {setWeight: 50}
    - {analyze: {duration: 2s}}
    - {pause: {}}
    - {setWeight: 100}
    analysis:
      interval: 1s
      failureLimit: 1
      minRequests: 5
      metrics:
      - {name: ErrorPercent, max: "50"}
`;

async function laptop() {
  const folder = await quickstartCopy();
  const over = await temporaryFolder();
  const state = await temporaryFolder();
  const file = join(over, "route.yaml");
  await writeFile(file, ROUTE);
  const run = () => startGatewayCommand(["--manifests", folder, over, ...CONNECT_TO, "--state", state]);
  const places = ["--manifests", folder, over, "-n", "ai"];
  return { file, run, places };
}

/** Until what is told matches: windows need requests. */
async function askUntil(url: string, what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  await waitFor(what, IN_TIME, async () => {
    await Promise.all([chat(url), chat(url), chat(url), chat(url)]);
    return is();
  });
}

test("is judged, waits, is promoted by the command, and is remembered", async () => {
  const { file, run, places } = await laptop();
  const gateway = await run();
  const { url, adminUrl } = gateway;
  await askUntil(url, "the wait", () =>
    /until the annotation tandem.dev\/promoted-step is set to 2/.test(gateway.stderr()),
  );
  const status = await tandem(["rollout", "status", "gpt-4o", "-n", "ai", "--admin", adminUrl]);
  assert.match(status.stdout, /step 3\/4, Waiting.*▶ {2}2 {2}pause until promoted.*azure .*50 %.*ErrorPercent/s);
  gateway.child.kill("SIGTERM");
  await gateway.ended;
  const again = await run();
  const promoted = await tandem(["rollout", "promote", "gpt-4o", ...places, "--admin", again.adminUrl]);
  assert.equal(promoted.code, 0, promoted.stderr);
  assert.match(await readFile(file, "utf8"), /# Kept as it is: a comment\..*promoted-step: "2".*# the new one/s);
  const watched = await tandem(["rollout", "status", "gpt-4o", "-n", "ai", "-w", "--admin", again.adminUrl]);
  assert.equal(watched.code, 0, watched.stdout);
  assert.match(watched.stdout, /Promoted/);
  assert.equal((await chat(again.url)).provider, "azure-sweden");
  const twice = await tandem(["rollout", "promote", "gpt-4o", ...places, "--admin", again.adminUrl]);
  assert.match(twice.stderr, /does not wait for a promotion: Promoted/);
});

test("goes back when the candidate fails, and when it is aborted", async () => {
  const { file, run, places } = await laptop();
  azure.fault({ fault: "500" });
  try {
    const gateway = await run();
    const { url, adminUrl } = gateway;
    await askUntil(url, "the way back", () => /openai has all traffic/.test(gateway.stderr()));
    assert.match(gateway.stderr(), /ErrorPercent.*2 windows failed/s);
    azure.reset();
    assert.equal((await chat(url)).provider, "openai");
    const aborted = await tandem(["rollout", "abort", "gpt-4o", ...places, "--admin", adminUrl]);
    assert.equal(aborted.code, 0, aborted.stderr);
    assert.match(await readFile(file, "utf8"), /state: Abort/);
    await waitFor("aborted", IN_TIME, async () => /Aborted by spec.rollout.state/.test(gateway.stderr()));
    await writeFile(file, ROUTE);
    await waitFor("begun again", IN_TIME, async () => /Begins again/.test(gateway.stderr()));
  } finally {
    azure.reset();
  }
});

for (const [what, args, says] of [
  ["an unknown action", ["rollout", "retry", "gpt-4o"], /'retry' is no action: choose status, promote or abort/],
  [
    "no gateway",
    ["rollout", "status", "x", "--admin", "http://127.0.0.1:1"],
    /no gateway answers at http:\/\/127\.0\.0\.1:1/,
  ],
  ["no address", ["rollout", "status", "x", "--admin", "here"], /--admin here: must be a URL/],
] as const) {
  test(`is told in one line: ${what}`, async () => {
    const { code, stderr } = await tandem(args);
    assert.notEqual(code, 0);
    assert.match(stderr, says);
    assert.equal(stderr.trim().split("\n").length, 1);
  });
}
