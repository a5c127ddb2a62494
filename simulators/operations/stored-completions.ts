/** How are chat completions that were made with `store` listed, read, changed and deleted? OpenAI only. */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { type Desk, idOf, type JsonObject, json, notFound, OPENAI_ONLY, type Operation } from "./operation.ts";
import { type ListRules, listAnswer, queryOf } from "./paging.ts";

const OLDEST_FIRST: ListRules = { limit: 20, mostLimit: 100, order: "asc" };

/** What was answered, and to which messages. */
export interface StoredCompletion {
  readonly id: string;
  readonly body: JsonObject & { readonly id: string };
  readonly messages: readonly JsonObject[];
}

export const listCompletions: Operation = {
  ...OPENAI_ONLY,
  name: "chat.completions.list",
  method: "GET",
  path: "chat/completions",
  body: "none",
  run: list,
};
export const getCompletion: Operation = {
  ...OPENAI_ONLY,
  name: "chat.completions.retrieve",
  method: "GET",
  path: "chat/completions/{completion_id}",
  body: "none",
  run: withCompletion((stored) => json(stored.body)),
};
export const updateCompletion: Operation = {
  ...OPENAI_ONLY,
  name: "chat.completions.update",
  method: "POST",
  path: "chat/completions/{completion_id}",
  body: "json",
  run: withCompletion((stored, _call, body, desk) => {
    if (body.metadata === undefined)
      return invalidRequest("Missing required parameter: 'metadata'.", "metadata", "missing_required_parameter");
    const changed = { ...stored, body: { ...stored.body, metadata: body.metadata ?? {} } };
    desk.shelf.completions.put(stored.id, changed);
    return json(changed.body);
  }),
};
export const deleteCompletion: Operation = {
  ...OPENAI_ONLY,
  name: "chat.completions.delete",
  method: "DELETE",
  path: "chat/completions/{completion_id}",
  body: "none",
  run: withCompletion(({ id }, _call, _body, desk) => {
    desk.shelf.completions.delete(id);
    return json({ object: "chat.completion.deleted", id, deleted: true });
  }),
};
export const listCompletionMessages: Operation = {
  ...OPENAI_ONLY,
  name: "chat.completions.messages.list",
  method: "GET",
  path: "chat/completions/{completion_id}/messages",
  body: "none",
  run: withCompletion((stored, call) => {
    const messages = stored.messages.map((message, at) => describeMessage(message, `${stored.id}-${at}`));
    return listAnswer(call, messages, OLDEST_FIRST);
  }),
};

type CompletionAnswer = (stored: StoredCompletion, call: Call, body: JsonObject, desk: Desk) => Answer | Failure;

function withCompletion(answer: CompletionAnswer): Operation["run"] {
  return (call, body, desk) => {
    const id = idOf(call, "completion_id");
    const stored = desk.shelf.completions.get(id);
    return stored ? answer(stored, call, body, desk) : notFound(call, `Chat completion with id '${id}' not found.`);
  };
}

/** `metadata[name]=value` in the query leaves those that have all of it. */
function list(call: Call, _body: JsonObject, desk: Desk): Answer | Failure {
  const query = queryOf(call);
  const model = query.get("model");
  const wanted = [...query].flatMap(([name, value]) => {
    const key = /^metadata\[(.+)\]$/.exec(name)?.[1];
    return key === undefined ? [] : [[key, value] as const];
  });
  const shown = desk.shelf.completions.values().filter(({ body }) => {
    const metadata = (body.metadata ?? {}) as JsonObject;
    return (model === null || body.model === model) && wanted.every(([key, value]) => metadata[key] === value);
  });
  return listAnswer(
    call,
    shown.map((stored) => stored.body),
    OLDEST_FIRST,
  );
}

function describeMessage(message: JsonObject, id: string) {
  const parts = Array.isArray(message.content) ? message.content : null;
  const text = typeof message.content === "string" ? message.content : null;
  return { id, role: message.role, content: text, content_parts: parts, refusal: null };
}
