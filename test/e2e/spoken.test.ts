/** Does what a model said aloud in a chat find home in the next turn, and stay with its owner? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI, { toFile } from "openai";
import type { ChatCompletionMessageParam as Message } from "openai/resources/chat/completions";
import { objectsOf, simulators } from "./over-simulators.ts";
import { CHAT, gatewayOf, OTHER_KEY, SECRETS, sdk, TAG, twoProvidersBy } from "./two-tenants.ts";

const TRIES = 25;
const NAMES = ["openai", "azure"] as const;
type Name = (typeof NAMES)[number];

const both = await simulators();

const ALOUD = {
  model: CHAT,
  modalities: ["text", "audio"] as ("text" | "audio")[],
  audio: { voice: "alloy", format: "pcm16" } as const,
};
const HELLO: Message = { role: "user", content: "Hello" };
const NOT_THEIRS = { status: 404, code: "resource_not_found" };

const after = (id: string): Message[] => [
  HELLO,
  { role: "assistant", audio: { id } },
  { role: "user", content: "And?" },
];

/** One model at two providers, nearly everything to the first. */
function towards(first: Name, route: object = {}): object[] {
  const backends = NAMES.map((name) => ({ name, providerRef: { name }, weight: name === first ? 99 : 1 }));
  return twoProvidersBy({ backends, ...route });
}

/** All to the first, unless something else says otherwise. */
function firstly(first: Name, route: object = {}): object[] {
  const backends = NAMES.map((name) => ({ name, providerRef: { name }, priority: name === first ? 1 : 2 }));
  return towards(first, { backends, ...route });
}

const gateway = (objects: readonly object[]) => gatewayOf(both, objects);

async function saidPlainly(app: OpenAI): Promise<string> {
  const { id, choices } = await app.chat.completions.create({ ...ALOUD, messages: [HELLO] });
  const audio = choices[0]?.message.audio;
  assert.doesNotMatch(id, TAG);
  assert.ok(audio && audio.transcript.length > 0 && Buffer.from(audio.data, "base64").length > 0);
  assert.ok(audio.expires_at > Date.now() / 1000);
  return audio.id;
}

interface AudioDelta {
  readonly id?: string;
  readonly data?: string;
  readonly transcript?: string;
  readonly expires_at?: number;
}

/** The ids of each choice; what came as sound, transcript and end is whole. */
async function saidInStream(app: OpenAI, count = 1): Promise<string[]> {
  const ids = new Map<number, Set<string>>();
  const came = { data: 0, transcript: 0, expires_at: 0 };
  for await (const { choices } of await app.chat.completions.create({
    ...ALOUD,
    messages: [HELLO],
    stream: true,
    n: count,
  })) {
    for (const { index, delta } of choices) {
      const { audio } = delta as { audio?: AudioDelta };
      if (!audio) continue;
      for (const name of ["data", "transcript", "expires_at"] as const) if (audio[name]) came[name]++;
      ids.set(index, (ids.get(index) ?? new Set()).add(audio.id ?? "none"));
    }
  }
  assert.ok(came.data >= count && came.transcript >= count && came.expires_at === count, JSON.stringify(came));
  for (const one of ids.values()) assert.equal(one.size, 1);
  assert.equal(ids.size, count);
  return [...ids.values()].flatMap((one) => [...one]);
}

/** The next turn in all its forms: everywhere at the same provider. */
async function nextTurns(app: OpenAI, id: string, home: Name): Promise<void> {
  for (let i = 0; i < TRIES; i++) {
    const asked = i % 2 === 0 ? { ...ALOUD } : { model: CHAT };
    const { response } =
      i % 3 === 0
        ? await app.chat.completions.create({ ...asked, messages: after(id), stream: true }).withResponse()
        : await app.chat.completions.create({ ...asked, messages: after(id) }).withResponse();
    assert.equal(response.headers.get("x-tandem-provider"), home);
    assert.equal(response.headers.get("x-tandem-decision"), "affinity");
    if (!response.bodyUsed) await response.body?.cancel();
  }
}

for (const home of NAMES) {
  const elsewhere = home === "openai" ? "azure" : "openai";
  const ways = { plain: saidPlainly, "a stream": async (app: OpenAI) => (await saidInStream(app))[0] ?? "" };
  for (const [way, said] of Object.entries(ways)) {
    test(`said at ${home}, ${way}: later turns go there whatever the weights say, also after a restart`, async () => {
      const first = await gateway(firstly(home));
      const id = await said(sdk(first));
      assert.match(id, TAG);
      first.apply(towards(elsewhere), SECRETS);
      await nextTurns(sdk(first), id, home);
      await first.gateway.close({ drainMs: 0 });
      await nextTurns(sdk(await gateway(towards(elsewhere))), id, home);
    });
  }
}

test("each of several answers of a stream has its own id", async () => {
  const app = sdk(await gateway(firstly("azure")));
  const ids = await saidInStream(app, 3);
  assert.equal(new Set(ids).size, 3);
  for (const id of ids) await nextTurns(app, id, "azure");
});

