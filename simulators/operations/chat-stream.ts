/** In which server-sent events does a chat answer arrive? */

import type { Call, StreamEvent } from "../call.ts";
import { SAFE } from "../content-filter.ts";
import type { TokenCounter } from "../tokens.ts";
import { audioEvents } from "./chat-audio.ts";
import { isObject } from "./chat-request.ts";
import { type Choice, type Completion, choiceFilter, logprobsOf, promptFilter, usageBody } from "./completion.ts";
import type { JsonObject } from "./operation.ts";

const OBFUSCATION = "aB3dE5gH7jK9mN1pQ2rS4tU6";
const DONE: StreamEvent = { kind: "done", data: "[DONE]" };
const ARGUMENT_PIECE_CHARACTERS = 12;

/** How one stream's chunks look. */
type ChunkWriter = (choice: object | undefined, more?: object) => string;

interface StreamPlan {
  readonly call: Call;
  readonly completion: Completion;
  readonly counter: TokenCounter;
  readonly chunk: ChunkWriter;
  readonly logprobs: boolean;
  readonly azure: boolean;
  /** Azure's asynchronous filter: text first, judgement later. */
  readonly asynchronous: boolean;
}

export function* chatEvents(
  call: Call,
  body: JsonObject,
  completion: Completion,
  counter: TokenCounter,
): Iterable<StreamEvent> {
  const options = isObject(body.stream_options) ? body.stream_options : {};
  const azure = call.provider === "azure";
  const withUsage = options.include_usage === true;
  const plan: StreamPlan = {
    call,
    completion,
    counter,
    azure,
    chunk: azure
      ? azureChunk(completion, withUsage)
      : openaiChunk(completion, withUsage, options.include_obfuscation !== false),
    logprobs: body.logprobs === true,
    asynchronous: azure && isAsynchronous(call),
  };
  if (azure) yield promptAnnotation(call, withUsage);
  for (const index of completion.choices.keys()) yield { kind: "prelude", data: roleChunk(plan, index) };
  for (const [index, choice] of completion.choices.entries()) yield* choiceEvents(plan, choice, index);
  if (withUsage) yield { kind: "usage", data: plan.chunk(undefined, { usage: usageBody(completion.usage) }) };
  yield DONE;
}

function isAsynchronous(call: Call): boolean {
  const name = call.fault?.name;
  return (
    name === "async-filter" || name === "async-filter-blocked" || call.serving?.deployment?.filter === "asynchronous"
  );
}

/** Azure's first event: every field empty but the prompt's judgement. */
function promptAnnotation(call: Call, withUsage: boolean): StreamEvent {
  const empty = { choices: [], created: 0, id: "", model: "", object: "", prompt_filter_results: promptFilter(call) };
  return { kind: "prelude", data: JSON.stringify(withUsage ? { ...empty, usage: null } : empty) };
}

function roleChunk(plan: StreamPlan, index: number): string {
  const { toolCalls, spoken } = plan.completion.choices[index] ?? {};
  const delta = { role: "assistant", content: toolCalls || spoken ? null : "", refusal: null };
  return plan.chunk(choiceBody(plan, index, delta, null, {}));
}

function choiceBody(
  plan: StreamPlan,
  index: number,
  delta: object,
  finish: string | null,
  filter: object,
  logprobs: object | null = null,
): object {
  if (!plan.azure) return { index, delta, logprobs, finish_reason: finish };
  if (plan.asynchronous) return { index, delta, finish_reason: finish, logprobs };
  return { content_filter_results: filter, delta, finish_reason: finish, index, logprobs };
}

function* choiceEvents(plan: StreamPlan, choice: Choice, index: number): Iterable<StreamEvent> {
  const fault = plan.call.fault;
  yield* contentEvents(plan, choice, index);
  if (plan.asynchronous && fault?.name === "async-filter-blocked") {
    yield { kind: "finish", data: blockedAnnotation(index, choice.text.length) };
    return;
  }
  if (plan.asynchronous) yield { kind: "annotation", data: passedAnnotation(index, 0, choice.text.length) };
  const filtered = fault?.name === "filtered";
  yield {
    kind: "finish",
    data: plan.chunk(choiceBody(plan, index, {}, choice.finishReason, filtered ? choiceFilter(plan.call) : {})),
  };
  if (plan.asynchronous)
    yield { kind: "annotation", data: passedAnnotation(index, choice.text.length, choice.text.length) };
}

