/** Do the Node client's helpers for chat work through Tandem: parsing, tools that run, events, aborts? */
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { eachClient } from "./each-client.ts";
import { soon } from "./soon.ts";

const CHAT = "gpt-4o";
const REASONING = "gpt-5-mini";
const City = z.object({ name: z.string(), people: z.number() });
const hello = [{ role: "user" as const, content: "Hello" }];

eachClient("an object of a schema, plain and streamed", async ({ sdk }) => {
  const ask = { model: CHAT, messages: hello, response_format: zodResponseFormat(City, "city") };
  const parsed = (await sdk.chat.completions.parse(ask)).choices[0]?.message.parsed;
  assert.equal(typeof parsed?.name, "string");
  const streamed = await sdk.chat.completions.stream(ask).finalChatCompletion();
  assert.deepEqual(streamed.choices[0]?.message.parsed, parsed);
});

eachClient("tools that run in a loop, plain and streamed", async ({ sdk }) => {
  const asked: string[] = [];
  const weather = zodFunction({
    name: "get_weather",
    parameters: z.object({ city: z.string() }),
    function: ({ city }) => {
      asked.push(city);
      return `17 degrees in ${city}`;
    },
  });
  const ask = {
    model: CHAT,
    messages: [{ role: "user" as const, content: "Please get_weather of Oslo" }],
    tools: [weather],
  };
  const plain = sdk.chat.completions.runTools(ask);
  assert.notEqual(await plain.finalContent(), "");
  assert.deepEqual(
    plain.messages.map(({ role }) => role),
    ["user", "assistant", "tool", "assistant"],
  );
  const streamed = sdk.chat.completions.runTools({ ...ask, stream: true });
  assert.equal(await streamed.finalContent(), await plain.finalContent());
  assert.equal(asked.length, 2);
});

eachClient("events of a stream, and its pieces as they came", async ({ sdk }) => {
  const stream = sdk.chat.completions.stream({ model: CHAT, messages: hello, logprobs: true });
  const seen = new Set<string>();
  let text = "";
  stream.on("content.delta", ({ delta }) => {
    seen.add("delta");
    text += delta;
  });
  stream.on("content.done", () => seen.add("done"));
  stream.on("logprobs.content.delta", () => seen.add("logprobs"));
  assert.equal((await stream.finalMessage()).content, text);
  assert.deepEqual([...seen].sort(), ["delta", "done", "logprobs"]);
});

eachClient("pictures, sounds, files and what a reasoning model takes", async ({ sdk }) => {
  const content = [
    { type: "text" as const, text: "What is this?" },
    { type: "image_url" as const, image_url: { url: "data:image/png;base64,iVBORw0KGgo=", detail: "low" as const } },
  ];
  const seen = await sdk.chat.completions.create({ model: CHAT, messages: [{ role: "user", content }] });
  assert.ok(seen.choices[0]?.message.content);
  const thought = await sdk.chat.completions.create({
    model: REASONING,
    messages: [{ role: "developer", content: "Be brief." }, ...hello],
    max_completion_tokens: 2000,
    reasoning_effort: "low",
  });
  assert.ok(thought.choices[0]?.message.content);
  assert.ok((thought.usage?.completion_tokens_details?.reasoning_tokens ?? 0) >= 0);
});

eachClient("a plain call that is aborted ends at the provider", async ({ sdk, place }) => {
  place.simulator.fault({ fault: "slow-first-token;ms=5000" });
  const abort = new AbortController();
  const asked = sdk.chat.completions.create({ model: CHAT, messages: hello }, { signal: abort.signal });
  await soon(() => place.simulator.requests().some((one) => one.operation === "chat.completions"), "it was asked");
  abort.abort();
  await assert.rejects(asked, OpenAI.APIUserAbortError);
  await soon(() => place.simulator.requests().some((one) => one.aborted), "the provider's answer ended");
});
