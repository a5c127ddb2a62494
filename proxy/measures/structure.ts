/**
 * Has an answer the structure that its request asked for, and did it end by itself?
 *
 * Only asked on routes with a rollout, when the answer has ended. Of a stream the reader has seen it while it passed; a
 * plain answer is read here once more.
 */
import { parsed } from "../body/json-values.ts";
import type { Received } from "../body/receive.ts";
import { BodyScan } from "../body/scan.ts";
import { KEPT_TEXT_BYTES } from "../sse/kept-text.ts";
import type { EventReader } from "../sse/reader.ts";

export interface Structure {
  readonly truncated: boolean;
  readonly refused: boolean;
  /** Undefined: none was asked for, or what came cannot be told apart from a whole one. */
  readonly valid: boolean | undefined;
}

/** What a request asks its answer to be made of. */
export interface Asked {
  /** JSON, instead of text as it comes. */
  readonly json: boolean;
  /** The answer may call tools, whose arguments are JSON. */
  readonly tools: boolean;
}

const NOTHING_ASKED: Asked = { json: false, tools: false };

/** Larger answers are not read once more. */
const LARGEST_READ_BYTES = 256 * 1024;
/** A body that is longer is not looked through for what it asks. */
const LARGEST_BODY_BYTES = 2 * 1024 * 1024;
const LARGEST_FORMAT_BYTES = 256 * 1024;

/** Where chats and responses say it. */
const FORMATS = ["response_format", "text"];
const TOOLS = ["tools", "functions"];
const FIELDS: ReadonlySet<string> = new Set([...FORMATS, ...TOOLS]);
const HINTS = [...FIELDS].map((name) => Buffer.from(`"${name}"`));

export function askedIn(body: Received | undefined): Asked {
  if (!body || body.rest || body.scan.length > LARGEST_BODY_BYTES) return NOTHING_ASKED;
  const { chunks } = body.scan;
  // Found by native search; most requests ask for neither.
  if (chunks.length === 1 && !HINTS.some((hint) => chunks[0]?.includes(hint))) return NOTHING_ASKED;
  const scan = new BodyScan(FIELDS);
  for (const chunk of chunks) scan.push(chunk);
  const tools = TOOLS.some((name) => scan.fields.get(name)?.kind === "nested");
  return { json: FORMATS.some((name) => asksJSON(scan, name)), tools };
}

function asksJSON(scan: BodyScan, name: string): boolean {
  const field = scan.fields.get(name);
  if (field?.kind !== "nested" || field.end - field.start > LARGEST_FORMAT_BYTES) return false;
  const value = parsed(scan.slice(field.start, field.end).toString("utf8"));
  const format = name === "text" ? memberOf(value, "format") : value;
  const type = memberOf(format, "type");
  return type === "json_object" || type === "json_schema";
}

/** Of a whole plain answer. Undefined: too large, or none that is made of choices or output. */
export function structureOf(answer: readonly Buffer[], asked: Asked): Structure | undefined {
  let bytes = 0;
  for (const chunk of answer) bytes += chunk.length;
  if (bytes > LARGEST_READ_BYTES) return undefined;
  const value = parsed(Buffer.concat(answer).toString("utf8"));
  if (Array.isArray(memberOf(value, "choices"))) return ofChoices(listIn(value, "choices"), asked);
  return Array.isArray(memberOf(value, "output")) ? ofResponse(value, asked) : undefined;
}

function ofChoices(choices: readonly unknown[], asked: Asked): Structure {
  const ends = choices.map((choice) => memberOf(choice, "finish_reason"));
  const messages = choices.map((choice) => memberOf(choice, "message"));
  const calls = messages.flatMap((message) => [
    ...listIn(message, "tool_calls").flatMap((call) => argumentsIn(memberOf(call, "function"))),
    ...argumentsIn(memberOf(message, "function_call")),
  ]);
  const refused = ends.includes("content_filter") || messages.some((message) => isText(memberOf(message, "refusal")));
  const texts = messages.map((message) => memberOf(message, "content"));
  return { truncated: ends.includes("length"), refused, valid: refused ? undefined : validity(texts, calls, asked) };
}

/** A tool that is no function takes what it likes. `function_call`: before there were tools. */
function argumentsIn(called: unknown): readonly unknown[] {
  return typeof called === "object" && called !== null ? [memberOf(called, "arguments")] : [];
}

function ofResponse(response: unknown, asked: Asked): Structure {
  const items = listIn(response, "output");
  const parts = items.filter((item) => memberOf(item, "type") === "message").flatMap((item) => listIn(item, "content"));
  const calls = items.filter((item) => memberOf(item, "type") === "function_call");
  const isIncomplete = memberOf(response, "status") === "incomplete";
  const isFiltered = memberOf(memberOf(response, "incomplete_details"), "reason") === "content_filter";
  const refused = isFiltered || parts.some((part) => memberOf(part, "type") === "refusal");
  const texts = parts.map((part) => memberOf(part, "text"));
  const valid = validity(
    texts.length === 0 && calls.length > 0 ? [] : [texts.join("")],
    calls.map((call) => memberOf(call, "arguments")),
    asked,
  );
  return { truncated: isIncomplete && !isFiltered, refused, valid: refused ? undefined : valid };
}

/** Where tools are called, the text beside them is for nobody to parse. */
function validity(texts: readonly unknown[], calls: readonly unknown[], asked: Asked): boolean | undefined {
  if (calls.length > 0) return calls.every(isArguments);
  // Who may call a tool and says something instead does nothing wrong.
  return asked.json ? texts.every(isJSON) : asked.tools ? true : undefined;
}

/** An empty text stands for no arguments. */
function isArguments(value: unknown): boolean {
  return value === "" || isObject(typeof value === "string" ? parsed(value) : undefined);
}

function isJSON(value: unknown): boolean {
  return typeof value === "string" && parsed(value) !== undefined;
}

/** Of a stream that has been read to its end. Pieces of several choices come mixed. */
export function structureOfStream(events: EventReader, asked: Asked, choices: number): Structure {
  const { truncated, refused } = events;
  return { truncated, refused, valid: refused || choices > 1 ? undefined : streamValidity(events, asked) };
}

/**
 * What passed are pieces of one JSON string after another. Tools' arguments are objects, one behind the other; where a
 * text may stand before them, they cannot be told apart.
 */
function streamValidity({ text, unmixed, calledTools }: EventReader, asked: Asked): boolean | undefined {
  if ((!asked.json && !asked.tools) || text.bytes > KEPT_TEXT_BYTES) return undefined;
  if (!calledTools && !asked.json) return true;
  if (!unmixed) return undefined;
  const said = parsed(`"${text.kept.toString("utf8")}"`);
  if (typeof said !== "string") return false;
  if (!calledTools) return isJSON(said);
  return said.trim() === "" || said.trimStart().startsWith("{") ? areObjects(said) : undefined;
}

/** `{…}{…}` and nothing else. */
function areObjects(text: string): boolean {
  let depth = 0;
  let start = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (inString) {
      if (letter === "\\") i++;
      else if (letter === '"') inString = false;
    } else if (letter === '"') inString = true;
    else if (letter === "{") depth++;
    else if (letter === "}" && --depth === 0) {
      if (!isObject(parsed(text.slice(start, i + 1)))) return false;
      start = i + 1;
    }
  }
  return text.slice(start).trim() === "";
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

function listIn(value: unknown, name: string): readonly unknown[] {
  const list = memberOf(value, name);
  return Array.isArray(list) ? list : [];
}
