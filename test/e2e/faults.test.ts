/** What does the caller see of each fault that a provider can have, with another provider behind it? */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { FAULTS } from "../../simulators/faults.ts";
import { object } from "../proxy/harness.ts";
import { azureProvider, client, gatewayOver, openaiProvider, simulators } from "./over-simulators.ts";

/**
 * `over`: the other provider answers, for this reason. `refused`: the provider's own error comes back, with this status
 * and code. `cut`: text, then an error event and no [DONE]. `error`: the provider's own error event, no [DONE].
 * `whole`: the provider's answer; `text: "part"` when it rightly is less than all.
 */
type Expected =
  | { readonly over: string }
  | { readonly refused: readonly [status: number, code: string | null] }
  | { readonly cut: string }
  | { readonly error: string | null }
  | { readonly whole: string; readonly text?: "all" | "part" };

interface Case {
  readonly fault: string;
  /** Default openai. */
  readonly at?: Name;
  /** Default both, with the same outcome. */
  readonly stream?: boolean;
  /** Of the first provider; the default is generous. */
  readonly timeouts?: object;
  readonly expect: Expected;
}

const STOPPED = { whole: "stop" };
const SHORT = { firstByte: "100ms", request: "150ms" };
const over = (over: string): { over: string } => ({ over });
const refused = (status: number, code: string | null): { refused: readonly [number, string | null] } => ({
  refused: [status, code],
});

const CASES: readonly Case[] = [
  { fault: "400", expect: refused(400, null) },
  { fault: "400;form=api-version", at: "azure", expect: over("config_error") },
  { fault: "401", expect: over("config_error") },
  { fault: "401;form=token", at: "azure", expect: over("config_error") },
  { fault: "401;form=role", at: "azure", expect: over("config_error") },
  { fault: "403", expect: over("config_error") },
  { fault: "403;form=network", at: "azure", expect: over("config_error") },
  { fault: "404", expect: over("config_error") },
  { fault: "404", at: "azure", expect: over("config_error") },
  { fault: "408", expect: over("server_error") },
  { fault: "409", expect: refused(409, "conflict") },
  { fault: "429", expect: over("rate_limited") },
  { fault: "429;retry-after=20", expect: over("rate_limited") },
  { fault: "429;retry-after-ms=20000", at: "azure", expect: over("rate_limited") },
  { fault: "429-capacity", expect: over("rate_limited") },
  { fault: "429-capacity", at: "azure", expect: over("rate_limited") },
  { fault: "429-quota", expect: over("rate_limited") },
  { fault: "429-quota;code=credit_balance_exhausted", expect: over("rate_limited") },
  { fault: "500", expect: over("server_error") },
  { fault: "502", expect: over("server_error") },
  { fault: "503", expect: over("server_error") },
  { fault: "503-html", expect: over("server_error") },
  { fault: "context-length", expect: refused(400, "context_length_exceeded") },
  { fault: "content-filter", expect: refused(400, "content_policy_violation") },
  { fault: "content-filter", at: "azure", expect: refused(400, "content_filter") },
  { fault: "content-filter;form=inner_error", at: "azure", expect: refused(400, "content_filter") },
  { fault: "content-filter;form=content_filters", at: "azure", expect: refused(400, "content_filter") },
  { fault: "content-filter;form=minimal", at: "azure", expect: refused(400, "content_filter") },
  { fault: "invalid-prompt", expect: refused(400, "invalid_prompt") },
  { fault: "empty", expect: over("malformed") },
  { fault: "wrong-content-type", expect: over("malformed") },
  { fault: "reset", expect: over("reset") },
  { fault: "silence", timeouts: SHORT, expect: over("timeout") },
  { fault: "slow-first-byte;ms=3000", timeouts: SHORT, expect: over("timeout") },
  { fault: "slow-first-byte;ms=50", expect: STOPPED },
  {
    fault: "slow-first-token;ms=3000;every=20",
    stream: true,
    timeouts: { firstToken: "150ms" },
    expect: over("timeout"),
  },
  { fault: "slow-first-token;ms=60;every=20", stream: true, expect: STOPPED },
  { fault: "slow-first-token;ms=3000", stream: false, timeouts: { request: "150ms" }, expect: over("timeout") },
  { fault: "slow-tokens;ms=5", expect: STOPPED },
  { fault: "spillover;to=other", at: "azure", expect: STOPPED },
  { fault: "cut", stream: true, expect: { cut: "stream_interrupted" } },
  { fault: "cut", stream: false, expect: over("reset") },
  { fault: "clean-end", stream: true, expect: { cut: "stream_interrupted" } },
  { fault: "clean-end", stream: false, expect: over("malformed") },
  { fault: "no-done", expect: STOPPED },
  { fault: "no-done", at: "azure", expect: STOPPED },
  { fault: "stall", stream: true, timeouts: { idle: "150ms" }, expect: { cut: "stream_interrupted" } },
  { fault: "stall", stream: false, timeouts: { request: "150ms" }, expect: over("timeout") },
  { fault: "malformed", stream: true, expect: { whole: "stop", text: "part" } },
  { fault: "malformed", stream: false, expect: over("malformed") },
  { fault: "garbage", stream: true, expect: STOPPED },
  { fault: "garbage", stream: false, expect: over("malformed") },
  { fault: "error-event", stream: true, expect: { error: null } },
  { fault: "error-event", stream: true, at: "azure", expect: { error: "no_capacity" } },
  { fault: "error-event", stream: false, expect: over("server_error") },
  { fault: "crlf", expect: STOPPED },
  { fault: "split-utf8", expect: STOPPED },
  { fault: "one-write", expect: STOPPED },
  { fault: "filtered", expect: { whole: "content_filter", text: "part" } },
  // Whole answers, if poor ones: for whoever judges a backend, not a reason to fail over.
  { fault: "truncated", expect: { whole: "length", text: "part" } },
  { fault: "broken-arguments", expect: STOPPED },
  { fault: "filter-outage", at: "azure", expect: STOPPED },
  { fault: "async-filter", at: "azure", expect: STOPPED },
  { fault: "async-filter-blocked", at: "azure", stream: true, expect: { whole: "content_filter", text: "part" } },
  { fault: "async-filter-blocked", at: "azure", stream: false, expect: { whole: "content_filter", text: "part" } },
];

