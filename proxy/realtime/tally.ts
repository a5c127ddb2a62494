/**
 * What do the provider's events say of a session: tokens, responses, errors, its name?
 *
 * Usage stands in `response.done` (OpenAI's specification, RealtimeResponse.usage) and, for what transcribes the
 * caller's speech, in `conversation.item.input_audio_transcription.completed`. The latter is another model's unless the
 * session only transcribes: it is summed apart.
 */
import type { Usage } from "../exchange.ts";
import { typeOf } from "./frames.ts";
import { fieldsAt, JsonProblem, type Place, placeAt, textAt, valueAt } from "./json-places.ts";

const DELTA = ".delta";
const TRANSCRIBED = "conversation.item.input_audio_transcription.completed";

type Count = Record<"input" | "cachedInput" | "output" | "reasoning" | "audioInput" | "audioOutput", number>;

export interface Transcribed {
  inputTokens: number;
  outputTokens: number;
  /** Of audio, where that is what the provider counts. */
  seconds: number;
}

export class Tally {
  /** The provider's id of the session, and what it calls the model. */
  sessionID: string | undefined;
  model: string | undefined;
  responses = 0;
  /** Begun and not yet ended. */
  active = 0;
  errors = 0;
  /** Milliseconds from the first response's start to its first delta. */
  firstTokenMs: number | undefined;
  transcribed: Transcribed | undefined;
  /** Does nothing but transcribe, as its caller asked or its provider says. */
  isTranscription: boolean;
  /** Called with every response's tokens. */
  onTokens: ((tokens: number) => void) | undefined;
  #usage: Count | undefined;
  #startedAt: number | undefined;

  constructor(isTranscription: boolean) {
    this.isTranscription = isTranscription;
  }

  get usage(): Usage | undefined {
    return this.#usage;
  }

  /** Every frame of the provider, in order. Never throws. */
  see(frame: Buffer): void {
    const type = typeOf(frame);
    if (type === undefined) return;
    if (type.endsWith(DELTA)) {
      if (this.firstTokenMs === undefined && this.#startedAt !== undefined) {
        this.firstTokenMs = performance.now() - this.#startedAt;
      }
      return;
    }
    try {
      this.#read(type, frame);
    } catch (error) {
      // The provider's events are passed on as they are: what cannot be read is not counted.
      if (!(error instanceof JsonProblem)) throw error;
    }
  }

  #read(type: string, frame: Buffer): void {
    switch (type) {
      case "session.created":
        this.#name(frame);
        return;
      case "session.updated":
        this.#noteType(frame, sessionAt(frame));
        return;
      case "transcription_session.created":
        this.isTranscription = true;
        this.#name(frame);
        return;
      case "transcription_session.updated":
        this.isTranscription = true;
        return;
      case "response.created":
        this.active++;
        this.#startedAt ??= performance.now();
        return;
      case "response.done":
        this.responses++;
        this.active = Math.max(0, this.active - 1);
        this.#add(usageAt(frame, ["response", "usage"]));
        return;
      case TRANSCRIBED:
        this.#addTranscript(usageAt(frame, ["usage"]));
        return;
      case "error":
        this.errors++;
        return;
      default:
    }
  }

  #name(frame: Buffer): void {
    const session = sessionAt(frame);
    const fields = session && fieldsAt(frame, ["id", "model"], session);
    this.#noteType(frame, session);
    this.sessionID = textAt(frame, fields?.get("id"));
    this.model = textAt(frame, fields?.get("model"));
  }

  /** An ephemeral key's session is of the type that the key was made for. */
  #noteType(frame: Buffer, session: Place | undefined): void {
    const type = session && textAt(frame, fieldsAt(frame, ["type"], session).get("type"));
    if (type === "transcription") this.isTranscription = true;
  }

  #add(usage: Json | undefined): void {
    if (!usage) return;
    this.#usage ??= { input: 0, cachedInput: 0, output: 0, reasoning: 0, audioInput: 0, audioOutput: 0 };
    const input = objectOf(usage.input_token_details);
    const output = objectOf(usage.output_token_details);
    this.#usage.input += count(usage.input_tokens);
    this.#usage.output += count(usage.output_tokens);
    this.#usage.cachedInput += count(input.cached_tokens);
    this.#usage.audioInput += count(input.audio_tokens);
    this.#usage.audioOutput += count(output.audio_tokens);
    this.#usage.reasoning += count(output.reasoning_tokens);
    this.onTokens?.(Math.ceil(count(usage.input_tokens) + count(usage.output_tokens)));
  }

  #addTranscript(usage: Json | undefined): void {
    if (!usage) return;
    if (this.isTranscription) this.#add(usage);
    this.transcribed ??= { inputTokens: 0, outputTokens: 0, seconds: 0 };
    this.transcribed.inputTokens += count(usage.input_tokens);
    this.transcribed.outputTokens += count(usage.output_tokens);
    this.transcribed.seconds += count(usage.seconds);
  }
}

function sessionAt(frame: Buffer): Place | undefined {
  return placeAt(frame, ["session"]);
}

type Json = Readonly<Record<string, unknown>>;

function usageAt(frame: Buffer, path: readonly string[]): Json | undefined {
  const place = placeAt(frame, path);
  return place?.kind === "nested" ? objectOf(valueAt(frame, place)) : undefined;
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

function count(value: unknown): number {
  return typeof value === "number" && value > 0 && Number.isFinite(value) ? value : 0;
}
