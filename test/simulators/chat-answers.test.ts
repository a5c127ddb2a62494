/** Does the simulated model do what the request's parameters ask for? */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, askAzure, askOpenai, azure, CHAT, chunksOf, completionOf, openai, said } from "./ask.ts";

const openaiServer = await openai();
const azureServer = await azure();
const STREAM = { ...CHAT, stream: true };
const USAGE = { ...STREAM, stream_options: { include_usage: true } };

const text = (answer: Answer) => completionOf(answer).choices[0]?.message.content ?? "";

test("max_tokens cuts at exactly so many tokens", async () => {
  const answer = completionOf(await askOpenai(openaiServer, { ...CHAT, max_tokens: 6 }));
  assert.equal(answer.choices[0]?.finish_reason, "length");
  assert.equal(answer.usage.completion_tokens, 6);
  const stream = chunksOf((await askOpenai(openaiServer, { ...USAGE, max_tokens: 6 })).text);
  assert.equal(stream.at(-1)?.usage?.completion_tokens, 6);
});

test("stop ends the text before it", async () => {
  const answer = completionOf(await askOpenai(openaiServer, { ...CHAT, stop: ["You said"] }));
  assert.doesNotMatch(answer.choices[0]?.message.content ?? "", /You said/);
  assert.equal(answer.choices[0]?.finish_reason, "stop");
});

test("n choices, streamed and not", async () => {
  const answer = completionOf(await askOpenai(openaiServer, { ...CHAT, n: 3 }));
  assert.equal(new Set(answer.choices.map((choice) => choice.message.content)).size, 3);
  const chunks = chunksOf((await askOpenai(openaiServer, { ...STREAM, n: 3 })).text);
  for (const [index, choice] of answer.choices.entries()) assert.equal(said(chunks, index), choice.message.content);
});

const TOOL = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } } },
  },
};

test("tools: forced by name, required, or asked for; then text", async () => {
  const named = completionOf(
    await askOpenai(openaiServer, {
      ...CHAT,
      tools: [TOOL],
      tool_choice: { type: "function", function: { name: "get_weather" } },
    }),
  );
  const required = completionOf(await askAzure(azureServer, { ...CHAT, tools: [TOOL], tool_choice: "required" }));
  assert.equal(named.choices[0]?.finish_reason, "stop");
  assert.equal(required.choices[0]?.finish_reason, "tool_calls");
  const call = required.choices[0]?.message.tool_calls?.[0];
  assert.equal(call?.function.name, "get_weather");
  assert.deepEqual(Object.keys(JSON.parse(call?.function.arguments ?? "")), ["city", "days"]);
  const result = {
    ...CHAT,
    tools: [TOOL],
    messages: [
      ...CHAT.messages,
      { role: "assistant", tool_calls: [] },
      { role: "tool", tool_call_id: "1", content: "sunny" },
    ],
  };
  assert.equal(completionOf(await askOpenai(openaiServer, result)).choices[0]?.finish_reason, "stop");
  assert.equal(
    completionOf(await askOpenai(openaiServer, { ...CHAT, tools: [TOOL] })).choices[0]?.message.tool_calls,
    undefined,
  );
});

test("tools: streamed arguments come in pieces that make JSON", async () => {
  const chunks = chunksOf((await askOpenai(openaiServer, { ...STREAM, tools: [TOOL], tool_choice: "required" })).text);
  const pieces = chunks.flatMap(
    (chunk) => (chunk.choices[0]?.delta?.tool_calls ?? []) as { function: { arguments: string } }[],
  );
  assert.ok(pieces.length > 2);
  assert.deepEqual(Object.keys(JSON.parse(pieces.map((piece) => piece.function.arguments).join(""))), ["city", "days"]);
  assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, "tool_calls");
});

test("response_format: JSON, and JSON after a schema", async () => {
  const json = await askOpenai(openaiServer, {
    ...CHAT,
    messages: [{ role: "user", content: "as json please" }],
    response_format: { type: "json_object" },
  });
  assert.equal(typeof JSON.parse(text(json)), "object");
  const schema = {
    type: "object",
    properties: { ok: { type: "boolean" }, names: { type: "array", items: { type: "string" } } },
  };
  const shaped = await askOpenai(openaiServer, {
    ...CHAT,
    response_format: { type: "json_schema", json_schema: { name: "s", schema } },
  });
  const value = JSON.parse(text(shaped)) as { ok: unknown; names: unknown[] };
  assert.equal(value.ok, true);
  assert.equal(typeof value.names[0], "string");
});

test("logprobs name the tokens of the text", async () => {
  const answer = await askOpenai(openaiServer, { ...CHAT, logprobs: true });
  const tokens = completionOf(answer)
    .choices[0]?.logprobs?.content.map((entry) => entry.token)
    .join("");
  assert.equal(tokens, text(answer));
});

test("a reasoning model thinks, and the tokens are counted", async () => {
  const answer = completionOf(await askOpenai(openaiServer, { ...CHAT, model: "o3" }));
  const { completion_tokens: all, completion_tokens_details: details } = answer.usage;
  assert.ok(Number(details.reasoning_tokens) > 0);
  assert.ok(Number(all) > Number(details.reasoning_tokens));
});
