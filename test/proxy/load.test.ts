/** What does a proxy do that has more to do than it can? */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LOAD_LIMITS, Load, type Pressure, type Reading } from "../../proxy/load.ts";
import { chatAnswer, FakeProvider } from "../fakes/provider.ts";
import { errorOf, KEY, startHarness } from "./harness.ts";

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const CALM: Reading = { resident: 100, residentLimit: 1000, used: 80, heap: 50, heapLimit: 500, late: 0 };

/** One request more. */
const admit = (one: Load) => one.admit({ shouldKeepAlive: true } as ServerResponse);

function load(inFlight: number): { load: Load; changes: (Pressure | undefined)[] } {
  const changes: (Pressure | undefined)[] = [];
  const made = new Load({ ...LOAD_LIMITS, most: 1000, fewest: 10 }, (pressure) => changes.push(pressure));
  made.inFlight = inFlight;
  return { load: made, changes };
}

beforeEach(() => {
  openai.seen.length = 0;
});

test("while memory is short fewer requests are let in than were in flight, and more again afterwards", () => {
  const { load: one, changes } = load(200);
  one.take(CALM);
  assert.equal(one.limit, 1000);
  one.take({ ...CALM, resident: 950, used: 700 });
  assert.equal(one.limit, 180);
  assert.throws(() => admit(one), { code: "overloaded", status: 503 });
  one.inFlight = 170;
  admit(one);
  one.take({ ...CALM, resident: 870, used: 700 });
  assert.equal(one.limit, 153, "pressure is over only when there is room again");
  one.take({ ...CALM, resident: 840, used: 700 });
  assert.equal(one.limit, 185);
  for (let i = 0; i < 30; i++) one.take(CALM);
  assert.equal(one.limit, 1000);
  assert.deepEqual(changes, ["memory", undefined]);
});

test("some are let in whatever the pressure, so that it can be seen to end", () => {
  const { load: one } = load(12);
  for (let i = 0; i < 50; i++) one.take({ ...CALM, heap: 480 });
  assert.equal(one.limit, 10);
  assert.throws(() => admit(one));
  one.inFlight = 10;
  admit(one);
});

test("memory that the process has and does not use is no pressure", () => {
  const { load: one } = load(200);
  one.take({ ...CALM, resident: 990, used: 300 });
  assert.equal(one.limit, 1000);
});

test("a late event loop is pressure when it goes on being late, not when it was once", () => {
  const { load: one, changes } = load(200);
  one.take({ ...CALM, late: 5000 });
  one.take({ ...CALM, late: 20 });
  one.take({ ...CALM, late: 1500 });
  assert.equal(one.limit, 1000);
  one.take({ ...CALM, late: 1500 });
  assert.equal(one.limit, 180);
  one.take(CALM);
  assert.deepEqual(changes, ["event_loop", undefined]);
});

test("beyond the most requests in flight the next one is refused early, and served when one has ended", async () => {
  const harness = await startHarness({ openai: openai.url, azure: azure.url, load: { most: 2, fewest: 1 } });
  const held: (() => void)[] = [];
  openai.answer = async (response, request) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return chatAnswer("at last")(response, request);
  };
  const asked = [harness.chat(), harness.chat()];
  while (held.length < 2) await sleep(5);
  // Before the key is looked at, and without its body.
  const refused = await harness.chat(
    { messages: [{ role: "user", content: "x".repeat(500_000) }] },
    { authorization: "" },
  );
  assert.equal(refused.status, 503);
  const after = Number(refused.headers.get("retry-after-ms"));
  assert.ok(after >= 1000 && after <= 2000, `come again after ${after} ms`);
  assert.equal(refused.headers.get("x-should-retry"), "true");
  assert.equal(refused.headers.get("x-tandem-error-origin"), "gateway");
  assert.equal(refused.headers.get("connection"), "close");
  assert.equal((await errorOf(refused)).code, "overloaded");
  const { load: told, inFlight } = (await harness.status()) as { load: object; inFlight: number };
  assert.deepEqual([told, inFlight], [{ limit: 2, pressure: null, refused: 1 }, 2]);
  const metrics = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
  assert.match(metrics, /^tandem_requests_in_flight 2$/m);
  assert.match(metrics, /^tandem_requests_in_flight_limit 2$/m);
  assert.match(metrics, /^tandem_errors_total\{.*class="overloaded",origin="gateway"\} 1$/m);
  assert.equal((await fetch(`${harness.gateway.adminUrl}/readyz`)).status, 200, "the others would only get its share");
  held.shift()?.();
  await Promise.race(asked);
  const served = harness.chat();
  while (held.length < 2) await sleep(5);
  for (const letGo of held) letGo();
  for (const one of await Promise.all([...asked, served])) assert.equal(one.status, 200);
});

test("an upgrade to realtime is refused in the same way", async () => {
  const harness = await startHarness({ openai: openai.url, azure: azure.url, load: { most: 0, fewest: 0 } });
  const { refused } = await import("../e2e/realtime-world.ts");
  const answer = await refused(`${harness.url}/v1/realtime?model=gpt-realtime`, { authorization: `Bearer ${KEY}` });
  assert.equal(answer.status, 503);
  assert.equal(answer.error.code, "overloaded");
});
