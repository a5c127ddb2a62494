/** Do the official clients work through Tandem as they do with the providers themselves? */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import OpenAI, { APIError, AzureOpenAI, toFile } from "openai";
import type { FaultOrder } from "../../simulators/main.ts";
import { type Harness, KEY } from "../proxy/harness.ts";
import { FORMS, type Form, gatewayOver, MODERATION, objectsOf, simulatorOf, simulators } from "./over-simulators.ts";

const both = await simulators();
beforeEach(() => {
  both.openai.reset();
  both.azure.reset();
});

const gateways = new Map<Form, Harness>();
for (const form of FORMS) gateways.set(form, await gatewayOver(both, objectsOf(form)));

const CHAT = "gpt-4o";
const EMBED = "text-embedding-3-small";
const messages = [{ role: "user" as const, content: "Hello" }];
const TOOL = {
  type: "function" as const,
  function: { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};

/** Each class as its users construct it; only URL and key are Tandem's. */
const CLASSES = {
  OpenAI: ({ url }: Harness, maxRetries: number) => new OpenAI({ apiKey: KEY, baseURL: `${url}/v1`, maxRetries }),
  AzureOpenAI: ({ url }: Harness, maxRetries: number) =>
    new AzureOpenAI({ apiKey: KEY, endpoint: url, apiVersion: "2024-10-21", maxRetries }),
  "OpenAI on /openai/v1": ({ url }: Harness, maxRetries: number) =>
    new OpenAI({ apiKey: KEY, baseURL: `${url}/openai/v1`, maxRetries }),
};

for (const form of FORMS) {
  for (const [name, construct] of Object.entries(CLASSES)) {
    const sdk = construct(gateways.get(form) as Harness, 0);
    const about = (what: string) => `${name} over ${form}: ${what}`;

    test(about("chat, plain and streamed"), async () => {
      const asked = sdk.chat.completions.create({ model: CHAT, messages }).withResponse();
      const { data: answer, response, request_id } = await asked;
      assert.match(answer.choices[0]?.message.content ?? "", /You said “Hello”/);
      assert.equal(request_id, response.headers.get("x-request-id"));
      assert.equal(response.headers.get("x-tandem-provider"), form === "OpenAI" ? "openai" : "azure");
      let text = "";
      let usage: OpenAI.CompletionUsage | null | undefined;
      const stream_options = { include_usage: true };
      for await (const chunk of await sdk.chat.completions.create({
        model: CHAT,
        messages,
        stream: true,
        stream_options,
      })) {
        text += chunk.choices[0]?.delta?.content ?? "";
        usage = chunk.usage ?? usage;
      }
      assert.equal(text, answer.choices[0]?.message.content);
      assert.equal(usage?.total_tokens, (usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0));
      assert.deepEqual(usage?.completion_tokens, answer.usage?.completion_tokens);
    });

    test(about("the stream helper puts a whole answer together"), async () => {
      const whole = await sdk.chat.completions
        .stream({ model: CHAT, messages, stream_options: { include_usage: true } })
        .finalChatCompletion();
      assert.equal(whole.choices[0]?.finish_reason, "stop");
      assert.ok((whole.usage?.total_tokens ?? 0) > 0);
    });

    test(about("who does not ask for a stream's usage sees none"), async () => {
      const ask = { model: CHAT, messages };
      const whole = await sdk.chat.completions.stream(ask).finalChatCompletion();
      assert.equal(whole.choices[0]?.finish_reason, "stop");
      assert.equal(whole.usage ?? undefined, undefined);
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of await sdk.chat.completions.create({ ...ask, stream: true })) chunks.push(chunk);
      assert.ok(chunks.every(({ usage }) => !usage));
      // Azure's report on the prompt, first of all, is about no choice.
      assert.ok(chunks.slice(1).every(({ choices }) => choices.length === 1));
      assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, "stop");
      const runner = sdk.chat.completions.stream(ask);
      assert.equal((await runner.totalUsage()).total_tokens, 0);
    });

    test(about("tools, plain and streamed"), async () => {
      const ask = { model: CHAT, messages, tools: [TOOL], tool_choice: "required" as const };
      const answer = await sdk.chat.completions.create(ask);
      const [call] = answer.choices[0]?.message.tool_calls ?? [];
      assert.ok(call?.type === "function" && call.function.name === "get_weather");
      JSON.parse(call.function.arguments);
      const streamed = await sdk.chat.completions.stream(ask).finalChatCompletion();
      const [again] = streamed.choices[0]?.message.tool_calls ?? [];
      assert.ok(again?.type === "function");
      assert.equal(again.function.arguments, call.function.arguments);
      assert.equal(streamed.choices[0]?.finish_reason, "tool_calls");
    });

    test(about("response_format and two choices"), async () => {
      const json = await sdk.chat.completions.create({
        model: CHAT,
        messages: [{ role: "user", content: "Answer in JSON" }],
        response_format: { type: "json_object" },
      });
      assert.equal(typeof JSON.parse(json.choices[0]?.message.content ?? ""), "object");
      const two = await sdk.chat.completions.create({ model: CHAT, messages, n: 2 });
      assert.deepEqual(
        two.choices.map((choice) => choice.index),
        [0, 1],
      );
      const ended = new Set<number>();
      for await (const chunk of await sdk.chat.completions.create({ model: CHAT, messages, n: 2, stream: true })) {
        for (const choice of chunk.choices) if (choice.finish_reason === "stop") ended.add(choice.index);
      }
      assert.deepEqual([...ended].sort(), [0, 1]);
    });

    test(about("embeddings as numbers and as the client's base64 default"), async () => {
      const ask = { model: EMBED, input: "one", dimensions: 32 };
      const floats = await sdk.embeddings.create({ ...ask, encoding_format: "float" });
      const decoded = await sdk.embeddings.create(ask);
      const [numbers, again] = [floats.data[0]?.embedding ?? [], decoded.data[0]?.embedding ?? []];
      assert.equal(numbers.length, 32);
      for (const [at, value] of numbers.entries()) assert.ok(Math.abs(value - (again[at] ?? 9)) < 1e-6);
    });

    test(about("models are those of the route"), async () => {
      const ids: string[] = [];
      for await (const model of sdk.models.list()) ids.push(model.id);
      assert.ok(ids.includes(CHAT) && !ids.includes("chat-prod") && !ids.includes("o3"));
      assert.equal((await sdk.models.retrieve(CHAT)).id, CHAT);
      await assert.rejects(sdk.models.retrieve("o3"), OpenAI.NotFoundError);
    });

    test(about("a stream that is aborted ends at the provider"), async () => {
      const simulator = simulatorOf(form, both);
      simulator.fault({ fault: "slow-tokens;ms=20" });
      const stream = await sdk.chat.completions.create({
        model: CHAT,
        messages: [{ role: "user", content: "200 words please" }],
        stream: true,
      });
      for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
      stream.controller.abort();
      const isAborted = () => simulator.requests().some((one) => one.operation === "chat.completions" && one.aborted);
      await soon(isAborted, "the provider's stream ended");
    });

    test(about("completions, images and speech"), async () => {
      const text = await sdk.completions.create({ model: "gpt-3.5-turbo-instruct", prompt: "Say hi", max_tokens: 5 });
      assert.equal(text.choices[0]?.finish_reason, "length");
      let streamed = "";
      const ask = { model: "gpt-3.5-turbo-instruct", prompt: "Say hi", max_tokens: 5, stream: true as const };
      for await (const part of await sdk.completions.create(ask)) streamed += part.choices[0]?.text ?? "";
      assert.equal(streamed, text.choices[0]?.text);
      const picture = await sdk.images.generate({ model: "gpt-image-1", prompt: "a dot", n: 2 });
      assert.equal(picture.data?.length, 2);
      const sound = await sdk.audio.speech.create({
        model: "gpt-4o-mini-tts",
        input: "hello there",
        voice: "alloy",
        response_format: "wav",
      });
      const bytes = Buffer.from(await sound.arrayBuffer());
      assert.equal(bytes.toString("latin1", 0, 4), "RIFF");
      assert.equal(bytes.readUInt32LE(4), bytes.length - 8);
    });

    test(about("responses, plain, streamed, kept and deleted"), async () => {
      const answer = await sdk.responses.create({ model: CHAT, input: "Hello" });
      const types: string[] = [];
      const kept = new Set<string>();
      let text = "";
      for await (const event of await sdk.responses.create({ model: CHAT, input: "Hello", stream: true })) {
        types.push(event.type);
        if ("response" in event) kept.add(event.response.id);
        if (event.type === "response.output_text.delta") text += event.delta;
      }
      assert.equal(text, answer.output_text);
      assert.deepEqual([types[0], types.at(-1)], ["response.created", "response.completed"]);
      const [id, ...others] = kept;
      assert.equal((await sdk.responses.retrieve(id ?? "")).output_text, text);
      assert.deepEqual(others, [], "all events name one response");
      assert.equal((await sdk.responses.retrieve(answer.id)).id, answer.id);
      const next = await sdk.responses.create({ model: CHAT, input: "And?", previous_response_id: answer.id });
      assert.equal(next.previous_response_id, answer.id);
      await sdk.responses.delete(answer.id);
      await assert.rejects(sdk.responses.retrieve(answer.id), OpenAI.NotFoundError);
    });

    test(about("files go in and come out byte for byte, and nobody lists them"), async () => {
      const headers = { "x-tandem-route": "all" };
      const content = Buffer.from([0, 255, 13, 10, 45, 45, 200, 1]);
      const file = await sdk.files.create(
        { file: await toFile(content, "data.jsonl"), purpose: "fine-tune" },
        { headers },
      );
      assert.equal(file.bytes, content.length);
      const back = await (await sdk.files.content(file.id, { headers })).arrayBuffer();
      assert.deepEqual(Buffer.from(back), content);
      await assert.rejects(async () => sdk.files.list({}, { headers }), OpenAI.PermissionDeniedError);
      assert.equal((await sdk.files.delete(file.id, { headers })).deleted, true);
      await assert.rejects(sdk.files.retrieve(file.id, { headers }), OpenAI.NotFoundError);
    });

    test(about("moderations exist where the provider has them"), async () => {
      const ask = sdk.moderations.create({ model: MODERATION, input: ["I want to kill them", "a nice day"] });
      if (form !== "OpenAI") return assert.rejects(ask, OpenAI.NotFoundError);
      const flagged = (await ask).results.map((result) => result.flagged);
      assert.deepEqual(flagged, [true, false]);
    });
  }
}

