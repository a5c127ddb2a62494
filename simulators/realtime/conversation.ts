/**
 * What does a simulated session say to each event of its caller?
 *
 * Strict where the providers are: unknown types, fields without which nothing can be done, and a model that changes
 * within the session get an `error` event, and the session goes on.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Serving } from "../call.ts";
import { newId } from "../ids.ts";
import { isObject } from "../operations/chat-request.ts";
import type { JsonObject } from "../operations/operation.ts";
import { ESTIMATE } from "../tokens.ts";
import { type Form, type ResponseUsage, responseEvents, sessionBody } from "./events.ts";

/** 24 kHz, 16 bit. */
const BYTES_PER_SECOND = 48_000;
/** Of audio (the providers count 10 for a second of the caller's). */
const TOKENS_PER_SECOND = 10;
const LONGEST_AUDIO_BYTES = 15 * 1024 * 1024;

export interface ConversationOptions {
  readonly form: Form;
  readonly serving: Serving | undefined;
  /** As the caller named it: what `session.update` may repeat. */
  readonly model: string | undefined;
  readonly session: JsonObject;
  readonly perTokenMs: number;
  send(event: JsonObject): void;
  charge(usage: ResponseUsage): void;
}

type Handler = (event: JsonObject) => void | Promise<void>;

export class Conversation {
  readonly #options: ConversationOptions;
  readonly #id = newId("sess_");
  readonly #conversationID = newId("conv_");
  readonly #handlers: Readonly<Record<string, Handler>>;
  #session: JsonObject;
  #audioBytes = 0;
  #audioSeconds = 0;
  #texts: string[] = [];
  #tokensBefore = 0;
  #isSpeaking = false;
  #isCancelled = false;

