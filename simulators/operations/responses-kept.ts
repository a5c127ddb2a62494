/** How is a response that was kept read, followed, cancelled and deleted? */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest, openaiError } from "../errors.ts";
import { type Desk, idOf, json, type Operation } from "./operation.ts";
import { listAnswer, queryOf } from "./paging.ts";
import { type StoredResponse, unfinished } from "./response-shape.ts";
import { eventsSoFar, RESPONSES } from "./responses.ts";

const FINISHED = ["completed", "failed", "incomplete", "cancelled"];

export const getResponse: Operation = {
  ...RESPONSES,
  name: "responses.retrieve",
  method: "GET",
  path: "responses/{response_id}",
  body: "none",
  run: withResponse((stored, call) =>
    queryOf(call).get("stream") === "true" ? follow(stored, call) : json(stored.body),
  ),
};

export const deleteResponse: Operation = {
  ...RESPONSES,
  name: "responses.delete",
  method: "DELETE",
  path: "responses/{response_id}",
  body: "none",
  run: withResponse(({ id }, call, desk) => {
    desk.shelf.responses.delete(id);
    return json({ id, object: call.provider === "azure" ? "response.deleted" : "response", deleted: true });
  }),
};

export const cancelResponse: Operation = {
  ...RESPONSES,
  name: "responses.cancel",
  method: "POST",
  path: "responses/{response_id}/cancel",
  body: "json",
  bodyOptional: true,
  run: withResponse((stored) => {
    if (!stored.body.background) return invalidRequest("Cannot cancel a synchronous response.");
    // Cancelling twice, or too late, changes nothing and is no mistake.
    if (!FINISHED.includes(stored.body.status)) stored.body = unfinished(stored.body, "cancelled");
    return json(stored.body);
  }),
};

export const listInputItems: Operation = {
  ...RESPONSES,
  name: "responses.input_items.list",
  method: "GET",
  path: "responses/{response_id}/input_items",
  body: "none",
  run: withResponse((stored, call) => listAnswer(call, stored.input)),
};

function withResponse(answer: (stored: StoredResponse, call: Call, desk: Desk) => Answer | Failure): Operation["run"] {
  return (call, _body, desk) => {
    const id = idOf(call, "response_id");
    const stored = desk.shelf.responses.get(id);
    return stored ? answer(stored, call, desk) : openaiError(404, `Response with id '${id}' not found.`);
  };
}

function follow(stored: StoredResponse, call: Call): Answer | Failure {
  if (!stored.events) {
    const missing = stored.body.background ? "stream=true" : "background=true";
    const message = `This response cannot be streamed because it was not created with ${missing}.`;
    return invalidRequest(message, "stream", "invalid_request_error");
  }
  const asked = queryOf(call).get("starting_after");
  const after = asked === null ? -1 : Number(asked);
  if (!Number.isInteger(after)) {
    return invalidRequest(
      `Invalid type for 'starting_after': expected an integer, but got '${asked}' instead.`,
      "starting_after",
      "invalid_type",
    );
  }
  return { kind: "stream", events: eventsSoFar(stored, after) };
}
