/** Does a stream that breaks off go on with another provider's answer, where it can, and end with an error where not? */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunningSimulator } from "../../simulators/main.ts";
import { waitFor } from "../cli/tandem.ts";
import { type Harness, KEY, object } from "../proxy/harness.ts";
import { until } from "../proxy/upstream/fixtures.ts";
import { azureProvider, client, gatewayOver, openaiProvider, simulators } from "./over-simulators.ts";

const SAID = "Über den Fluss “und dann” weiter, bis die Stadt 🎉 hinter uns liegt und niemand mehr ruft.";
const MESSAGES = [{ role: "user", content: "Hi" }];
const LATENCY = { firstTokenMs: 0, perTokenMs: 2 };

interface Change {
  readonly openai?: object;
  readonly failover?: object;
  readonly backends?: readonly string[];
}

const options = { says: SAID, latency: LATENCY, keepBodyBytes: 8192 };
const both = await simulators(options);
const gateway = await gatewayOver(both, []);
let objectsNow: readonly object[] = [];

/** Both say the same and nothing is wrong yet; breakers begin anew. */
function world({ openai = {}, failover = {}, backends = ["openai", "azure"] }: Change = {}): void {
  for (const simulator of [both.openai, both.azure]) simulator.reset();
  const route = {
    models: ["gpt-4o", "gpt-3.5-turbo-instruct"],
    backends: backends.map((name, i) => ({ name, providerRef: { name }, priority: i + 1 })),
    failover: { retrySameProvider: 1, fallbackToNext: true, streamRecovery: "Splice", ...failover },
  };
  objectsNow = [openaiProvider(openai), azureProvider("2024-10-21"), object("AIRoute", "chat", route), client()];
  gateway.apply([]);
  gateway.apply(objectsNow);
}

function cutAfter(events: number): void {
  both.openai.fault({ fault: `cut;after=${events}` });
}

const asked = (simulator: RunningSimulator) => simulator.requests().filter(({ method }) => method === "POST");

interface Heard {
  readonly text: string;
  readonly finish: string | undefined;
  readonly error: string | undefined;
  readonly done: boolean;
  readonly usage: { prompt_tokens: number; completion_tokens: number } | undefined;
  readonly roles: number;
  readonly headers: Headers;
}

async function chat(body: object = {}, path = "/v1/chat/completions", at: Harness = gateway): Promise<Heard> {
  const isChat = path.endsWith("chat/completions");
  const what = isChat ? { messages: MESSAGES } : { model: "gpt-3.5-turbo-instruct", prompt: "Hi", max_tokens: 200 };
  const response = await at.post(path, { model: "gpt-4o", stream: true, ...what, ...body });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const events = Array.from(text.matchAll(/^data: (\{.*\})$/gm), ([, json = ""]) => JSON.parse(json));
  const choices = events.map((event) => event.choices?.[0]);
  return {
    text: choices.map((choice) => choice?.delta?.content ?? choice?.text ?? "").join(""),
    finish: choices.find((choice) => choice?.finish_reason)?.finish_reason,
    error: events.find((event) => event.error)?.error.code,
    done: text.endsWith("data: [DONE]\n\n"),
    usage: events.find((event) => event.usage)?.usage,
    roles: choices.filter((choice) => choice?.delta?.role).length,
    headers: response.headers,
  };
}

function isWhole(heard: Heard): void {
  const { text, finish, error, done } = heard;
  assert.deepEqual({ text, finish, error, done }, { text: SAID, finish: "stop", error: undefined, done: true });
}

function isCut(heard: Heard): void {
  assert.deepEqual([heard.error, heard.done, heard.finish], ["stream_interrupted", false, undefined]);
  assert.ok(SAID.startsWith(heard.text), heard.text);
}

for (const fault of ["cut;after=7", "cut;after=1", "clean-end;after=12", "stall;after=5"]) {
  test(`${fault}: the other provider's answer goes on`, async () => {
    world({ openai: { timeouts: { idle: "300ms" } } });
    both.openai.fault({ fault });
    const heard = await chat();
    isWhole(heard);
    assert.equal(heard.roles, 1);
    assert.equal(heard.headers.get("x-tandem-provider"), "openai", "headers had gone when it broke");
    const [again] = asked(both.azure);
    assert.deepEqual(JSON.parse(again?.body ?? "").messages, MESSAGES, "asked anew, whole");
  });
}

