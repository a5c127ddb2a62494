/**
 * What do the measured requests and answers look like?
 *
 * Pure functions, so that the load client, the provider stand-in and the report agree on every byte.
 */

/** Size of one content event of a chat stream, `data: ` and the blank line included. */
const EVENT_BYTES = 172;
/** The same of Responses, whose events carry a name, an item's id and a number. */
const RESPONSE_EVENT_BYTES = 270;
/** Size of the plain answer's JSON. */
const ANSWER_BYTES = 610;

export type API = "chat" | "responses";

/** Same for all targets; only Tandem looks at them. */
export const PATHS: Readonly<Record<API, string>> = { chat: "/v1/chat/completions", responses: "/v1/responses" };

export interface BodyShape {
  /** Absent: chat. */
  readonly api?: API;
  /** About how many bytes the JSON body has. */
  readonly bytes: number;
  readonly messages: number;
  /** Some SDKs write `model` before the messages, some after; a proxy that scans for it must be measured on both. */
  readonly modelAt: "first" | "last";
  readonly stream: boolean;
}

/** What the provider stand-in answers to every POST until it is told otherwise. */
export type Answer =
  | { readonly kind: "json" }
  /** `gapMs` 0: the events are written one by one, as fast as the socket takes them. */
  | { readonly kind: "stream"; readonly api: API; readonly chunks: number; readonly gapMs: number }
  /** Headers and one event, then silence: an open stream that costs memory and nothing else. */
  | { readonly kind: "idle" };

export const MODEL = "gpt-4o";

/** Prompt text as it really is: quotes, newlines, backslashes and some letters beyond ASCII; all of it needs escapes or UTF-8. */
const PROMPT = 'Explain this:\n\tconst path = "C:\\\\temp";\n\tif (a < b && c > d) { return path; } // größer, 例\n';

export function requestBody(shape: BodyShape): Buffer {
  const frame = JSON.stringify(bodyOf(shape, "")).length;
  const each = Math.max(1, Math.floor((shape.bytes - frame) / shape.messages));
  return Buffer.from(JSON.stringify(bodyOf(shape, promptOf(each))));
}

function bodyOf(shape: BodyShape, content: string): unknown {
  if (shape.api === "responses") return { model: MODEL, input: content, temperature: 0.2, stream: shape.stream };
  const messages = Array.from({ length: shape.messages }, (_, index) => ({
    role: index === 0 && shape.messages > 1 ? "system" : index % 2 === 0 ? "user" : "assistant",
    content,
  }));
  const options = { temperature: 0.2, ...(shape.stream ? { stream: true } : {}) };
  return shape.modelAt === "first" ? { model: MODEL, messages, ...options } : { messages, model: MODEL, ...options };
}

/** @param bytes about how long the text is once it is a JSON string in UTF-8. */
function promptOf(bytes: number): string {
  const encoded = Buffer.byteLength(JSON.stringify(PROMPT)) - 2;
  const whole = PROMPT.repeat(Math.floor(bytes / encoded));
  return whole + "x".repeat(bytes % encoded);
}

export function plainAnswer(): Buffer {
  const answer = (content: string) =>
    JSON.stringify({
      id: "chatcmpl-BenchBenchBenchBenchBench",
      object: "chat.completion",
      created: 1_763_900_000,
      model: "gpt-4o-2024-11-20",
      choices: [
        { index: 0, message: { role: "assistant", content, refusal: null }, logprobs: null, finish_reason: "stop" },
      ],
      usage: { prompt_tokens: 60, completion_tokens: 20, total_tokens: 80 },
      system_fingerprint: "fp_bench",
    });
  return Buffer.from(answer("x".repeat(ANSWER_BYTES - answer("").length)));
}

/** The events of a stream: `chunks` of content and what stands around them. */
export function streamEvents(api: API, chunks: number): readonly string[] {
  return api === "chat" ? chatEvents(chunks) : responseEvents(chunks);
}

/** What comes before `[DONE]` when usage was asked for, which of all targets Tandem alone does. */
export const USAGE_EVENT = `data: ${JSON.stringify({
  ...chunkOf([]),
  usage: { prompt_tokens: 60, completion_tokens: 20, total_tokens: 80 },
})}\n\n`;

function chatEvents(chunks: number): readonly string[] {
  const filler = "x".repeat(EVENT_BYTES - contentEvent("").length);
  const content = contentEvent(filler);
  return [...new Array<string>(chunks).fill(content), eventOf({}, "stop"), "data: [DONE]\n\n"];
}

function contentEvent(content: string): string {
  return eventOf({ content }, null);
}

function eventOf(delta: object, finishReason: string | null): string {
  return `data: ${JSON.stringify(chunkOf([{ index: 0, delta, finish_reason: finishReason }]))}\n\n`;
}

function chunkOf(choices: readonly object[]): object {
  return { id: "chatcmpl-Bench", object: "chat.completion.chunk", created: 1_763_900_000, model: MODEL, choices };
}

/** As OpenAI sends them, the envelope of the one message left out. */
function responseEvents(chunks: number): readonly string[] {
  let number = 0;
  const event = (type: string, fields: object) => {
    const data = JSON.stringify({ type, ...fields, sequence_number: number });
    number += 1;
    return `event: ${type}\ndata: ${data}\n\n`;
  };
  const response = { id: "resp_Bench", object: "response", created_at: 1_763_900_000, model: MODEL, output: [] };
  const usage = { input_tokens: 60, output_tokens: 20, total_tokens: 80 };
  const place = { item_id: "msg_6876cf02e0bc8192b74af0fb64b715ff06fa2fcced15a5ac", output_index: 0, content_index: 0 };
  const content = (delta: string) => event("response.output_text.delta", { ...place, delta, logprobs: [] });
  const created = event("response.created", { response: { ...response, status: "in_progress", usage: null } });
  const frame = content("").length;
  number = 1;
  const deltas = Array.from({ length: chunks }, () => content("x".repeat(RESPONSE_EVENT_BYTES - frame)));
  return [created, ...deltas, event("response.completed", { response: { ...response, status: "completed", usage } })];
}

/** Bytes of an id that Tandem makes of a provider's, twice in a stream of Responses, and some. */
const LONGER_IDS_BYTES = 400;

export interface PayloadSize {
  readonly least: number;
  readonly most: number;
}

/** Payload that a right answer has; a target that sends anything else is in error, not fast. Undefined: it never ends. */
export function payloadSize(answer: Answer): PayloadSize | undefined {
  if (answer.kind === "json") return { least: ANSWER_BYTES, most: ANSWER_BYTES };
  if (answer.kind === "idle") return undefined;
  const least = streamEvents(answer.api, answer.chunks).reduce((sum, event) => sum + event.length, 0);
  return { least, most: answer.api === "responses" ? least + LONGER_IDS_BYTES : least };
}
