/**
 * Is this whole JSON, and what does it say about the stream?
 *
 * One pass over the bytes of an event, no parse, no allocation: it checks the grammar (RFC 8259) and notes on the
 * way what the proxy needs. Of a chat chunk: finish reasons, usage, an error, content. Of a typed event: its type, its
 * number, its delta, and the usage that stands in it or in its `response`.
 */
import { stands } from "../json-bytes.ts";
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  INCOMPLETE,
  MALFORMED,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
  scalarEnd,
  stringEnd,
  wholeNumber,
  wholeNumberEnd,
} from "./json-tokens.ts";
import type { KeptText } from "./kept-text.ts";
import type { StreamProfile } from "./profile.ts";
import { SLOT_NUMBER, SLOT_PADDING, SLOT_TEXT } from "./template.ts";

/** Deeper nesting than any provider's answer has; a bound for a hostile one. */
const DEEPEST = 128;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const COMMA = 0x2c;
const COLON = 0x3a;
const LETTER_C = 0x63;
const LETTER_F = 0x66;
const LETTER_L = 0x6c;
const LETTER_N = 0x6e;
const LETTER_S = 0x73;
const LETTER_T = 0x74;

/** Where keys are looked at: 1 the chunk, 3 a choice, 4 its delta, 5 a function call, 7 the function of a tool call. */
const DEPTH_CHUNK = 1;
const DEPTH_RESPONSE = 2;
const DEPTH_CHOICE = 3;
const DEPTH_DELTA = 4;
const DEPTH_CALL = 5;
const DEPTH_TOOL = 7;

/** What a key means. */
const NOTHING = 0;
const ERROR = 1;
const USAGE = 2;
/** Perhaps: compared only when the value is a string, for it is null in nearly all chunks. */
const FINISH_REASON = 3;
const NUMBER = 4;
/** The value is content, if there is any. */
const CONTENT = 5;
const TYPE = 6;
const DELTA = 7;
const PADDING = 8;
/** The value is content, but not the answer's text: reasoning, a tool call, sound. */
const OTHER_CONTENT = 9;
/** Likewise. */
const REFUSAL = 10;

const word = (text: string) => Buffer.from(text);
const W_ERROR = word("error");
const W_USAGE = word("usage");
const W_FINISH_REASON = word("finish_reason");
const W_DELTA = word("delta");
const W_TEXT = word("text");
const W_CONTENT = word("content");
const W_AUDIO = word("audio");
const W_REFUSAL = word("refusal");
const W_REASONING = word("reasoning_content");
const W_TOOL_CALLS = word("tool_calls");
const W_FUNCTION_CALL = word("function_call");
const W_ARGUMENTS = word("arguments");
const W_INPUT = word("input");
const W_TYPE = word("type");
/** The only key of its length in any event; wrong, it would mean a wrong number in an error event, and no more. */
const W_NUMBER = word("sequence_number");
const W_RESPONSE = word("response");
const W_OBFUSCATION = word("obfuscation");

/** Places noted of one value, start, end and kind of each; no event has as many. */
const MOST_SLOTS = 12;

export class JsonScan {
  /** Choices that came to their end: `finish_reason` was a string. */
  finishes = 0;
  /** One of them was `length`, or `content_filter`. */
  truncated = false;
  filtered = false;
  /** One of them was `tool_calls` or `function_call`. */
  calledTools = false;
  /** A chat's `refusal` said something. */
  refused = false;

  // Of the last value alone.
  /** Some content of a chat, not a keep-alive and not a role alone. */
  contentSeen = false;
  /** Lines ended between its tokens, as JSON allows and a data line does not. */
  lineEnds = false;
  /** It had an `error` at its top. */
  error = false;
  /** Where its `usage` object stands; -1 when it has none. */
  usageStart = -1;
  usageEnd = -1;
  /** Between the quotes of its `type`, and of its `delta`. */
  typeStart = -1;
  typeEnd = -1;
  deltaStart = -1;
  deltaEnd = -1;
  /** Its `sequence_number`; -1 when it has none. */
  number = -1;
  /** A container of content, such as a tool call, was in it. */
  containerSeen = false;
  /** Content of a chat was in it, or a place for it, that is not the answer's text. */
  otherContentSeen = false;
  /** Places where it may differ from another event of its form: texts, the number, padding. */
  slotCount = 0;

  readonly #typed: boolean;
  readonly #text: KeptText | undefined;
  readonly #slots = new Int32Array(3 * MOST_SLOTS);
  readonly #isObject = new Uint8Array(DEEPEST + 1);
  /** What is read now stands in a typed event's `response`. */
  #inside = false;
  #keyStart = 0;
  #usageDepth = 0;

  /** `text` takes the content of chat chunks. */
  constructor(profile: StreamProfile = "chat", text?: KeptText) {
    this.#typed = profile === "typed";
    this.#text = text;
  }

  get isChat(): boolean {
    return !this.#typed;
  }

  slotAt(n: number): { readonly start: number; readonly end: number; readonly kind: number } {
    const [start = 0, end = 0, kind = 0] = this.#slots.subarray(3 * n, 3 * n + 3);
    return { start, end, kind };
  }

