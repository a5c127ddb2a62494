/**
 * What an event reader does, written plainly: the whole stream as a text, lines split, every event parsed.
 *
 * The judge of the one that looks at bytes as they come. Keys are looked at by their depth, as there.
 */

export interface Verdict {
  readonly passed: string;
  readonly dropped: number;
  readonly done: boolean;
  readonly whole: boolean;
  readonly failed: boolean;
  readonly contentSeen: boolean;
  /** Input and output tokens. */
  readonly usage: readonly [number, number] | undefined;
  readonly text: string;
}

interface State {
  passed: string;
  dropped: number;
  done: boolean;
  endings: number;
  failed: boolean;
  contentSeen: boolean;
  usage: readonly [number, number] | undefined;
  text: string;
}

type Json = Record<string, unknown>;

const TERMINAL =
  /^(?:response\.(?:completed|incomplete)|transcript\.text\.done|speech\.audio\.done|image_(?:generation|edit)\.completed)$/;
const CONTENT =
  /.delta$|^(?:response\.image_generation_call|image_generation|image_edit)\.partial_image$|^image_(?:generation|edit)\.completed$|^transcript\.text\.(?:done|segment)$/;
const CHAT_CONTENT = new Set(["content", "refusal", "reasoning_content", "audio", "tool_calls", "function_call"]);

export function plainlyRead(stream: string, typed: boolean, choices: number): Verdict {
  const state: State = {
    passed: "",
    dropped: 0,
    done: false,
    endings: 0,
    failed: false,
    contentSeen: false,
    usage: undefined,
    text: "",
  };
  for (const event of eventsOf(stream)) {
    if (state.done) break;
    const lines = event.split(/\r\n|\n|\r/);
    const data = lines.filter((line) => line === "data" || line.startsWith("data:"));
    const text = data.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
    const name =
      lines
        .findLast((line) => line.startsWith("event:"))
        ?.slice(6)
        .trim() ?? "";
    if (data.length === 0) state.passed += event;
    else if (text.trim() === "[DONE]") {
      state.done = true;
      state.passed += event;
    } else judge(state, event, text, name, typed);
  }
  const { endings, ...verdict } = state;
  return { ...verdict, whole: !state.failed && (state.done || endings >= choices) };
}

/** Lines up to an empty one, which is never the first; what follows the last empty line is no event. */
function eventsOf(stream: string): string[] {
  const events: string[] = [];
  let event = "";
  for (const line of stream.match(/[^\r\n]*(?:\r\n|\n|\r)/g) ?? []) {
    const ends = event !== "" && /^[\r\n]/.test(line);
    event += line;
    if (!ends) continue;
    events.push(event);
    event = "";
  }
  return events;
}

function judge(state: State, event: string, text: string, name: string, typed: boolean): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    state.dropped++;
    return;
  }
  state.passed += event;
  const top = isObject(value) ? value : {};
  if (Object.hasOwn(top, "error") && top.error !== null) state.failed = true;
  if (typed) readTyped(state, top, name);
  else readChat(state, top, value);
}

function readTyped(state: State, event: Json, name: string): void {
  const type = typeof event.type === "string" ? event.type : name;
  if (CONTENT.test(type)) state.contentSeen = true;
  if (TERMINAL.test(type)) state.endings++;
  if (type === "error" || type === "response.failed") state.failed = true;
  const isDelta = /.delta$/.test(type);
  if (isDelta && typeof event.delta === "string" && !type.endsWith("audio.delta")) state.text += event.delta;
  if (isDelta) return;
  const response = isObject(event.response) ? event.response : {};
  const usage = tokensOf(event.usage) ?? tokensOf(response.usage);
  if (!usage) return;
  const adds = /^image_(?:generation|edit)\.completed$/.test(type) && state.usage;
  state.usage = adds ? [adds[0] + usage[0], adds[1] + usage[1]] : usage;
}

function readChat(state: State, chunk: Json, value: unknown): void {
  walk(value, 0, (depth, key, found) => {
    if (depth === 3 && key === "finish_reason" && typeof found === "string") state.endings++;
    const isContent =
      (depth === 3 && key === "text") ||
      (depth === 4 && CHAT_CONTENT.has(key)) ||
      ((depth === 5 || depth === 7) && (key === "arguments" || key === "input"));
    if (!isContent) return;
    if (typeof found === "string") state.text += found;
    if (typeof found === "string" || typeof found === "object") {
      if (found !== null && Object.keys(found).length > 0) state.contentSeen = true;
    }
  });
  state.usage = tokensOf(chunk.usage) ?? state.usage;
}

function walk(value: unknown, depth: number, see: (depth: number, key: string, value: unknown) => void): void {
  if (Array.isArray(value)) for (const item of value) walk(item, depth + 1, see);
  else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      see(depth + 1, key, item);
      walk(item, depth + 1, see);
    }
  }
}

function tokensOf(usage: unknown): [number, number] | undefined {
  if (!isObject(usage)) return undefined;
  const input = usage.prompt_tokens ?? usage.input_tokens;
  const output = usage.completion_tokens ?? usage.output_tokens;
  return typeof input === "number" ? [input, typeof output === "number" ? output : 0] : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