  constructor(options: ConversationOptions) {
    this.#options = options;
    const { form, serving, session } = options;
    this.#session = sessionBody(form, this.#id, serving?.snapshot, session);
    this.#handlers = {
      "session.update": (event) => this.#update(event),
      "transcription_session.update": (event) => this.#update(event),
      "input_audio_buffer.append": (event) => this.#append(event),
      "input_audio_buffer.commit": (event) => this.#commit(event),
      "input_audio_buffer.clear": () => {
        this.#audioBytes = 0;
        this.#send({ type: "input_audio_buffer.cleared" });
      },
      "conversation.item.create": (event) => this.#create(event),
      "response.create": (event) => this.#respond(event),
      "response.cancel": (event) => this.#cancel(event),
    };
  }

  get isTranscription(): boolean {
    return this.#session.type === "transcription" || this.#options.serving === undefined;
  }

  begin(): void {
    const preview = this.#options.form === "preview" && this.isTranscription;
    this.#send({ type: preview ? "transcription_session.created" : "session.created", session: this.#session });
    if (this.#options.form === "preview" && !preview) {
      this.#send({
        type: "conversation.created",
        conversation: { id: this.#conversationID, object: "realtime.conversation" },
      });
    }
  }

  async hear(text: string): Promise<void> {
    let event: unknown;
    try {
      event = JSON.parse(text);
    } catch {
      this.#refuse({}, "invalid_json", "The event could not be parsed as JSON.");
      return;
    }
    const { type } = isObject(event) ? event : {};
    if (!isObject(event) || typeof type !== "string") {
      this.#refuse({}, "invalid_event", "The 'type' field is missing.", "type");
      return;
    }
    const handle = Object.hasOwn(this.#handlers, type) ? this.#handlers[type] : undefined;
    if (handle) await handle(event);
    else this.#refuse(event, "invalid_value", `Invalid value: '${type}'.`, "type");
  }

  #send(event: JsonObject): void {
    this.#options.send({ type: event.type, event_id: newId("event_"), ...event });
  }

  #refuse(event: JsonObject, code: string, message: string, param: string | null = null): void {
    const error = { type: "invalid_request_error", code, message, param, event_id: event.event_id ?? null };
    this.#send({ type: "error", error });
  }

  #update(event: JsonObject): void {
    const { session } = event;
    const { form, model, serving } = this.#options;
    if (!isObject(session)) {
      this.#refuse(event, "missing_required_parameter", "Missing required parameter: 'session'.", "session");
      return;
    }
    if (form === "ga" && session.type === undefined) {
      this.#refuse(event, "missing_required_parameter", "Missing required parameter: 'session.type'.", "session.type");
      return;
    }
    const named = session.model;
    if (named !== undefined && serving && named !== model && named !== serving.snapshot) {
      this.#refuse(event, "cannot_update_model", "Cannot update a conversation's model.", "session.model");
      return;
    }
    this.#session = { ...this.#session, ...session, ...(serving && { model: serving.snapshot }) };
    const preview = event.type === "transcription_session.update";
    this.#send({ type: preview ? "transcription_session.updated" : "session.updated", session: this.#session });
  }

  #append(event: JsonObject): void {
    if (typeof event.audio !== "string") {
      this.#refuse(event, "missing_required_parameter", "Missing required parameter: 'audio'.", "audio");
      return;
    }
    const bytes = Math.floor((event.audio.length * 3) / 4);
    if (bytes > LONGEST_AUDIO_BYTES) this.#refuse(event, "invalid_value", "The audio is too long.", "audio");
    else this.#audioBytes += bytes;
  }

  #commit(event: JsonObject): void {
    if (this.#audioBytes === 0) {
      this.#refuse(event, "input_audio_buffer_commit_empty", "Error committing input audio buffer: buffer too small.");
      return;
    }
    const seconds = this.#audioBytes / BYTES_PER_SECOND;
    const item_id = newId("item_");
    this.#audioBytes = 0;
    this.#audioSeconds += seconds;
    this.#send({ type: "input_audio_buffer.committed", previous_item_id: null, item_id });
    if (this.#transcriber() !== undefined) this.#transcribe(item_id, seconds);
  }

  #transcriber(): unknown {
    const { audio, input_audio_transcription: preview } = this.#session;
    const input = isObject(audio) && isObject(audio.input) ? audio.input.transcription : undefined;
    for (const one of [input, preview]) if (isObject(one)) return one.model;
    return undefined;
  }

  #transcribe(item_id: string, seconds: number): void {
    const transcript = `About ${seconds.toFixed(1)} seconds of sound.`;
    const name = "conversation.item.input_audio_transcription";
    const [audio, output] = [Math.ceil(seconds * TOKENS_PER_SECOND), ESTIMATE.count(transcript)];
    const usage =
      this.#transcriber() === "whisper-1"
        ? { type: "duration", seconds: Math.ceil(seconds) }
        : {
            type: "tokens",
            total_tokens: audio + output,
            input_tokens: audio,
            input_token_details: { text_tokens: 0, audio_tokens: audio },
            output_tokens: output,
          };
    this.#send({ type: `${name}.delta`, item_id, content_index: 0, delta: transcript });
    this.#send({ type: `${name}.completed`, item_id, content_index: 0, transcript, usage });
  }

  #create(event: JsonObject): void {
    const { item } = event;
    if (!isObject(item) || typeof item.type !== "string") {
      this.#refuse(event, "missing_required_parameter", "Missing required parameter: 'item'.", "item");
      return;
    }
    for (const part of Array.isArray(item.content) ? item.content : []) {
      if (isObject(part) && typeof part.text === "string") this.#texts.push(part.text);
    }
    const whole = { id: newId("item_"), object: "realtime.item", status: "completed", ...item };
    const names = this.#options.form === "ga" ? ["added", "done"] : ["created"];
    for (const name of names) this.#send({ type: `conversation.item.${name}`, previous_item_id: null, item: whole });
  }

  async #respond(event: JsonObject): Promise<void> {
    const { form, serving, perTokenMs, charge } = this.#options;
    if (this.isTranscription || !serving) {
      this.#refuse(event, "invalid_value", "A transcription session makes no responses.", "type");
      return;
    }
    if (this.#isSpeaking) {
      this.#refuse(event, "conversation_already_has_active_response", "Conversation already has an active response.");
      return;
    }
    this.#isSpeaking = true;
    this.#isCancelled = false;
    const asked = isObject(event.response) ? event.response : {};
    const said = this.#texts.join(" ") || "nothing";
    const where = serving.deployment ? `deployment ${serving.deployment.name}` : "OpenAI";
    const wanted = Number(/\b(\d{1,5}) words\b/.exec(said)?.[1] ?? 0);
    const text = `This is ${serving.snapshot} at ${where}. You said ${said}.${" word".repeat(wanted)}`;
    const speech = {
      form,
      text,
      isAudio:
        !modalitiesOf(asked, this.#session).includes("text") || modalitiesOf(asked, this.#session).includes("audio"),
      conversationID: this.#conversationID,
      metadata: asked.metadata,
    };
    const audioIn = Math.ceil(this.#audioSeconds * TOKENS_PER_SECOND);
    const used = { textIn: ESTIMATE.count(said) + this.#tokensBefore, audioIn, cached: this.#tokensBefore };
    const events = responseEvents(speech, ESTIMATE, used);
    for (;;) {
      const { value, done } = events.next();
      if (done) {
        this.#tokensBefore += value.textOut;
        this.#audioSeconds = 0;
        charge(value);
        break;
      }
      if (this.#isCancelled && String(value.type).endsWith(".delta")) continue;
      this.#send(value);
      if (String(value.type).endsWith(".delta")) await (perTokenMs > 0 ? sleep(perTokenMs) : undefined);
    }
    this.#isSpeaking = false;
    this.#send({ type: "rate_limits.updated", rate_limits: [] });
  }

  #cancel(event: JsonObject): void {
    if (this.#isSpeaking) this.#isCancelled = true;
    else this.#refuse(event, "response_cancel_not_active", "Cancellation failed: no active response found");
  }
}

function modalitiesOf(asked: JsonObject, session: JsonObject): readonly unknown[] {
  const { output_modalities, modalities } = { ...session, ...asked };
  const found = output_modalities ?? modalities;
  return Array.isArray(found) ? found : ["audio"];
}