type Name = "openai" | "azure";

/** A moment between tokens, so that what comes before a fault is on its way when the fault comes. */
const both = await simulators({ latency: { firstTokenMs: 0, perTokenMs: 2 } });
const gateway = await gatewayOver(both, []);
const SAID = "Grüße, “你好”";
const WHOLE_TEXT = { openai: await saidBy("openai"), azure: await saidBy("azure") };

beforeEach(() => {
  both.openai.reset();
  both.azure.reset();
  gateway.apply([]);
});

const met = new Set<string>();

for (const { fault, at = "openai", stream, timeouts = {}, expect } of CASES) {
  for (const streamed of stream === undefined ? [false, true] : [stream]) {
    const [what] = Object.entries(expect).map(([kind, detail]) => `${kind} ${detail}`);
    test(`${at}: ${fault}, ${streamed ? "streamed" : "plain"}: ${what}`, async () => {
      gateway.apply(world(at, timeouts));
      both[at].fault({ match: { operation: "chat.completions" }, fault });
      const response = await gateway.chat({ stream: streamed, messages: [{ role: "user", content: SAID }] });
      met.add(fault.split(";")[0] as string);
      await check(response, expect, at, streamed);
      const asked = both[at].requests().filter((one) => one.operation === "chat.completions");
      assert.deepEqual([asked.length, asked[0]?.fault?.split(";")[0]], [1, fault.split(";")[0]]);
    });
  }
}

test("no fault of the simulators is left out", () => {
  // Only a socket can be closed: realtime.test.ts meets it.
  const expected = Object.keys(FAULTS).filter((name) => name !== "close");
  assert.deepEqual([...met].sort(), expected.sort());
});

test("an error instead of the first event falls over", async () => {
  gateway.apply(world("openai", { firstToken: "5s" }));
  both.openai.fault({ fault: "error-event;after=0" });
  const response = await gateway.chat({ stream: true });
  assert.equal(response.headers.get("x-tandem-decision"), "failover:server_error");
  assert.ok((await response.text()).endsWith("data: [DONE]\n\n"));
});

