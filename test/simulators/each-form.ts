/** How do tests reach the same operation at OpenAI, on Azure's v1 and in Azure's dated form? */

import OpenAI, { type APIError, AzureOpenAI, toFile } from "openai";
import type { SimulatorOptions } from "../../simulators/main.ts";
import { AZURE_KEY, azure, OPENAI_KEY, openai } from "./ask.ts";

/** One way in, with the official client for it and the names that models have there. */
export interface Form {
  readonly name: "OpenAI" | "Azure v1" | "Azure dated";
  readonly client: OpenAI;
  /** Base URL without a slash at the end. */
  readonly base: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What belongs behind every path, `?api-version=…` or nothing. */
  readonly query: string;
  readonly models: Readonly<Record<"chat" | "reasoning" | "embed" | "image" | "whisper" | "hear" | "speech", string>>;
}

const MODELS: Form["models"] = {
  chat: "gpt-4o",
  reasoning: "o3",
  embed: "text-embedding-3-small",
  image: "gpt-image-1",
  whisper: "whisper-1",
  hear: "gpt-4o-transcribe",
  speech: "gpt-4o-mini-tts",
};
const DEPLOYMENTS = Object.fromEntries(
  Object.keys(MODELS).map((kind) => [kind, `${kind}-deployed`]),
) as unknown as Form["models"];
export const API_VERSION = "2025-04-01-preview";
const PATIENCE_MS = 10_000;

/** Starts both simulators, with deployments of all kinds at Azure. */
export async function startForms(options: SimulatorOptions = {}): Promise<readonly [Form, Form, Form]> {
  const deployments = Object.entries(MODELS).map(([kind, model]) => ({ name: `${kind}-deployed`, model }));
  const openaiServer = await openai(options);
  const azureServer = await azure({ deployments, ...options });
  const bearer = { authorization: `Bearer ${OPENAI_KEY}` };
  const key = { "api-key": AZURE_KEY };
  const base = `${openaiServer.url}/v1`;
  const v1 = `${azureServer.url}/openai/v1`;
  const plain = new OpenAI({ apiKey: OPENAI_KEY, baseURL: base, maxRetries: 0 });
  const onV1 = new OpenAI({ apiKey: AZURE_KEY, baseURL: v1, maxRetries: 0 });
  const dated = new AzureOpenAI({
    apiKey: AZURE_KEY,
    endpoint: azureServer.url,
    apiVersion: API_VERSION,
    maxRetries: 0,
  });
  return [
    { name: "OpenAI", client: plain, base, headers: bearer, query: "", models: MODELS },
    { name: "Azure v1", client: onV1, base: v1, headers: key, query: "", models: DEPLOYMENTS },
    {
      name: "Azure dated",
      client: dated,
      base: `${azureServer.url}/openai`,
      headers: key,
      query: `?api-version=${API_VERSION}`,
      models: DEPLOYMENTS,
    },
  ];
}

export function textFile(text: string, name = "notes.txt") {
  return toFile(Buffer.from(text), name);
}

/** For `assert.rejects`: a refusal with this status. */
export function status(expected: number): (error: APIError) => boolean {
  return (error) => {
    if (error.status !== expected) throw new Error(`Expected ${expected}, got ${error.status}: ${error.message}`);
    return true;
  };
}

/** Asks until `done` says so; gives up after `PATIENCE_MS`. */
export async function until<T>(ask: () => Promise<T>, done: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (done(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`Still ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const entries: T[] = [];
  for await (const entry of list) entries.push(entry);
  return entries;
}
