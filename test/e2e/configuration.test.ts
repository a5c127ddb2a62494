/** What happens to requests while the configuration changes, is refused, or the gateway goes away? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeTable, type Published } from "../../routing/codec.ts";
import { compile } from "../../routing/compile.ts";
import { describeSecret, Redacted } from "../../routing/secrets.ts";
import { chatAnswer, delayed, event, FakeProvider, WHOLE_STREAM } from "../fakes/provider.ts";
import { AZURE_KEY, errorOf, KEY, OPENAI_KEY, objects, startHarness } from "../proxy/harness.ts";

const openai = await new FakeProvider(chatAnswer("hello")).start();
const azure = await new FakeProvider(chatAnswer("hello")).start();
const start = (first?: readonly object[]) =>
  startHarness({ openai: openai.url, azure: azure.url, ...(first && { objects: first }) });

const pepper = new Redacted("pepper");
const values = { openai: OPENAI_KEY, azure: AZURE_KEY, client: KEY };
const { facts } = describeSecret(
  {
    namespace: "ai",
    name: "keys",
    values: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, new Redacted(value)])),
  },
  pepper,
);
/** Another table than the one in force: of that one the gateway knows the shards already. */
const others = objects({ openai: { timeouts: { request: "59s" } } });
const good = encodeTable(compile({ objects: others, secrets: [facts], dev: false }).table);
const [shard = ""] = Object.keys(good.shards);

/** The index with one thing changed. */
function withIndex(change: object): Published {
  return { ...good, index: JSON.stringify({ ...JSON.parse(good.index), ...change }) };
}

const UNUSABLE: Readonly<Record<string, readonly [Published, RegExp]>> = {
  "a newer schema version": [withIndex({ schemaVersion: 99 }), /schema version 99.*upgrade the proxy/],
  "a missing shard": [{ ...good, shards: {} }, /is named in the index and not there/],
  "a damaged shard": [{ ...good, shards: { ...good.shards, [shard]: "{}" } }, /does not have the checksum/],
  "an index that is no JSON": [{ ...good, index: "\u0000<html>" }, /index is not JSON/],
  "an index of another table": [withIndex({ hash: "0".repeat(64) }), /hash/],
  "no index at all": [{ ...good, index: "null" }, /index is not a JSON object/],
};

test("an unusable table leaves the old one in force, and says why", async () => {
  const harness = await start();
  const { hash } = harness.gateway;
  let refused = 0;
  for (const [what, [published, reason]] of Object.entries(UNUSABLE)) {
    const applied = harness.gateway.apply({ published, credentials: new Map(), pepper, idKeys: [] });
    assert.ok(!applied.ok, what);
    refused++;
    assert.equal(harness.gateway.hash, hash);
    assert.equal((await harness.chat()).status, 200, what);
    const status = (await harness.status()) as {
      table: object;
      lastReload: { result: string; error: { message: string } };
    };
    assert.equal(status.lastReload.result, "failure");
    assert.match(status.lastReload.error.message, reason);
    const metrics = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
    assert.match(metrics, new RegExp(`tandem_config_reloads_total\\{result="failure"\\} ${refused}\\n`), what);
  }
  harness.apply(objects());
  const metrics = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
  assert.match(metrics, /tandem_config_reloads_total\{result="success"\} 2\n/);
});

test("after a rotation the old keys are never used again, neither the provider's nor the client's", async () => {
  const harness = await start();
  await harness.chat();
  openai.seen.length = 0;
  harness.apply(objects(), { openai: "sk-rotated", azure: AZURE_KEY, client: "tdm-rotated" });
  assert.equal((await harness.chat()).status, 401);
  for (let i = 0; i < 5; i++) {
    assert.equal((await harness.chat({}, { authorization: "Bearer tdm-rotated" })).status, 200);
  }
  assert.deepEqual([...new Set(openai.seen.map((one) => one.headers.authorization))], ["Bearer sk-rotated"]);
});

test("no request fails while tables are swapped under load", { timeout: 30_000 }, async () => {
  const harness = await start();
  openai.answer = delayed(20, chatAnswer("under load"));
  const statuses: number[] = [];
  const callers = Array.from({ length: 200 }, async () => {
    const response = await harness.chat();
    statuses.push(response.status);
    await response.arrayBuffer();
  });
  for (let i = 0; i < 30; i++) {
    const timeouts = { request: `${60 + i}s` };
    harness.apply(objects({ openai: { timeouts } }), { ...values, openai: `sk-number-${i}` });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await Promise.all(callers);
  openai.answer = chatAnswer("hello");
  assert.deepEqual([...new Set(statuses)], [200]);
});

test("draining: a stream in flight ends whole, /readyz says 503", async () => {
  const harness = await start();
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  openai.answer = async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(event({ content: "first" }));
    await gate;
    response.end(WHOLE_STREAM.slice(1).join(""));
  };
  const stream = await harness.chat({ stream: true });
  assert.equal((await fetch(`${harness.gateway.adminUrl}/readyz`)).status, 200);
  const closed = harness.gateway.close({ drainMs: 5_000 });
  const ready = await fetch(`${harness.gateway.adminUrl}/readyz`);
  assert.equal(ready.status, 503);
  assert.match((await errorOf(ready)).message, /draining/);
  go();
  assert.ok((await stream.text()).endsWith("data: [DONE]\n\n"));
  await closed;
  openai.answer = chatAnswer("hello");
});
