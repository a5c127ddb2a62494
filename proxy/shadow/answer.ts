/**
 * What does an answer say, apart from how it says it?
 *
 * Read off the request's path, of an answer that is kept whole: plain JSON or an event stream, of chats, completions,
 * responses and embeddings, as both providers send them.
 */
import { eventEnd, linesOf } from "../sse/lines.ts";

/** What is compared of an answer. */
export interface Said {
  /** Why each choice ended, in their order. */
  readonly finish: readonly string[];
  /** Each call of a tool: its name and the names of its arguments. */
  readonly tools: readonly string[];
  /** The model, or a filter, would not answer. */
  readonly refused: boolean;
  /** Of each choice. */
  readonly texts: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

const LINE_END_BYTES = 2;

/** Undefined: it is not what such an operation answers with. */
export function saidIn(operation: string, isStream: boolean, body: Buffer): Said | undefined {
  try {
    return isStream ? ofEvents(operation, eventsOf(body)) : ofWhole(operation, objectOf(JSON.parse(body.toString())));
  } catch {
    return undefined;
  }
}

function ofWhole(operation: string, answer: Json): Said {
  if (operation === "responses") return ofResponse(answer);
  if (operation === "embeddings") return ofEmbeddings(answer);
  return ofChoices(listOf(answer.choices).map(choiceOf));
}

function ofEvents(operation: string, events: readonly Json[]): Said | undefined {
  if (operation === "responses") {
    const last = events.findLast(({ response, type }) => response !== undefined && isLast(type));
    return last && ofResponse(objectOf(last.response));
  }
  return events.length === 0 ? undefined : ofChoices(joinedChoices(events));
}

function isLast(type: unknown): boolean {
  return type === "response.completed" || type === "response.incomplete" || type === "response.failed";
}

interface Call {
  name: string;
  arguments: string;
}

interface Choice {
  finish: string;
  text: string;
  refusal: string;
  readonly calls: Map<unknown, Call>;
}

function choiceOf(choice: Json): Choice {
  const message = objectOf(choice.message);
  const calls = new Map<unknown, Call>(
    listOf(message.tool_calls).map((call, i) => [i, callOf(objectOf(call.function ?? call.custom))]),
  );
  if (message.function_call) calls.set("function_call", callOf(objectOf(message.function_call)));
  const text = textOf(message.content) + textOf(choice.text);
  return { finish: textOf(choice.finish_reason), text, refusal: textOf(message.refusal), calls };
}

function callOf(call: Json): Call {
  return { name: textOf(call.name), arguments: textOf(call.arguments) };
}

/** The pieces of a stream's choices, put together. */
function joinedChoices(events: readonly Json[]): readonly Choice[] {
  const choices = new Map<unknown, Choice>();
  for (const piece of events.flatMap((event) => listOf(event.choices))) {
    const index = piece.index ?? 0;
    const choice = choices.get(index) ?? { finish: "", text: "", refusal: "", calls: new Map() };
    choices.set(index, choice);
    const delta = objectOf(piece.delta);
    choice.finish = textOf(piece.finish_reason) || choice.finish;
    choice.text += textOf(delta.content) + textOf(piece.text);
    choice.refusal += textOf(delta.refusal);
    for (const call of listOf(delta.tool_calls))
      addCall(choice, call.index ?? 0, objectOf(call.function ?? call.custom));
    if (delta.function_call) addCall(choice, "function_call", objectOf(delta.function_call));
  }
  return [...choices].sort(([a], [b]) => Number(a) - Number(b)).map(([, choice]) => choice);
}

function addCall({ calls }: Choice, index: unknown, piece: Json): void {
  const call = calls.get(index) ?? { name: "", arguments: "" };
  calls.set(index, call);
  call.name += textOf(piece.name);
  call.arguments += textOf(piece.arguments);
}

function ofChoices(choices: readonly Choice[]): Said {
  return {
    finish: choices.map(({ finish }) => finish),
    tools: choices.flatMap(({ calls }) => [...calls.values()].map((call) => shapeOf(call.name, call.arguments))),
    refused: choices.some(({ finish, refusal }) => finish === "content_filter" || refusal !== ""),
    texts: choices.map(({ text }) => text),
  };
}

function ofResponse(response: Json): Said {
  const items = listOf(response.output);
  const parts = items.filter(({ type }) => type === "message").flatMap(({ content }) => listOf(content));
  const reason = textOf(objectOf(response.incomplete_details).reason);
  const refusals = parts.filter(({ type }) => type === "refusal");
  return {
    finish: [reason === "" ? textOf(response.status) : `${textOf(response.status)}:${reason}`],
    tools: items.filter(({ type }) => textOf(type).endsWith("_call")).map(toolOf),
    refused: reason === "content_filter" || refusals.length > 0,
    texts: [parts.map(({ text }) => textOf(text)).join("")],
  };
}

function toolOf({ type, name, arguments: given }: Json): string {
  return type === "function_call" ? shapeOf(textOf(name), textOf(given)) : `${textOf(type)} ${textOf(name)}`.trim();
}

/** `weather(city,unit)`; arguments that are no JSON object are `weather(?)`. */
function shapeOf(name: string, given: string): string {
  return `${name}(${argumentsOf(given)})`;
}

function argumentsOf(text: string): string {
  if (text === "") return "";
  try {
    const given: unknown = JSON.parse(text);
    return isObject(given) ? Object.keys(given).sort().join(",") : "?";
  } catch {
    return "?";
  }
}

/** How many vectors of how many numbers; base64 in place of numbers has its own length. */
function ofEmbeddings(answer: Json): Said {
  const sizes = listOf(answer.data).map(({ embedding }) => lengthOf(embedding));
  return { finish: [`${sizes.length} of ${[...new Set(sizes)].join(", ")}`], tools: [], refused: false, texts: [] };
}

function lengthOf(vector: unknown): number {
  return typeof vector === "string" || Array.isArray(vector) ? vector.length : 0;
}

/** The objects that a stream's events hold; what is none is left out. */
function eventsOf(body: Buffer): readonly Json[] {
  const events: Json[] = [];
  let from = 0;
  const whole = Buffer.concat([body, Buffer.from("\n".repeat(LINE_END_BYTES))]);
  for (;;) {
    const end = eventEnd(whole, from, true);
    if (end < 0) return events;
    const { data } = linesOf(whole.subarray(from, end));
    from = end;
    if (data === undefined || !data.trimStart().startsWith("{")) continue;
    try {
      events.push(objectOf(JSON.parse(data)));
    } catch {
      // The relay leaves such events out as well.
    }
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const EMPTY: Json = {};

function objectOf(value: unknown): Json {
  return isObject(value) ? value : EMPTY;
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}

/** Of parts of a message, their texts. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map((part) => textOf(objectOf(part).text)).join("");
  return typeof value === "string" ? value : "";
}
