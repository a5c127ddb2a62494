/** What does `tandem run` keep from one run to the next, serve beside a bad object, and say on which stream? */
import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openai, quickstartCopy, runOver } from "./over-simulators.ts";
import { chat, DEMO_KEY, statusOf, temporaryFolder } from "./tandem.ts";

const ROUTES = "01-two-providers.yaml";

async function change(file: string, from: string, to: string): Promise<void> {
  const text = await readFile(file, "utf8");
  assert.ok(text.includes(from), `${file} holds ${from}`);
  await writeFile(file, text.replace(from, to));
}

test("a route that was broken while nothing ran keeps its last accepted form, from the state folder", async () => {
  const folder = await quickstartCopy();
  const state = await temporaryFolder();
  const first = await runOver([folder, "--state", state]);
  first.child.kill("SIGTERM");
  assert.equal((await first.ended).code, 0);
  const files = await readdir(state);
  assert.deepEqual(files.map((name) => name.replace(/-[0-9a-f]+\.json$/, ".json")).sort(), [
    "id-keys.json",
    "last-table.json",
  ]);
  for (const name of files) assert.equal((await stat(join(state, name))).mode & 0o777, 0o600, name);
  const kept = files.find((name) => name.startsWith("last-table-")) ?? "";
  const text = await readFile(join(state, kept), "utf8");
  assert.doesNotMatch(text, /tdm-|sk-demo|hmac/);

  await change(join(folder, ROUTES), "priority: 2}\n  failover", "weight: 1000}\n  failover");
  const again = await runOver([folder, "--state", state]);
  assert.equal((await chat(again.url)).provider, "openai");
  const forgetful = await runOver([folder]);
  assert.equal((await chat(forgetful.url)).body.error?.code, "no_backend_available");

  await writeFile(join(state, kept), "{}");
  const damaged = await runOver([folder, "--state", state]);
  assert.match(damaged.stderr(), /warning: \S+last-table-\w+\.json is of no use and not used: /);
});

test("keys of ids that cannot be read are left for their owner to mend", async () => {
  const folder = await quickstartCopy();
  const state = await temporaryFolder();
  const file = join(state, "id-keys.json");
  const typo = '{"previous":a-key-that-signed}\n';
  await writeFile(file, typo);
  const { url, stderr } = await runOver([folder, "--state", state]);
  assert.equal((await chat(url)).status, 200);
  assert.match(stderr(), /warning: \S+id-keys\.json is not a JSON object, .* Mend it/);
  assert.doesNotMatch(stderr(), /a-key-that/);
  assert.equal(await readFile(file, "utf8"), typo);
});

test("at the start good objects are served and the bad one is named", async () => {
  const folder = await quickstartCopy();
  const bad = `apiVersion: tandem.dev/v1alpha1
kind: AIRoute
metadata: {name: bad, namespace: ai}
spec:
  models: [other]
  backends: [{name: openai, providerRef: {name: openai}, weight: 1000}]
`;
  await writeFile(join(folder, "30-bad.yaml"), bad);
  const { url, adminUrl, says } = await runOver([folder]);
  assert.equal((await chat(url)).status, 200);
  await says(/error: \S+30-bad\.yaml:6: AIRoute ai\/bad .*spec\.backends\[0\]\.weight.*; everything else is in force/);
  assert.match((await statusOf(adminUrl)).lastReload?.error?.message ?? "", /AIRoute ai\/bad/);
});

test("SIGTERM lets a stream in flight end whole, takes no new connection, and ends with 0", async () => {
  const { url, child, ended, says } = await runOver([await quickstartCopy()]);
  openai.fault({ match: { stream: true }, fault: "slow-tokens;ms=40", times: 1 });
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${DEMO_KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o", stream: true, messages: [{ role: "user", content: "Hi" }] }),
  });
  child.kill("SIGTERM");
  await says(/^stopping: /m);
  await assert.rejects(chat(url));
  assert.match(await response.text(), /data: \[DONE\]\s*$/);
  assert.equal((await ended).code, 0);
});

test("standard output holds the access log as JSON lines and nothing else, people read standard error", async () => {
  const { url, child, ended } = await runOver([await quickstartCopy()]);
  await chat(url);
  await chat(url, "wrong");
  child.kill("SIGINT");
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 0);
  const lines = stdout.trimEnd().split("\n");
  const statuses = lines.map((line) => (JSON.parse(line) as { status: number }).status);
  assert.deepEqual(statuses.sort(), [200, 401]);
  assert.match(stderr, /^ready: /m);
  for (const line of stderr.trimEnd().split("\n")) assert.doesNotMatch(line, /^\{/);
});
