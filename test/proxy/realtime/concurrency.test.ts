/** Does a realtime session hold a place at its provider, and does every end of it give the place back? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { client } from "../../e2e/over-simulators.ts";
import { MODEL, openai, Peer, refused, route } from "../../e2e/realtime-world.ts";
import { FakeRealtime } from "../../fakes/realtime-provider.ts";
import { startHarness } from "../harness.ts";

const provider = await new FakeRealtime().start();
const objects = [openai("openai", { concurrency: { max: 2 } }), route(["openai"]), client()];
const harness = await startHarness({ openai: provider.url, azure: provider.url, objects });
const at = `${harness.url}/v1/realtime?model=${MODEL}`;

async function untilInFlight(count: number): Promise<void> {
  for (let i = 0; ; i++) {
    const { providers } = (await harness.status()) as { providers: { calls: { inFlight: number } }[] };
    if (providers[0]?.calls.inFlight === count) return;
    assert.ok(i < 500, `${providers[0]?.calls.inFlight} in flight instead of ${count}`);
    await sleep(10);
  }
}

test("open sessions hold their places; the next one is refused with a time to come again", async () => {
  const peers = [await Peer.open(at), await Peer.open(at)];
  await untilInFlight(2);
  const answer = await refused(at);
  assert.equal(answer.status, 503);
  assert.equal(answer.error.code, "overloaded");
  assert.equal(answer.headers["retry-after"], "1");
  await peers[0]?.close();
  await untilInFlight(1);
  peers.push(await Peer.open(at));
  for (const peer of peers.slice(1)) peer.socket.terminate();
  await untilInFlight(0);
});

test("a session that its provider ends, and one that never began, leave no place taken", async () => {
  const peer = await Peer.open(at);
  provider.socket.terminate();
  await peer.closed;
  await untilInFlight(0);
  provider.intercept = (socket) => {
    socket.end("HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\n{}");
    return true;
  };
  assert.equal((await refused(at)).status, 500);
  provider.intercept = undefined;
  await untilInFlight(0);
});