test("nobody repeats what another was told: 404, and nothing is sent", async () => {
  const harness = await gateway(firstly("openai"));
  const id = await saidPlainly(sdk(harness));
  const swapped = `${id.slice(0, -1)}${id.endsWith("A") ? "B" : "A"}`;
  const chats = () => NAMES.flatMap((name) => both[name].requests()).filter(({ url }) => url.includes("chat/")).length;
  const sent = chats();
  const [mine, other] = [sdk(harness), sdk(harness, OTHER_KEY)];
  const ask = (app: OpenAI, one: string) => app.chat.completions.create({ model: CHAT, messages: after(one) });
  await assert.rejects(ask(other, id), NOT_THEIRS);
  // Without what Tandem added it would be the provider's own id, which knows no owner.
  await assert.rejects(ask(other, id.replace(TAG, "")), NOT_THEIRS);
  for (const wrong of [swapped, id.replace(TAG, ""), `x${id}`]) await assert.rejects(ask(mine, wrong), NOT_THEIRS);
  for (const [key, written] of [
    ['"audio"', '"\\u0061udio"'],
    ['"id"', '"i\\u0064"'],
  ] as const) {
    const body = JSON.stringify({ model: CHAT, messages: after(id) }).replace(key, written);
    assert.equal((await harness.post("/v1/chat/completions", body)).status, 200);
    const refused = await harness.post("/v1/chat/completions", body, { authorization: `Bearer ${OTHER_KEY}` });
    assert.equal(refused.status, 404);
  }
  assert.equal(chats(), sent + 2);
});

test("from before Tandem: foreignIDs: Probe lets it pass, and its provider says what it does not know", async () => {
  const direct = new OpenAI({ apiKey: SECRETS.openai, baseURL: `${both.openaiUrl}/v1`, maxRetries: 0 });
  const before = await saidPlainly(direct);
  const harness = await gateway(firstly("openai"));
  const ask = () => sdk(harness).chat.completions.create({ model: CHAT, messages: after(before) });
  await assert.rejects(ask(), NOT_THEIRS);
  harness.apply(firstly("openai", { foreignIDs: "Probe" }), SECRETS);
  assert.ok((await ask()).choices[0]?.message.content);
  harness.apply(firstly("azure", { foreignIDs: "Probe" }), SECRETS);
  await assert.rejects(ask(), { status: 400, code: "audio_not_found" });
});

test("what a stored chat said aloud is told again with an id that works", async () => {
  const harness = await gateway(objectsOf("OpenAI"));
  const app = sdk(harness);
  const made = await app.chat.completions.create({ ...ALOUD, messages: [HELLO], store: true });
  const kept = await app.chat.completions.retrieve(made.id);
  assert.equal(kept.id, made.id);
  const id = kept.choices[0]?.message.audio?.id ?? "";
  assert.equal(id, made.choices[0]?.message.audio?.id);
  await nextTurns(app, id, "openai");
  const streamed = new Set<string>();
  for await (const chunk of await app.chat.completions.create({
    ...ALOUD,
    messages: after(id),
    store: true,
    stream: true,
  })) {
    streamed.add(chunk.id);
    const { audio } = (chunk.choices[0]?.delta ?? {}) as { audio?: AudioDelta };
    if (audio?.id) streamed.add(audio.id);
  }
  assert.equal(streamed.size, 2);
  for (const one of streamed) assert.match(one, TAG);
});

test("in a batch: its lines name what was said, and its output can be named", async () => {
  const app = sdk(await gateway(objectsOf("OpenAI")));
  const id = await saidPlainly(app);
  const body = { ...ALOUD, messages: after(id) };
  const line = JSON.stringify({ custom_id: "1", method: "POST", url: "/v1/chat/completions", body });
  const file = await toFile(Buffer.from(line), "batch.jsonl");
  const input = await app.files.create({ file, purpose: "batch" });
  const endpoint = "/v1/chat/completions" as const;
  let batch = await app.batches.create({ input_file_id: input.id, endpoint, completion_window: "24h" });
  for (let i = 0; i < 100 && batch.status !== "completed"; i++) {
    await sleep(50);
    batch = await app.batches.retrieve(batch.id);
  }
  assert.deepEqual(batch.request_counts, { total: 1, completed: 1, failed: 0 });
  const output = JSON.parse(await (await app.files.content(batch.output_file_id ?? "")).text());
  const completion = output.response.body as OpenAI.ChatCompletion;
  assert.doesNotMatch(completion.id, TAG);
  await nextTurns(app, completion.choices[0]?.message.audio?.id ?? "", "openai");
});

test("of two asked beside each other, the one that answers is home", async () => {
  const harness = await gateway(firstly("openai", { failover: { hedgeAfter: "100ms" } }));
  both.openai.fault({ match: { stream: true }, fault: "slow-first-byte;ms=3000", times: 1 });
  const [id = ""] = await saidInStream(sdk(harness));
  assert.match(id, TAG);
  await nextTurns(sdk(await gateway(towards("openai"))), id, "azure");
});
