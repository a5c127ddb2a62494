/** What does a realtime session take of its client's limits? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { client } from "../../e2e/over-simulators.ts";
import { MODEL, openai, Peer, refused, route } from "../../e2e/realtime-world.ts";
import { FakeRealtime } from "../../fakes/realtime-provider.ts";
import { startHarness } from "../harness.ts";

const provider = await new FakeRealtime().start();
const limits = { requestsPerMinute: 3, tokensPerMinute: 1000, maxConcurrent: 1 };
const objects = [openai(), route(["openai"]), client({ limits })];
const harness = await startHarness({ openai: provider.url, azure: provider.url, objects });
const at = `${harness.url}/v1/realtime?model=${MODEL}`;

interface Shown {
  readonly requests: { readonly used: number };
  readonly tokens: { readonly used: number };
  readonly concurrent: { readonly running: number };
}

async function until(what: string, holds: (shown: Shown) => boolean): Promise<void> {
  for (let i = 0; ; i++) {
    const { limits: shown } = (await harness.status()) as unknown as { limits: Shown[] };
    if (shown[0] && holds(shown[0])) return;
    assert.ok(i < 500, `${what}: ${JSON.stringify(shown[0])}`);
    await sleep(10);
  }
}

const done = (input: number, output: number) =>
  JSON.stringify({
    type: "response.done",
    response: { id: "r", usage: { total_tokens: input + output, input_tokens: input, output_tokens: output } },
  });

test("a session is one request and one place; its tokens are charged as they are told", async () => {
  const peer = await Peer.open(at);
  await until("it holds its place", ({ concurrent }) => concurrent.running === 1);
  const second = await refused(at);
  assert.equal(second.status, 429);
  assert.equal(second.error.code, "concurrency_limit_exceeded");
  assert.equal(second.headers["x-ratelimit-remaining-requests"], "2", "what is refused takes nothing");
  provider.socket.send(done(30, 20));
  await until("the first response is charged", ({ tokens }) => tokens.used === 50);
  provider.socket.send(done(600, 400));
  await until("and the second, beyond the limit", ({ tokens }) => tokens.used === 1050);
  await peer.close();
  await until("the place is free, and nothing is charged twice", (shown) => {
    return shown.concurrent.running === 0 && shown.tokens.used === 1050 && shown.requests.used === 1;
  });
});
