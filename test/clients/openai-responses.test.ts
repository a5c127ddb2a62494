/** Does all of the Responses API work through Tandem with the Node client? */
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { eachClient, NOT_OFFERED, stopped, TAG } from "./each-client.ts";
import { soon } from "./soon.ts";

const CHAT = "gpt-4o";
const City = z.object({ name: z.string(), people: z.number() });
const WEATHER = {
  type: "function" as const,
  name: "get_weather",
  strict: true,
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};
const ENDED = ["completed", "failed", "cancelled", "incomplete"];

eachClient("events, and the ids in them, which work afterwards", async ({ sdk }) => {
  const kinds: string[] = [];
  const ids = new Set<string>();
  let text = "";
  const stream = sdk.responses.stream({ model: CHAT, input: "Hello" });
  for await (const event of stream) {
    kinds.push(event.type);
    if ("response" in event) ids.add(event.response.id);
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  const whole = await stream.finalResponse();
  assert.equal(whole.output_text, text);
  assert.deepEqual([kinds[0], kinds.at(-1)], ["response.created", "response.completed"]);
  assert.deepEqual([...ids], [whole.id]);
  assert.ok(whole.id.includes(TAG));
  assert.equal((await sdk.responses.retrieve(whole.id)).output_text, text);
});

eachClient("an object of a schema", async ({ sdk }) => {
  const text = { format: zodTextFormat(City, "city") };
  const { output_parsed: parsed } = await sdk.responses.parse({ model: CHAT, input: "A city", text });
  assert.equal(typeof parsed?.name, "string");
});

eachClient("a loop of tools that goes on from the response before", async ({ sdk }) => {
  const first = await sdk.responses.create({ model: CHAT, input: "Please get_weather of Oslo", tools: [WEATHER] });
  const [call] = first.output.filter((item) => item.type === "function_call");
  assert.ok(call && "city" in JSON.parse(call.arguments));
  const second = await sdk.responses.create({
    model: CHAT,
    previous_response_id: first.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "17 degrees" }],
    tools: [WEATHER],
  });
  assert.notEqual(second.output_text, "");
  assert.equal(second.previous_response_id, first.id);
  const items = await sdk.responses.inputItems.list(second.id);
  assert.ok(items.data.length > 0);
  // The whole output may be sent back as input too.
  const input = [{ role: "user" as const, content: "Hello" }, ...first.output] as OpenAI.Responses.ResponseInput;
  const again = [...input, { type: "function_call_output" as const, call_id: call.call_id, output: "17 degrees" }];
  assert.notEqual((await sdk.responses.create({ model: CHAT, input: again, tools: [WEATHER] })).output_text, "");
});

eachClient("in the background: asked for, streamed from where one was, cancelled, deleted", async ({ sdk }) => {
  let later = await sdk.responses.create({ model: CHAT, input: "Hello", background: true });
  while (!ENDED.includes(later.status ?? "")) later = await sdk.responses.retrieve(later.id);
  assert.equal(later.status, "completed");
  let id = "";
  for await (const event of await sdk.responses.create({ model: CHAT, input: "Hi", background: true, stream: true })) {
    if ("response" in event) id = event.response.id;
    if (event.sequence_number >= 2) break;
  }
  const numbers: number[] = [];
  for await (const event of await sdk.responses.retrieve(id, { stream: true, starting_after: 2 })) {
    numbers.push(event.sequence_number);
    if ("response" in event) assert.equal(event.response.id, id);
  }
  assert.ok(numbers.length > 0 && numbers.every((number) => number > 2));
  const other = await sdk.responses.create({ model: CHAT, input: "Hello", background: true });
  await stopped(
    () => sdk.responses.cancel(other.id),
    () => sdk.responses.retrieve(other.id),
  );
  await sdk.responses.delete(later.id);
  await assert.rejects(sdk.responses.retrieve(later.id), OpenAI.NotFoundError);
});

eachClient("tokens counted and a conversation made shorter", async ({ sdk, form }) => {
  const count = () => sdk.responses.inputTokens.count({ model: CHAT, input: "Hello" });
  const compact = () => sdk.responses.compact({ model: CHAT, input: "Hello" });
  if (form !== "OpenAI") {
    await assert.rejects(count, NOT_OFFERED);
    await assert.rejects(compact, NOT_OFFERED);
    return;
  }
  assert.ok((await count()).input_tokens > 0);
  assert.ok((await compact()).output.length > 0);
});

eachClient("a stream that is aborted ends at the provider", async ({ sdk, place }) => {
  place.simulator.fault({ fault: "slow-tokens;ms=20" });
  const stream = await sdk.responses.create({ model: CHAT, input: "200 words please", stream: true });
  for await (const event of stream) if (event.type === "response.output_text.delta") break;
  await soon(() => place.simulator.requests().some((one) => one.aborted), "the provider's stream ended");
});

eachClient("what is not there is not there", async ({ sdk }) => {
  for (const id of ["resp_none", "x"]) await assert.rejects(sdk.responses.retrieve(id), OpenAI.NotFoundError);
  const gone = sdk.responses.create({ model: CHAT, input: "And?", previous_response_id: "resp_none" });
  await assert.rejects(gone, { status: 404, code: "resource_not_found" });
});
