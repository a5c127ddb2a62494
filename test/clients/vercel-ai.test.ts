/** Does the Vercel AI SDK work through Tandem, with its providers for OpenAI and for Azure? */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { type AzureOpenAIProvider, createAzure } from "@ai-sdk/azure";
import { createOpenAI, type OpenAIProvider } from "@ai-sdk/openai";
import {
  APICallError,
  embedMany,
  generateImage,
  generateSpeech,
  generateText,
  type LanguageModel,
  Output,
  RetryError,
  stepCountIs,
  streamText,
  tool,
  transcribe,
} from "ai";
import { z } from "zod";
import { KEY } from "../proxy/harness.ts";
import { gateways, type Place } from "./gateways.ts";
import { soon } from "./soon.ts";
import { waveFile } from "./sound.ts";

const { both, places } = await gateways();
beforeEach(() => {
  both.openai.reset();
  both.azure.reset();
});

const CHAT = "gpt-4o";
const City = z.object({ name: z.string(), people: z.number() });
const weather = tool({
  description: "The weather of a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `17 degrees in ${city}`,
});

/** Each provider as its users make it; only URL and key are Tandem's. */
const PROVIDERS: Readonly<Record<string, (place: Place) => OpenAIProvider | AzureOpenAIProvider>> = {
  createOpenAI: ({ harness }) => createOpenAI({ apiKey: KEY, baseURL: `${harness.url}/v1` }),
  "createAzure on v1": ({ harness }) => createAzure({ apiKey: KEY, baseURL: `${harness.url}/openai` }),
  "createAzure by deployments": ({ harness }) =>
    createAzure({
      apiKey: KEY,
      baseURL: `${harness.url}/openai`,
      apiVersion: "2025-04-01-preview",
      useDeploymentBasedUrls: true,
    }),
};

for (const place of places) {
  for (const [name, construct] of Object.entries(PROVIDERS)) {
    const provider = construct(place);
    const about = (what: string) => `${name} over ${place.form}: ${what}`;
    const byDeployment = name.endsWith("deployments");
    const models: Record<string, LanguageModel> = {
      "the chat API": provider.chat(CHAT),
      // Azure has responses at the resource, never at a deployment: the provider's path for it does not exist there.
      ...(byDeployment ? {} : { "the Responses API": provider.responses(CHAT) }),
    };
    for (const [api, model] of Object.entries(models)) {
      test(about(`text by ${api}, plain and streamed`), async () => {
        const { text, usage, finishReason } = await generateText({ model, prompt: "Hello", maxRetries: 0 });
        assert.match(text, /You said “Hello”/);
        assert.equal(finishReason, "stop");
        const stream = streamText({ model, prompt: "Hello", maxRetries: 0 });
        let streamed = "";
        for await (const part of stream.textStream) streamed += part;
        assert.equal(streamed, text);
        assert.equal((await stream.usage).outputTokens, usage.outputTokens);
        assert.ok((usage.outputTokens ?? 0) > 0);
      });

      test(about(`a loop of tools by ${api}, plain and streamed`), async () => {
        const ask = {
          model,
          prompt: "Please get_weather of Oslo",
          tools: { get_weather: weather },
          stopWhen: stepCountIs(4),
          maxRetries: 0,
        };
        const { steps, text } = await generateText(ask);
        assert.deepEqual(
          steps.map(({ toolCalls }) => toolCalls.length),
          [1, 0],
        );
        assert.notEqual(text, "");
        const streamed = await streamText(ask).steps;
        assert.equal(streamed[0]?.toolResults[0]?.output, steps[0]?.toolResults[0]?.output);
      });

      test(about(`an object of a schema by ${api}`), async () => {
        const { output } = await generateText({
          model,
          prompt: "A city please",
          output: Output.object({ schema: City }),
          maxRetries: 0,
        });
        assert.equal(typeof output.name, "string");
      });

      test(about(`a stream by ${api} that is aborted ends at the provider`), async () => {
        place.simulator.fault({ fault: "slow-tokens;ms=20" });
        const abort = new AbortController();
        const stream = streamText({
          model,
          prompt: "200 words please",
          abortSignal: abort.signal,
          maxRetries: 0,
          onError: () => undefined,
        });
        for await (const part of stream.textStream) {
          if (part !== "") abort.abort();
        }
        await soon(() => place.simulator.requests().some((one) => one.aborted), "the provider's stream ended");
      });
    }

    test(about("embeddings"), async () => {
      const model = provider.embedding("text-embedding-3-small");
      const { embeddings } = await embedMany({ model, values: ["one", "two"], maxRetries: 0 });
      assert.deepEqual(
        embeddings.map((vector) => vector.length),
        [1536, 1536],
      );
    });

    test(about("pictures, speech and transcription"), async () => {
      const picture = await generateImage({ model: provider.image("gpt-image-1"), prompt: "a dot", maxRetries: 0 });
      assert.ok(picture.image.uint8Array.length > 0);
      const said = await generateSpeech({
        model: provider.speech("gpt-4o-mini-tts"),
        text: "hello",
        outputFormat: "wav",
        maxRetries: 0,
      });
      assert.equal(Buffer.from(said.audio.uint8Array).toString("latin1", 0, 4), "RIFF");
      const model = provider.transcription("gpt-4o-transcribe");
      const { text } = await transcribe({ model, audio: waveFile(0.5), maxRetries: 0 });
      assert.notEqual(text, "");
    });
  }

  test(`over ${place.form}: retries and refusals surface as they are`, async () => {
    const provider = createOpenAI({ apiKey: KEY, baseURL: `${place.harness.url}/v1` });
    const ask = { model: provider.chat(CHAT), prompt: "Hello" };
    const count = () => place.simulator.requests().filter((one) => one.operation === "chat.completions").length;
    place.simulator.fault({ match: { operation: "chat.completions" }, fault: "429;retry-after-ms=5", times: 1 });
    await generateText({ ...ask, maxRetries: 2 });
    assert.equal(count(), 2);
    place.simulator.fault({ match: { operation: "chat.completions" }, fault: "context-length" });
    await assert.rejects(generateText({ ...ask, maxRetries: 2 }), (error) => {
      assert.ok(APICallError.isInstance(error) && !RetryError.isInstance(error));
      assert.equal(error.statusCode, 400);
      assert.equal((error.data as { error: { code: string } }).error.code, "context_length_exceeded");
      return true;
    });
    assert.equal(count(), 3);
  });
}
