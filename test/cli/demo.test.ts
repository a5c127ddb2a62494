/** Does the demo do what it says that one should try? */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { chat, start, waitFor } from "./tandem.ts";

const FREE = ["listen", "admin", "openai", "azure"].flatMap((name) => [`--${name}`, "127.0.0.1:0"]);
const WITHIN = 1000;
/** Milliseconds from the start of the process; generous, other tests run beside it. */
const READY_WITHIN = 20_000;

const sh = async (line: string) => (await promisify(execFile)("sh", ["-c", line])).stdout;

/** The indented lines of what it printed, without their marks. */
function commandsOf(text: string): string[] {
  return text.split("\n").flatMap((line) => /^ +(?:Mend it: +)?((?:curl|cp|sed) .*)$/.exec(line)?.[1] ?? []);
}

async function startDemo(env: Record<string, string> = {}) {
  const started = start(["demo", ...FREE], env);
  await waitFor("the introduction", READY_WITHIN, async () => /Ctrl-C/.test(started.stdout() + started.stderr()));
  const text = started.stdout() + started.stderr();
  const url = /(http:\S+)\/v1\b/.exec(text)?.[1] ?? "";
  return { ...started, text, url };
}

const CURL = spawnSync("curl", ["--version"]).status === 0;

test("the printed lines work: a chat, a stream, a failover and back, a canary; nothing is left behind", {
  skip: !CURL && "there is no curl to try them with",
}, async () => {
  const { text, url, child, ended } = await startDemo();
  const [ask = "", stream = "", breakIt = "", askAgain = "", mend = "", ...canary] = commandsOf(text);
  assert.match(await sh(ask), /x-tandem-provider: openai\r[\s\S]*"object":\s*"chat\.completion"/);
  assert.match(await sh(stream), /data: \{[\s\S]*data: \[DONE\]/);
  await sh(breakIt);
  assert.match(await sh(askAgain), /x-tandem-provider: azure-sweden\r/);
  await sh(mend);
  assert.match(await sh(ask), /x-tandem-provider: openai\r/);
  for (const line of canary) await sh(line);
  const seen = new Set<string | null>();
  // Half of the chats go to each side: that eight in a row miss one of them happens once in 128 times.
  await waitFor("both sides", 10 * WITHIN, async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => chat(url)));
    for (const { provider } of answers) seen.add(provider);
    return seen.size === 2;
  });
  const scratch = /cp \S+ (\S+)/.exec(text)?.[1] ?? "";
  assert.ok(existsSync(scratch));
  child.kill("SIGINT");
  assert.equal((await ended).code, 0);
  assert.ok(!existsSync(scratch), "the folder for the canary is gone");
});

test("with a real key that provider is the real one, and the key is not printed", async () => {
  const { text, child, ended } = await startDemo({
    OPENAI_API_KEY: "sk-planted-real-key",
    // Nothing leaves this machine: health checks end at a proxy that is not there.
    HTTPS_PROXY: "http://127.0.0.1:1",
  });
  assert.match(text, /OpenAI +the real one/);
  assert.match(text, /Azure +simulated/);
  child.kill("SIGTERM");
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 0);
  assert.doesNotMatch(stdout + stderr, /planted/);
});

test("half of Azure's settings, or a taken port: one clear line", async () => {
  const half = await start(["demo", ...FREE], { AZURE_OPENAI_API_KEY: "planted" }).ended;
  assert.equal(half.code, 2);
  assert.match(half.stderr, /AZURE_OPENAI_ENDPOINT is missing/);
  const { url, child, ended } = await startDemo();
  const taken = await start(["demo", ...FREE, "--listen", new URL(url).host]).ended;
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /is in use/);
  assert.equal(taken.stderr.trim().split("\n").length, 1, taken.stderr);
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
});