function contentEvents(plan: StreamPlan, choice: Choice, index: number): Iterable<StreamEvent> {
  if (choice.toolCalls) return toolEvents(plan, choice, index);
  if (!choice.spoken) return textEvents(plan, choice, index);
  const chunk = (delta: object) => plan.chunk(choiceBody(plan, index, delta, null, {}));
  return audioEvents(choice, choice.spoken, plan.counter, chunk);
}

function* textEvents(plan: StreamPlan, choice: Choice, index: number): Iterable<StreamEvent> {
  const filter = plan.azure ? choiceFilterOfPart(plan.call) : {};
  for (const piece of plan.counter.split(choice.text)) {
    const logprobs = plan.logprobs ? logprobsOf(piece.text, plan.counter) : null;
    const body = choiceBody(plan, index, { content: piece.text }, null, filter, logprobs);
    yield { kind: "content", data: plan.chunk(body), tokens: piece.tokens };
  }
}

/** What was not filtered is safe; only the finish chunk of a filtered answer says otherwise. */
function choiceFilterOfPart(call: Call): object {
  return call.fault?.name === "filtered" ? SAFE : choiceFilter(call);
}

function* toolEvents(plan: StreamPlan, choice: Choice, index: number): Iterable<StreamEvent> {
  for (const [at, tool] of (choice.toolCalls ?? []).entries()) {
    const named = { index: at, id: tool.id, type: "function", function: { name: tool.function.name, arguments: "" } };
    yield {
      kind: "content",
      data: plan.chunk(choiceBody(plan, index, { tool_calls: [named] }, null, {})),
      tokens: plan.counter.count(tool.function.name),
    };
    const text = tool.function.arguments;
    for (let from = 0; from < text.length; from += ARGUMENT_PIECE_CHARACTERS) {
      const part = text.slice(from, from + ARGUMENT_PIECE_CHARACTERS);
      const delta = { tool_calls: [{ index: at, function: { arguments: part } }] };
      yield {
        kind: "content",
        data: plan.chunk(choiceBody(plan, index, delta, null, {})),
        tokens: plan.counter.count(part),
      };
    }
  }
}

function openaiChunk(completion: Completion, withUsage: boolean, obfuscate: boolean): ChunkWriter {
  const { id, created, snapshot, fingerprint } = completion;
  const head = {
    id,
    object: "chat.completion.chunk",
    created,
    model: snapshot,
    service_tier: "default",
    system_fingerprint: fingerprint,
  };
  let written = 0;
  return (choice, more) => {
    written += 1;
    const tail = withUsage ? { usage: null, ...more } : (more ?? {});
    const noise = obfuscate ? { obfuscation: OBFUSCATION.slice(0, 4 + (written % (OBFUSCATION.length - 4))) } : {};
    return JSON.stringify({ ...head, choices: choice ? [choice] : [], ...tail, ...noise });
  };
}

function azureChunk(completion: Completion, withUsage: boolean): ChunkWriter {
  const { id, created, snapshot, fingerprint } = completion;
  const tail = { created, id, model: snapshot, object: "chat.completion.chunk", system_fingerprint: fingerprint };
  return (choice, more) =>
    JSON.stringify({ choices: choice ? [choice] : [], ...tail, ...(withUsage && { usage: null }), ...more });
}

/** Asynchronous filter: a chunk with an empty id and no delta says how far the text has been judged. */
function passedAnnotation(index: number, from: number, to: number): string {
  return asyncAnnotation({
    index,
    finish_reason: null,
    content_filter_results: SAFE,
    content_filter_offsets: { check_offset: from, start_offset: from, end_offset: to },
  });
}

function blockedAnnotation(index: number, to: number): string {
  const results = { protected_material_text: { detected: true, filtered: true } };
  return asyncAnnotation({
    index,
    finish_reason: "content_filter",
    content_filter_results: results,
    content_filter_offsets: { check_offset: 0, start_offset: 0, end_offset: to },
  });
}

function asyncAnnotation(choice: object): string {
  return JSON.stringify({ id: "", object: "", created: 0, model: "", choices: [choice] });
}