  /** All such places were noted, and there are some. */
  get hasSlots(): boolean {
    return this.slotCount > 0 && this.slotCount < MOST_SLOTS;
  }

  /** The offset behind the value that starts at `from` (white space before it allowed), INCOMPLETE or MALFORMED. */
  end(data: Buffer, from: number): number {
    this.#begin();
    const stack = this.#isObject;
    const length = data.length;
    let depth = 0;
    let key = NOTHING;
    let i = from;
    // What may come next: a value, a key, or a comma or end. `first` allows an end right after an opening.
    let expectKey = false;
    let first = false;
    for (;;) {
      if ((data[i] as number) <= SPACE) i = this.#space(data, i);
      if (i >= length) return INCOMPLETE;
      let byte = data[i] as number;
      if (first && (byte === CLOSE_BRACE || byte === CLOSE_BRACKET)) {
        // An empty container: falls through to the closing below.
      } else if (expectKey) {
        if (byte !== QUOTE) return MALFORMED;
        const close = stringEnd(data, i + 1);
        if (close < 0) return close;
        key = this.#typed
          ? this.#typedKey(data, i + 1, close - 1, depth)
          : this.#chatKey(data, i + 1, close - 1, depth);
        i = (data[close] as number) <= SPACE ? this.#space(data, close) : close;
        if (i >= length) return INCOMPLETE;
        if (data[i] !== COLON) return MALFORMED;
        i++;
        expectKey = false;
        first = false;
        continue;
      } else {
        first = false;
        if (key !== NOTHING) this.#note(key, data, i, depth);
        if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
          if (depth === DEEPEST) return MALFORMED;
          depth++;
          stack[depth] = byte === OPEN_BRACE ? 1 : 0;
          expectKey = byte === OPEN_BRACE;
          first = true;
          key = NOTHING;
          i++;
          continue;
        }
        const start = i;
        i = byte === QUOTE ? stringEnd(data, i + 1) : scalarEnd(data, i);
        if (i < 0) return i;
        if (key >= CONTENT && byte === QUOTE) this.#string(key, data, start + 1, i - 1);
        key = NOTHING;
        if (depth === 0) return i;
      }
      // Behind a value, or at the end of an empty container: a comma goes on, ends close.
      for (;;) {
        if ((data[i] as number) <= SPACE) i = this.#space(data, i);
        if (i >= length) return INCOMPLETE;
        byte = data[i] as number;
        i++;
        if (byte === COMMA && !first) {
          expectKey = stack[depth] === 1;
          break;
        }
        first = false;
        if (byte !== (stack[depth] === 1 ? CLOSE_BRACE : CLOSE_BRACKET)) return MALFORMED;
        depth--;
        if (depth === this.#usageDepth && this.usageEnd < 0) this.usageEnd = i;
        if (depth === 0) return i;
      }
    }
  }