test("moderations without a model go by the route, and a chat model does not judge", async () => {
  const sdk = CLASSES.OpenAI(gateways.get("OpenAI") as Harness, 0);
  assert.equal((await sdk.moderations.create({ input: "a nice day" })).results[0]?.flagged, false);
  const refused = await refusal(sdk.moderations.create({ model: CHAT, input: "a nice day" }));
  assert.ok(refused instanceof OpenAI.BadRequestError, String(refused));
  const azure = CLASSES.OpenAI(gateways.get("Azure, v1") as Harness, 0);
  const missing = await refusal(azure.moderations.create({ input: "a nice day" }));
  assert.equal(missing.code, "operation_not_supported");
});

interface Refused {
  readonly fault: string;
  readonly error: new (...args: never[]) => APIError;
  readonly code: string | null;
  readonly azure?: string;
  readonly check?: (error: APIError, form: Form) => void;
}

const REFUSALS: readonly Refused[] = [
  { fault: "context-length", error: OpenAI.BadRequestError, code: "context_length_exceeded" },
  {
    fault: "content-filter",
    error: OpenAI.BadRequestError,
    code: "content_policy_violation",
    azure: "content_filter",
    check: (error, form) => {
      if (form === "OpenAI") return;
      const { innererror } = error.error as { innererror: { code: string; content_filter_result: object } };
      assert.equal(innererror.code, "ResponsibleAIPolicyViolation");
      assert.deepEqual(Object.keys(innererror.content_filter_result).sort().slice(0, 2), ["hate", "jailbreak"]);
    },
  },
  { fault: "invalid-prompt", error: OpenAI.BadRequestError, code: "invalid_prompt" },
  { fault: "409", error: OpenAI.ConflictError, code: "conflict" },
  {
    fault: "429;retry-after=30",
    error: OpenAI.RateLimitError,
    code: "rate_limit_exceeded",
    check: (error) => assert.equal(error.headers?.get("retry-after"), "30"),
  },
  { fault: "500", error: OpenAI.InternalServerError, code: null, azure: "InternalServerError" },
  { fault: "503", error: OpenAI.InternalServerError, code: "server_is_overloaded", azure: "ServiceUnavailable" },
  { fault: "503-html", error: OpenAI.InternalServerError, code: null },
  { fault: "401", error: OpenAI.InternalServerError, code: "upstream_auth_failed" },
  { fault: "404", error: OpenAI.NotFoundError, code: "model_not_found" },
];

