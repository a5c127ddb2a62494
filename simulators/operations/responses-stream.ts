/** In which named events does a response arrive? */

import type { StreamEvent } from "../call.ts";
import { type OutputItem, type Piece, type ResponseBody, unfinished } from "./response-shape.ts";

type Named = readonly [type: string, fields: object];
type Emit = (kind: StreamEvent["kind"], named: Named, tokens?: number) => StreamEvent;

const OBFUSCATION = "aB3dE5gH7jK9mN1pQ2rS4tU6";

/** Every event carries its type and its number; there is no `[DONE]`. The pieces belong to the last item. */
export function* responseEvents(
  response: ResponseBody,
  pieces: readonly Piece[],
  obfuscate: boolean,
): Iterable<StreamEvent> {
  let number = 0;
  const emit: Emit = (kind, [type, fields], tokens = 0) => {
    const noise = obfuscate && kind === "content" ? { obfuscation: OBFUSCATION.slice(0, 4 + (number % 16)) } : {};
    const data = JSON.stringify({ type, ...fields, ...noise, sequence_number: number });
    number += 1;
    return { kind, event: type, data, tokens };
  };
  const begun = unfinished(response, "in_progress");
  yield emit("prelude", [
    "response.created",
    { response: response.background ? unfinished(response, "queued") : begun },
  ]);
  if (response.background) yield emit("prelude", ["response.queued", { response: unfinished(response, "queued") }]);
  yield emit("prelude", ["response.in_progress", { response: begun }]);
  for (const [index, item] of response.output.entries()) {
    yield emit("prelude", ["response.output_item.added", { output_index: index, item: started(item) }]);
    yield* itemEvents(item, index, pieces, emit);
    yield emit("annotation", ["response.output_item.done", { output_index: index, item }]);
  }
  yield emit("finish", [`response.${response.status}`, { response }]);
}

const EMPTIED: Readonly<Record<string, object>> = {
  message: { content: [] },
  function_call: { arguments: "" },
  code_interpreter_call: { code: "", outputs: null },
  file_search_call: { queries: [], results: null },
  image_generation_call: { result: null },
};

function started(item: OutputItem): object {
  return item.type === "reasoning" ? item : { ...item, status: "in_progress", ...EMPTIED[item.type] };
}

function* itemEvents(item: OutputItem, index: number, pieces: readonly Piece[], emit: Emit): Iterable<StreamEvent> {
  const place = { item_id: item.id, output_index: index };
  if (item.type === "message") yield* messageEvents(item, place, pieces, emit);
  if (item.type === "function_call") yield* functionEvents(item, place, pieces, emit);
  for (const named of HOSTED[item.type]?.(item, place) ?? []) yield emit("prelude", named);
}

function* messageEvents(item: OutputItem, spot: object, pieces: readonly Piece[], emit: Emit): Iterable<StreamEvent> {
  const place = { ...spot, content_index: 0 };
  const part = (item.content as readonly object[])[0] as { text: string; annotations: readonly object[] };
  yield emit("prelude", ["response.content_part.added", { ...place, part: { ...part, text: "", annotations: [] } }]);
  for (const piece of pieces) {
    yield emit("content", ["response.output_text.delta", { ...place, delta: piece.text, logprobs: [] }], piece.tokens);
  }
  for (const [at, annotation] of part.annotations.entries()) {
    const fields = { ...place, annotation_index: at, annotation };
    yield emit("annotation", ["response.output_text.annotation.added", fields]);
  }
  yield emit("annotation", ["response.output_text.done", { ...place, text: part.text, logprobs: [] }]);
  yield emit("annotation", ["response.content_part.done", { ...place, part }]);
}

function* functionEvents(item: OutputItem, place: object, pieces: readonly Piece[], emit: Emit): Iterable<StreamEvent> {
  const type = "response.function_call_arguments";
  for (const piece of pieces) yield emit("content", [`${type}.delta`, { ...place, delta: piece.text }], piece.tokens);
  yield emit("annotation", [`${type}.done`, { ...place, name: item.name, arguments: item.arguments }]);
}

/** What the tools that run at the provider say of themselves meanwhile. */
const HOSTED: Readonly<Record<string, (item: OutputItem, place: object) => readonly Named[]>> = {
  file_search_call: (_item, place) =>
    ["in_progress", "searching", "completed"].map((state) => [`response.file_search_call.${state}`, place]),
  image_generation_call: (item, place) => [
    ["response.image_generation_call.in_progress", place],
    ["response.image_generation_call.generating", place],
    [
      "response.image_generation_call.partial_image",
      { ...place, partial_image_index: 0, partial_image_b64: item.result },
    ],
    ["response.image_generation_call.completed", place],
  ],
  code_interpreter_call: (item, place) => [
    ["response.code_interpreter_call.in_progress", place],
    ["response.code_interpreter_call_code.delta", { ...place, delta: item.code }],
    ["response.code_interpreter_call_code.done", { ...place, code: item.code }],
    ["response.code_interpreter_call.interpreting", place],
    ["response.code_interpreter_call.completed", place],
  ],
};