  #space(data: Buffer, from: number): number {
    let i = from;
    for (;;) {
      const byte = data[i];
      if (byte === LF || byte === CR) this.lineEnds = true;
      else if (byte !== SPACE && byte !== TAB) return i;
      i++;
    }
  }

  #begin(): void {
    this.lineEnds = false;
    this.contentSeen = false;
    this.containerSeen = false;
    this.otherContentSeen = false;
    this.slotCount = 0;
    this.error = false;
    this.usageStart = -1;
    this.usageEnd = -1;
    this.typeStart = -1;
    this.deltaStart = -1;
    this.number = -1;
    this.#inside = false;
    this.#usageDepth = -1;
  }

  /** What the key means at this depth. Most keys are told by their length, and the rest are compared in place. */
  #chatKey(data: Buffer, start: number, end: number, depth: number): number {
    const size = end - start;
    switch (depth) {
      case DEPTH_CHUNK:
        if (size === W_OBFUSCATION.length) return stands(data, start, W_OBFUSCATION) ? PADDING : NOTHING;
        if (size !== W_USAGE.length) return NOTHING;
        return stands(data, start, W_USAGE) ? USAGE : stands(data, start, W_ERROR) ? ERROR : NOTHING;
      case DEPTH_CHOICE:
        this.#keyStart = start;
        if (size === W_FINISH_REASON.length) return FINISH_REASON;
        return size === W_TEXT.length && stands(data, start, W_TEXT) ? CONTENT : NOTHING;
      case DEPTH_DELTA:
        return deltaKey(data, start, size);
      case DEPTH_CALL:
      case DEPTH_TOOL:
        if (size === W_ARGUMENTS.length) return stands(data, start, W_ARGUMENTS) ? CONTENT : NOTHING;
        return size === W_INPUT.length && stands(data, start, W_INPUT) ? CONTENT : NOTHING;
      default:
        return NOTHING;
    }
  }

  #typedKey(data: Buffer, start: number, end: number, depth: number): number {
    if (depth > DEPTH_RESPONSE) return NOTHING;
    const size = end - start;
    if (depth === DEPTH_RESPONSE) {
      return this.#inside && size === W_USAGE.length && stands(data, start, W_USAGE) ? USAGE : NOTHING;
    }
    this.#inside = size === W_RESPONSE.length && stands(data, start, W_RESPONSE);
    if (size === W_TYPE.length) return stands(data, start, W_TYPE) ? TYPE : NOTHING;
    if (size === W_NUMBER.length) return data[start] === LETTER_S ? NUMBER : NOTHING;
    if (size === W_OBFUSCATION.length) return stands(data, start, W_OBFUSCATION) ? PADDING : NOTHING;
    if (size !== W_DELTA.length) return NOTHING;
    if (stands(data, start, W_DELTA)) return DELTA;
    return stands(data, start, W_USAGE) ? USAGE : stands(data, start, W_ERROR) ? ERROR : NOTHING;
  }

  /** The key's value begins at `at`. */
  #note(key: number, data: Buffer, at: number, depth: number): void {
    const byte = data[at] as number;
    if (key === CONTENT || key >= OTHER_CONTENT) {
      const filled = isFilled(data, at);
      // Also an empty text: the next event may be like this one but for its texts.
      if (key !== CONTENT && (filled || byte === QUOTE)) this.otherContentSeen = true;
      if (!filled) return;
      if (key === REFUSAL) this.refused = true;
      this.contentSeen = true;
      if (byte === QUOTE) return;
      this.containerSeen = true;
      this.otherContentSeen = true;
    } else if (key === FINISH_REASON) {
      if (byte === QUOTE && stands(data, this.#keyStart, W_FINISH_REASON)) this.#finish(data[at + 1]);
    } else if (key === ERROR) this.error = byte !== LETTER_N;
    else if (key === NUMBER) this.#noteNumber(data, at);
    else if (key === USAGE && byte === OPEN_BRACE) {
      this.usageStart = at;
      this.usageEnd = -1;
      this.#usageDepth = depth;
    }
  }

  /** OpenAI's reasons begin with letters of their own: stop, length, tool_calls, content_filter, function_call. */
  #finish(letter: number | undefined): void {
    this.finishes++;
    if (letter === LETTER_L) this.truncated = true;
    else if (letter === LETTER_C) this.filtered = true;
    else if (letter === LETTER_T || letter === LETTER_F) this.calledTools = true;
  }

  #noteNumber(data: Buffer, at: number): void {
    const end = wholeNumberEnd(data, at);
    if (end < 0) return;
    this.number = wholeNumber(data, at, end);
    this.#slot(at, end, SLOT_NUMBER);
  }

  #string(key: number, data: Buffer, start: number, end: number): void {
    switch (key) {
      case REFUSAL:
      case CONTENT:
      case OTHER_CONTENT:
        // An empty one says nothing, and the next one may: no form to hold it against.
        if (key === REFUSAL && start === end) this.slotCount = MOST_SLOTS;
        this.#text?.add(data, start, end);
        this.#slot(start, end, SLOT_TEXT);
        break;
      case DELTA:
        // Of two only the last one counts: no form to hold others against.
        if (this.deltaStart >= 0) this.slotCount = MOST_SLOTS;
        this.deltaStart = start;
        this.deltaEnd = end;
        this.#slot(start, end, SLOT_TEXT);
        break;
      case PADDING:
        this.#slot(start, end, SLOT_PADDING);
        break;
      case TYPE:
        this.typeStart = start;
        this.typeEnd = end;
        break;
    }
  }

  #slot(start: number, end: number, kind: number): void {
    if (this.slotCount === MOST_SLOTS) return;
    const slots = this.#slots;
    const at = 3 * this.slotCount++;
    slots[at] = start;
    slots[at + 1] = end;
    slots[at + 2] = kind;
  }
}

/** A string or a container that is not empty. Where the bytes end before that is known it is looked at again with more. */
function isFilled(data: Buffer, at: number): boolean {
  const byte = data[at];
  if (byte === QUOTE) return at + 1 < data.length && data[at + 1] !== QUOTE;
  if (byte !== OPEN_BRACE && byte !== OPEN_BRACKET) return false;
  let next = at + 1;
  while ((data[next] as number) <= SPACE) next++;
  return next < data.length && data[next] !== CLOSE_BRACE && data[next] !== CLOSE_BRACKET;
}

function deltaKey(data: Buffer, start: number, size: number): number {
  switch (size) {
    case W_CONTENT.length:
      if (stands(data, start, W_CONTENT)) return CONTENT;
      return stands(data, start, W_REFUSAL) ? REFUSAL : NOTHING;
    case W_AUDIO.length:
      return stands(data, start, W_AUDIO) ? OTHER_CONTENT : NOTHING;
    case W_TOOL_CALLS.length:
      return stands(data, start, W_TOOL_CALLS) ? OTHER_CONTENT : NOTHING;
    case W_FUNCTION_CALL.length:
      return stands(data, start, W_FUNCTION_CALL) ? OTHER_CONTENT : NOTHING;
    case W_REASONING.length:
      return stands(data, start, W_REASONING) ? OTHER_CONTENT : NOTHING;
    default:
      return NOTHING;
  }
}
