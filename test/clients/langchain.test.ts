/** Does LangChain for JavaScript work through Tandem, with its classes for OpenAI and for Azure? */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { type AIMessageChunk, HumanMessage, ToolMessage, type UsageMetadata } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { concat } from "@langchain/core/utils/stream";
import { AzureChatOpenAI, AzureOpenAIEmbeddings, ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";
import { KEY } from "../proxy/harness.ts";
import { gateways, type Place } from "./gateways.ts";
import { soon } from "./soon.ts";

const { both, places } = await gateways();
beforeEach(() => {
  both.openai.reset();
  both.azure.reset();
});

const CHAT = "gpt-4o";
const EMBED = "text-embedding-3-small";
const City = z.object({ name: z.string(), people: z.number() });
const weather = tool(async ({ city }: { city: string }) => `17 degrees in ${city}`, {
  name: "get_weather",
  description: "The weather of a city",
  schema: z.object({ city: z.string() }),
});

/** The library's types make it `never` under exactOptionalPropertyTypes. */
const usageOf = (message: { usage_metadata?: unknown }) => message.usage_metadata as UsageMetadata | undefined;

const azureOf = ({ harness }: Place, deployment: string) => ({
  azureOpenAIApiKey: KEY,
  azureOpenAIEndpoint: harness.url,
  azureOpenAIApiDeploymentName: deployment,
  // Only what the class itself thinks that this model can.
  model: deployment,
  azureOpenAIApiVersion: "2025-04-01-preview",
  maxRetries: 0,
});
const openaiOf = ({ harness }: Place, model: string) => ({
  model,
  apiKey: KEY,
  configuration: { baseURL: `${harness.url}/v1` },
  maxRetries: 0,
});

const CHATS: Readonly<Record<string, (place: Place) => ChatOpenAI>> = {
  ChatOpenAI: (place) => new ChatOpenAI(openaiOf(place, CHAT)),
  "ChatOpenAI with responses": (place) => new ChatOpenAI({ ...openaiOf(place, CHAT), useResponsesApi: true }),
  AzureChatOpenAI: (place) => new AzureChatOpenAI(azureOf(place, CHAT)),
};

for (const place of places) {
  for (const [name, construct] of Object.entries(CHATS)) {
    const model = construct(place);
    const about = (what: string) => `${name} over ${place.form}: ${what}`;

    test(about("invoke, stream and batch"), async () => {
      const answer = await model.invoke("Hello");
      assert.match(answer.text, /You said “Hello”/);
      assert.ok((usageOf(answer)?.total_tokens ?? 0) > 0);
      const parts: AIMessageChunk[] = [];
      for await (const part of await model.stream("Hello")) parts.push(part);
      const whole = parts.reduce((before, part) => concat(before, part));
      assert.equal(whole.text, answer.text);
      assert.equal(usageOf(whole)?.output_tokens, usageOf(answer)?.output_tokens);
      const two = await model.batch(["Number 1", "Number 2"]);
      assert.deepEqual(
        two.map((one) => one.text.includes("Number 1")),
        [true, false],
      );
    });

    test(about("an object of a schema"), async () => {
      for (const method of ["jsonSchema", "functionCalling"] as const) {
        const city = await model.withStructuredOutput(City, { method }).invoke("A city please");
        assert.equal(typeof city.name, "string");
      }
    });

    test(about("a loop of tools"), async () => {
      const able = model.bindTools([weather]);
      const question = new HumanMessage("Please get_weather of Oslo");
      const answer = await able.invoke([question]);
      assert.deepEqual(
        answer.tool_calls?.map((call) => call.name),
        ["get_weather"],
      );
      const [call] = answer.tool_calls ?? [];
      const result = await weather.invoke(call as { city: string } & NonNullable<typeof call>);
      assert.ok(ToolMessage.isInstance(result));
      assert.notEqual((await able.invoke([question, answer, result])).text, "");
    });

    test(about("a stream that is aborted ends at the provider"), async () => {
      place.simulator.fault({ fault: "slow-tokens;ms=20" });
      const abort = new AbortController();
      await assert.rejects(async () => {
        for await (const part of await model.stream("200 words please", { signal: abort.signal })) {
          if (part.text !== "") abort.abort();
        }
      });
      await soon(() => place.simulator.requests().some((one) => one.aborted), "the provider's stream ended");
    });
  }

  test(`over ${place.form}: embeddings of both classes`, async () => {
    const classes = [
      new OpenAIEmbeddings({ ...openaiOf(place, EMBED), dimensions: 16 }),
      new AzureOpenAIEmbeddings({
        ...azureOf(place, EMBED),
        azureOpenAIBasePath: `${place.harness.url}/openai/deployments`,
        azureOpenAIApiEmbeddingsDeploymentName: EMBED,
        dimensions: 16,
      }),
    ];
    for (const one of classes) {
      const vectors = await one.embedDocuments(["one", "two"]);
      assert.deepEqual(
        vectors.map((vector) => vector.length),
        [16, 16],
      );
    }
  });

  // Azure has no refusal for want of money.
  const quota = place.form === "OpenAI" ? [{ fault: "429-quota", attempts: 1, error: /quota/ }] : [];
  for (const { fault, attempts, error } of [
    { fault: "context-length", attempts: 1, error: /maximum context length/ },
    { fault: "503;retry-after-ms=5", attempts: 2, error: /503/ },
    ...quota,
  ]) {
    test(`over ${place.form}: its own retries after ${fault} are as many as they should be`, async () => {
      const model = new ChatOpenAI({ ...openaiOf(place, CHAT), maxRetries: 1 });
      place.simulator.fault({ match: { operation: "chat.completions" }, fault });
      await assert.rejects(model.invoke("Hello"), error);
      const asked = place.simulator.requests().filter((one) => one.operation === "chat.completions");
      assert.equal(asked.length, attempts);
    });
  }
}