test("completions go on as well", async () => {
  world();
  cutAfter(9);
  isWhole(await chat({}, "/v1/completions"));
});

test("the caller's usage is the whole answer's, and both providers' tokens are counted", async () => {
  const body = { stream_options: { include_usage: true } };
  world({ backends: ["azure"] });
  const { usage } = await chat(body);
  const before = await tokens("azure", "output");
  const [brokenBefore, promptsBefore] = [await tokens("openai", "output"), await tokens("openai", "input")];
  world();
  cutAfter(10);
  const heard = await chat(body);
  isWhole(heard);
  assert.deepEqual(heard.usage, usage);
  await waitFor("the exchange is recorded", 10_000, async () => (await tokens("azure", "output")) > before);
  assert.equal((await tokens("azure", "output")) - before, heard.usage?.completion_tokens);
  const broken = (await tokens("openai", "output")) - brokenBefore;
  assert.ok(broken > 3 && broken < (heard.usage?.completion_tokens ?? 0), `${broken} tokens`);
  assert.ok((await tokens("openai", "input")) > promptsBefore);
  assert.match(
    await metrics(),
    /^tandem_failovers_total\{route="ai\/chat",from="openai",to="azure",reason="cut"\} \d+$/m,
  );
});

for (const [what, says] of [
  ["begins otherwise", `${SAID.slice(0, 10)}but something else altogether`],
  ["is shorter than what the caller has", SAID.slice(0, 12)],
] as const) {
  test(`the other answer ${what}: the error event, and nothing of it`, async () => {
    const others = await simulators(options, { azure: { says } });
    const over = await gatewayOver(others, []);
    world();
    over.apply(objectsNow);
    others.openai.fault({ fault: "cut;after=9" });
    isCut(await chat({}, undefined, over));
    assert.equal(asked(others.azure).length, 1);
  });
}

test("None leaves it at the error event", async () => {
  world({ failover: { streamRecovery: "None" } });
  cutAfter(7);
  isCut(await chat());
  assert.equal(asked(both.azure).length, 0);
});

test("what is more than one text is not gone on with", async () => {
  const parameters = { type: "object", properties: { city: { type: "string" } } };
  const tools = [{ type: "function", function: { name: "get_weather", parameters } }];
  for (const body of [{ n: 2 }, { logprobs: true }, { store: true }, { tools, tool_choice: "required" }]) {
    world();
    cutAfter(2);
    const heard = await chat(body);
    assert.deepEqual([heard.error, heard.done], ["stream_interrupted", false], JSON.stringify(body));
    assert.equal(asked(both.azure).length, 0);
  }
});

test("nobody else may or does answer: the error event", async () => {
  for (const change of [
    { backends: ["openai"] },
    { failover: { maxAttempts: 1 } },
    { failover: { fallbackToNext: false } },
  ]) {
    world(change);
    cutAfter(7);
    isCut(await chat());
    assert.equal(asked(both.openai).length, 1);
  }
  for (const fault of ["503", "content-filter", "wrong-content-type", "error-event;after=0", "error-event;after=3"]) {
    world();
    cutAfter(7);
    both.azure.fault({ fault });
    isCut(await chat());
  }
});

test("a caller who goes away meanwhile ends it", async () => {
  world();
  cutAfter(7);
  both.azure.fault({ match: { operation: "chat.completions" }, fault: "silence" });
  const gone = new AbortController();
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o", messages: MESSAGES, stream: true }),
    signal: gone.signal,
  });
  const reading = response.text().catch(() => "gone");
  await until(() => asked(both.azure).length > 0, "the other provider is asked");
  gone.abort();
  assert.equal(await reading, "gone");
  await until(() => asked(both.azure)[0]?.aborted === true, "its request is broken off");
  assert.equal((await gateway.status()).inFlight, 0);
});

async function metrics(): Promise<string> {
  return (await fetch(`${gateway.gateway.adminUrl}/metrics`)).text();
}

async function tokens(provider: string, kind: string): Promise<number> {
  const line = new RegExp(`^tandem_tokens_total\\{provider="${provider}".*kind="${kind}"\\} (\\d+)$`, "m");
  return Number(line.exec(await metrics())?.[1] ?? 0);
}