for (const form of FORMS) {
  for (const { fault, error, code, azure, check } of REFUSALS) {
    test(`over ${form}, ${fault} surfaces as ${error.name}`, async () => {
      const harness = await gatewayOver(both, objectsOf(form));
      simulatorOf(form, both).fault({ match: { operation: "chat.completions" }, fault } as FaultOrder);
      const refused = await refusal(CLASSES.OpenAI(harness, 0).chat.completions.create({ model: CHAT, messages }));
      assert.ok(refused instanceof error, String(refused));
      assert.equal(refused.code, form === "OpenAI" ? code : (azure ?? code));
      assert.match(refused.requestID ?? "", /^req_[0-9a-f]{32}$/);
      assert.equal(refused.headers?.get("x-request-id"), refused.requestID);
      assert.ok(refused.message.length > 10);
      check?.(refused, form);
    });
  }
}

test("the gateway's own refusals surface as typed errors too", async () => {
  const harness = gateways.get("OpenAI") as Harness;
  const stranger = new OpenAI({ apiKey: "tdm-nobody", baseURL: `${harness.url}/v1`, maxRetries: 2 });
  const unknown = await refusal(stranger.chat.completions.create({ model: CHAT, messages }));
  assert.ok(unknown instanceof OpenAI.AuthenticationError);
  assert.equal(unknown.code, "invalid_api_key");
  const missing = await refusal(CLASSES.OpenAI(harness, 0).chat.completions.create({ model: "gpt-9", messages }));
  assert.ok(missing instanceof OpenAI.NotFoundError);
  assert.deepEqual([missing.code, missing.param], ["model_not_found", "model"]);
});

