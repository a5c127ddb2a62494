/** How do these tests start simulators and look at every byte of an answer? */

import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { after } from "node:test";
import {
  DEMO_APPLICATION,
  type EntraOptions,
  type ListenOptions,
  type RunningEntra,
  type RunningSimulator,
  startAzure,
  startEntra,
  startOpenAI,
} from "../../simulators/main.ts";

export const OPENAI_KEY = "sk-demo-openai";
export const AZURE_KEY = "demo-azure-key";
export const CHAT = { model: "gpt-4o", messages: [{ role: "user", content: "Say something “nice” to me" }] };
export const DATED = "/openai/deployments/gpt-4o-prod/chat/completions?api-version=2024-10-21";

/** Closed when the test file ends. */
export async function openai(options: ListenOptions = {}): Promise<RunningSimulator> {
  const simulator = await startOpenAI(options);
  after(() => simulator.close());
  return simulator;
}

export async function azure(options: ListenOptions = {}): Promise<RunningSimulator> {
  const simulator = await startAzure(options);
  after(() => simulator.close());
  return simulator;
}

export async function entra(options: EntraOptions = {}): Promise<RunningEntra> {
  const simulator = await startEntra(options);
  after(() => simulator.close());
  return simulator;
}

/** A token request that deserves a token, but for what is changed; undefined leaves a field out. */
export function askToken(
  simulator: RunningEntra,
  change: Readonly<Record<string, string | undefined>> = {},
  tenant = DEMO_APPLICATION.tenant,
): Promise<Answer> {
  const fields = {
    grant_type: "client_credentials",
    client_id: DEMO_APPLICATION.clientID,
    client_secret: DEMO_APPLICATION.secrets[0],
    scope: "https://cognitiveservices.azure.com/.default",
    ...change,
  };
  const given = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined);
  return ask(`${simulator.url}/${tenant}/oauth2/v2.0/token`, {
    body: new URLSearchParams(given).toString(),
    headers: { "content-type": "application/x-www-form-urlencoded" },
    patienceMs: 300,
  });
}

/** The token of such a request. */
export async function tokenOf(
  simulator: RunningEntra,
  change: Readonly<Record<string, string | undefined>> = {},
): Promise<string> {
  const { access_token: token } = JSON.parse((await askToken(simulator, change)).text) as { access_token: string };
  return token;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Bytes as they arrived, one entry for each read. */
  readonly reads: readonly Buffer[];
  /** `whole`: ended as HTTP says; `broken`: connection lost inside the body; `open`: nothing more until `patienceMs`. */
  readonly end: "whole" | "broken" | "open";
}

export interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** How long to wait for more before the test goes away. */
  readonly patienceMs?: number;
}

/** Asks once on a connection of its own. Rejects when the connection ends before any header. */
export function ask(url: string, question: Question = {}): Promise<Answer> {
  const { headers = {}, body, patienceMs = 5_000 } = question;
  const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const type = payload === undefined ? {} : { "content-type": "application/json" };
  const method = question.method ?? (payload === undefined ? "GET" : "POST");
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers: { ...type, ...headers }, agent: false });
    const silence = setTimeout(() => sent.destroy(new Error("silence")), patienceMs);
    sent.once("error", (error) => {
      clearTimeout(silence);
      reject(error);
    });
    sent.once("response", (response) => {
      clearTimeout(silence);
      void readWhole(response, patienceMs).then((answer) => {
        sent.destroy();
        resolve(answer);
      });
    });
    sent.end(payload);
  });
}

function readWhole(response: IncomingMessage, patienceMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    const reads: Buffer[] = [];
    const finish = (end: Answer["end"]) => {
      clearTimeout(patience);
      const text = Buffer.concat(reads).toString();
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text, reads, end });
    };
    let patience = setTimeout(() => finish("open"), patienceMs);
    response.on("data", (read: Buffer) => {
      reads.push(read);
      clearTimeout(patience);
      patience = setTimeout(() => finish("open"), patienceMs);
    });
    response.once("end", () => finish("whole"));
    response.on("error", () => finish("broken"));
  });
}

export function askOpenai(
  simulator: RunningSimulator,
  body: unknown,
  headers: Record<string, string> = {},
  more: Question = {},
): Promise<Answer> {
  return ask(`${simulator.url}/v1/chat/completions`, {
    body,
    headers: { authorization: `Bearer ${OPENAI_KEY}`, ...headers },
    ...more,
  });
}

export function askAzure(
  simulator: RunningSimulator,
  body: unknown,
  headers: Record<string, string> = {},
  more: Question = {},
  path = DATED,
): Promise<Answer> {
  return ask(simulator.url + path, { body, headers: { "api-key": AZURE_KEY, ...headers }, ...more });
}

/** The data of each server-sent event, comments left out. */
export function eventsOf(text: string): string[] {
  return text
    .split(/\r?\n\r?\n/)
    .filter((block) => block.includes("data: "))
    .map((block) => block.slice(block.indexOf("data: ") + "data: ".length));
}

export interface Chunk {
  readonly id: string;
  readonly object: string;
  readonly model: string;
  readonly created: number;
  readonly choices: readonly {
    readonly index: number;
    readonly delta?: {
      readonly role?: string;
      readonly content?: string | null;
      readonly tool_calls?: readonly object[];
    };
    readonly finish_reason: string | null;
    readonly content_filter_results?: Readonly<Record<string, { filtered: boolean }>>;
    readonly content_filter_offsets?: object;
  }[];
  readonly usage?: Readonly<Record<string, number>> | null;
  readonly obfuscation?: string;
  readonly prompt_filter_results?: readonly object[];
}

export function chunksOf(text: string): Chunk[] {
  return eventsOf(text)
    .filter((data) => data !== "[DONE]")
    .map((data) => JSON.parse(data) as Chunk);
}

export function said(chunks: readonly Chunk[], index = 0): string {
  return chunks
    .flatMap((chunk) => chunk.choices.filter((choice) => choice.index === index))
    .map((choice) => choice.delta?.content ?? "")
    .join("");
}

/** A whole chat completion. */
export interface Completion {
  readonly id: string;
  readonly object: string;
  readonly model: string;
  readonly choices: readonly {
    readonly message: {
      readonly content: string | null;
      readonly tool_calls?: readonly { function: { name: string; arguments: string } }[];
    };
    readonly finish_reason: string;
    readonly logprobs: { content: readonly { token: string }[] } | null;
    readonly content_filter_results?: object;
  }[];
  readonly usage: Readonly<Record<string, number>> & { readonly completion_tokens_details: Record<string, number> };
}

export const completionOf = (answer: Answer) => JSON.parse(answer.text) as Completion;
