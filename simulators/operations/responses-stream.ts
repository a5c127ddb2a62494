/** In which named events does a response arrive? */

import type { StreamEvent } from "../call.ts";
import type { Piece, ResponseBody } from "./responses.ts";

/** Every event carries its type and its number; there is no `[DONE]`. */
export function* responseEvents(response: ResponseBody, pieces: readonly Piece[]): Iterable<StreamEvent> {
  let number = 0;
  const event = (kind: StreamEvent["kind"], type: string, fields: object, tokens = 0): StreamEvent => {
    const data = JSON.stringify({ type, ...fields, sequence_number: number });
    number += 1;
    return { kind, event: type, data, tokens };
  };
  const begun = { ...response, status: "in_progress", output: [], usage: null };
  yield event("prelude", "response.created", { response: begun });
  yield event("prelude", "response.in_progress", { response: begun });
  for (const [index, item] of response.output.entries()) {
    const place = { item_id: item.id, output_index: index };
    yield event("prelude", "response.output_item.added", {
      output_index: index,
      item: { ...item, status: "in_progress", ...emptied(item.type) },
    });
    const parts = item.type === "message" ? messageNames(place) : toolNames(place);
    for (const [type, fields] of parts.before) yield event("prelude", type, fields);
    for (const piece of pieces)
      yield event("content", parts.delta, { ...parts.place, delta: piece.text }, piece.tokens);
    const text = pieces.map((piece) => piece.text).join("");
    for (const [type, fields] of parts.after(text)) yield event("annotation", type, fields);
    yield event("annotation", "response.output_item.done", { output_index: index, item });
  }
  yield event("finish", `response.${String(response.status)}`, { response });
}

interface PartNames {
  readonly place: object;
  readonly delta: string;
  readonly before: readonly (readonly [string, object])[];
  after(text: string): readonly (readonly [string, object])[];
}

function emptied(type: string): object {
  return type === "message" ? { content: [] } : { arguments: "" };
}

function messageNames(item: object): PartNames {
  const place = { ...item, content_index: 0 };
  const part = (text: string) => ({ type: "output_text", annotations: [], logprobs: [], text });
  return {
    place: { ...place, logprobs: [] },
    delta: "response.output_text.delta",
    before: [["response.content_part.added", { ...place, part: part("") }]],
    after: (text) => [
      ["response.output_text.done", { ...place, text, logprobs: [] }],
      ["response.content_part.done", { ...place, part: part(text) }],
    ],
  };
}

function toolNames(place: object): PartNames {
  return {
    place,
    delta: "response.function_call_arguments.delta",
    before: [],
    after: (text) => [["response.function_call_arguments.done", { ...place, arguments: text }]],
  };
}