test("an error inside a stream throws, at once or after text", async () => {
  const harness = await gatewayOver(both, objectsOf("OpenAI"));
  const sdk = CLASSES.OpenAI(harness, 0);
  for (const after of [0, 2]) {
    both.openai.reset();
    both.openai.fault({ fault: `error-event;after=${after}` });
    await assert.rejects(async () => {
      for await (const _chunk of await sdk.chat.completions.create({ model: CHAT, messages, stream: true }));
    }, APIError);
  }
});

const FAST_BACKOFF = { base: "1ms", max: "2ms" };
const ONE_RETRY = { failover: { retrySameProvider: 1, fallbackToNext: true, backoff: FAST_BACKOFF } };

for (const { name, fault, route, attempts, about } of [
  {
    name: "503",
    fault: "503;retry-after-ms=5",
    route: {},
    attempts: 3,
    about: "asks three times when Tandem asks once",
  },
  { name: "500", fault: "500", route: ONE_RETRY, attempts: 2, about: "does not multiply Tandem's retries" },
  { name: "quota", fault: "429-quota", route: {}, attempts: 1, about: "does not ask again without money" },
  { name: "401", fault: "401", route: {}, attempts: 1, about: "does not ask again for a refused key" },
]) {
  test(`the client's own retries: ${about} (${name})`, async () => {
    const harness = await gatewayOver(both, objectsOf("OpenAI", { route }));
    both.openai.fault({ match: { operation: "chat.completions" }, fault });
    await refusal(CLASSES.OpenAI(harness, 2).chat.completions.create({ model: CHAT, messages }));
    const asked = both.openai.requests().filter((one) => one.operation === "chat.completions");
    assert.equal(asked.length, attempts);
  });
}

test("the client's own retries get over a rate limit that says when", async () => {
  const harness = await gatewayOver(both, objectsOf("Azure, dated"));
  both.azure.fault({ match: { operation: "chat.completions" }, fault: "429;retry-after-ms=30", times: 1 });
  const answer = await CLASSES.AzureOpenAI(harness, 2).chat.completions.create({ model: CHAT, messages });
  assert.equal(answer.choices[0]?.finish_reason, "stop");
});

async function refusal(asked: PromiseLike<unknown>): Promise<APIError> {
  try {
    await asked;
  } catch (error) {
    if (error instanceof APIError) return error;
    throw error;
  }
  return assert.fail("it was answered");
}

async function soon(isSo: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 3000;
  while (!isSo()) {
    assert.ok(performance.now() < deadline, `it did not come about that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