const OTHER = { openai: "azure", azure: "openai" } as const;

function world(first: Name, timeouts: object): object[] {
  const backends = [
    { name: "openai", providerRef: { name: "openai" }, priority: first === "openai" ? 1 : 2 },
    { name: "azure", providerRef: { name: "azure" }, priority: first === "azure" ? 1 : 2 },
  ];
  const failover = { retrySameProvider: 0, fallbackToNext: true };
  return [
    openaiProvider(first === "openai" ? { timeouts } : {}),
    azureProvider("2024-10-21", first === "azure" ? { timeouts } : {}),
    object("AIRoute", "chat", { models: ["gpt-4o"], backends, failover }),
    client(),
  ];
}

async function check(response: Response, expect: Expected, at: Name, streamed: boolean): Promise<void> {
  if ("refused" in expect) {
    const { error } = (await response.json()) as { error: { code: string | null; message: string } };
    assert.deepEqual([response.status, error.code], expect.refused);
    assert.equal(response.headers.get("x-tandem-error-origin"), "provider");
    assert.equal(response.headers.get("x-tandem-attempts"), "1");
    return;
  }
  assert.equal(response.status, 200);
  const answering = "over" in expect ? OTHER[at] : at;
  assert.equal(response.headers.get("x-tandem-provider"), answering);
  assert.equal(response.headers.get("x-tandem-decision"), "over" in expect ? `failover:${expect.over}` : "priority");
  const heard = streamed ? heardOf(await response.text()) : plainOf((await response.json()) as PlainAnswer);
  const text = WHOLE_TEXT[answering];
  if ("over" in expect) assert.deepEqual(heard, { text, finish: "stop", done: true, error: undefined });
  else if ("whole" in expect) checkWhole(heard, text, expect);
  else {
    assert.ok(heard.text !== "" && text.startsWith(heard.text), heard.text);
    assert.deepEqual([heard.done, heard.finish], [false, undefined], "it looks whole");
    assert.equal(heard.error?.code, "cut" in expect ? expect.cut : expect.error);
  }
}

function checkWhole(heard: Heard, text: string, expect: { whole: string; text?: "all" | "part" }): void {
  assert.deepEqual([heard.finish, heard.done, heard.error], [expect.whole, true, undefined]);
  if (expect.text === "part") assert.notEqual(heard.text, text);
  else assert.equal(heard.text, text);
}

interface Heard {
  readonly text: string;
  readonly finish: string | undefined;
  /** `[DONE]` came last, once. */
  readonly done: boolean;
  readonly error: { code: string | null } | undefined;
}

interface Event {
  choices?: { delta?: { content?: string | null }; finish_reason?: string | null }[];
  error?: { code: string | null };
}

/** Every event must be whole JSON, whatever the provider did. */
function heardOf(sse: string): Heard {
  const data = sse
    .split(/(?:\r?\n){2}/)
    .filter((block) => block.startsWith("data: "))
    .map((block) => block.slice("data: ".length));
  const done = data.at(-1) === "[DONE]";
  const events = (done ? data.slice(0, -1) : data).map((one) => JSON.parse(one) as Event);
  const choices = events.flatMap((event) => event.choices ?? []);
  const finish = choices.map((choice) => choice.finish_reason ?? undefined).findLast((reason) => reason !== undefined);
  const text = choices.map((choice) => choice.delta?.content ?? "").join("");
  return { text, finish, done, error: events.find((event) => event.error)?.error };
}

interface PlainAnswer {
  choices: { message: { content: string }; finish_reason: string }[];
}

function plainOf({ choices: [choice] }: PlainAnswer): Heard {
  return { text: choice?.message.content ?? "", finish: choice?.finish_reason, done: true, error: undefined };
}

async function saidBy(name: Name): Promise<string> {
  gateway.apply(world(name, {}));
  const response = await gateway.chat({ messages: [{ role: "user", content: SAID }] });
  return plainOf((await response.json()) as PlainAnswer).text;
}
