/** Do the files, responses, stores and containers that a body names exist for this caller? */

import type { Call } from "../call.ts";
import { type Failure, invalidRequest, openaiError } from "../errors.ts";
import type { Shelf } from "../shelf.ts";
import { isObject } from "./chat-request.ts";
import type { JsonObject } from "./operation.ts";
import { conversationIdOf } from "./response-shape.ts";

/** The first id in a Responses request that leads nowhere. */
export function missingReference(call: Call, body: JsonObject, shelf: Shelf): Failure | undefined {
  return (
    missingPrevious(body, shelf) ??
    missingConversation(body, shelf) ??
    missingInputFile(call, body, shelf) ??
    missingToolReference(call, body, shelf)
  );
}

function missingPrevious(body: JsonObject, shelf: Shelf): Failure | undefined {
  const { previous_response_id: previous } = body;
  if (typeof previous !== "string" || shelf.responses.has(previous)) return undefined;
  return invalidRequest(
    `Previous response with id '${previous}' not found.`,
    "previous_response_id",
    "previous_response_not_found",
  );
}

function missingConversation(body: JsonObject, shelf: Shelf): Failure | undefined {
  const id = conversationIdOf(body);
  if (id === undefined || shelf.conversations.has(id)) return undefined;
  return openaiError(404, `Conversation with id '${id}' not found.`, { param: "conversation" });
}

function missingInputFile(call: Call, body: JsonObject, shelf: Shelf): Failure | undefined {
  if (!Array.isArray(body.input)) return undefined;
  for (const [at, item] of body.input.entries()) {
    for (const field of ["content", "output"] as const) {
      const parts: unknown = isObject(item) ? item[field] : undefined;
      if (!Array.isArray(parts)) continue;
      for (const [partAt, part] of parts.entries()) {
        const id: unknown = isObject(part) ? part.file_id : undefined;
        if (typeof id !== "string" || shelf.files.has(id)) continue;
        return missingFile(call, id, `input[${at}].${field}[${partAt}].file_id`);
      }
    }
  }
  return undefined;
}

/** The first file in chat messages that does not exist: `content[].file.file_id`. */
export function missingChatFile(call: Call, messages: readonly JsonObject[], shelf: Shelf): Failure | undefined {
  for (const [at, message] of messages.entries()) {
    if (!Array.isArray(message.content)) continue;
    for (const [partAt, part] of message.content.entries()) {
      const id: unknown = isObject(part) && isObject(part.file) ? part.file.file_id : undefined;
      if (typeof id === "string" && !shelf.files.has(id)) {
        return missingFile(call, id, `messages[${at}].content[${partAt}].file.file_id`);
      }
    }
  }
  return undefined;
}

/** A body that names a file which is not there: 400 with the place, as for any other wrong value. */
export function missingFile(_call: Call, id: string, param: string): Failure {
  return invalidRequest(`No such File object: ${id}`, param);
}

function missingToolReference(call: Call, body: JsonObject, shelf: Shelf): Failure | undefined {
  if (!Array.isArray(body.tools)) return undefined;
  for (const [at, tool] of body.tools.entries()) {
    if (!isObject(tool)) continue;
    const failure = missingStore(tool, shelf, at) ?? missingContainer(call, tool, shelf, at);
    if (failure) return failure;
  }
  return undefined;
}

function missingStore(tool: JsonObject, shelf: Shelf, at: number): Failure | undefined {
  const ids: readonly unknown[] = Array.isArray(tool.vector_store_ids) ? tool.vector_store_ids : [];
  const missing = ids.filter((id) => typeof id !== "string" || !shelf.vectorStores.has(id));
  if (missing.length > 0) {
    return openaiError(404, `Vector store with id [${missing.join(", ")}] not found.`, {
      param: `tools[${at}].vector_store_ids`,
    });
  }
  return tool.type === "file_search" && ids.length === 0
    ? invalidRequest(
        `Missing required parameter: 'tools[${at}].vector_store_ids'.`,
        `tools[${at}].vector_store_ids`,
        "missing_required_parameter",
      )
    : undefined;
}

/** `container` is an id, or `{type: "auto", file_ids: […]}`. */
function missingContainer(call: Call, tool: JsonObject, shelf: Shelf, at: number): Failure | undefined {
  const { container } = tool;
  const param = `tools[${at}].container`;
  if (tool.type === "code_interpreter" && container === undefined) {
    return invalidRequest(`Missing required parameter: '${param}'.`, param, "missing_required_parameter");
  }
  if (typeof container === "string" && !shelf.containers.has(container)) {
    return openaiError(404, `Container with id '${container}' not found.`, { param });
  }
  const ids: readonly unknown[] = isObject(container) && Array.isArray(container.file_ids) ? container.file_ids : [];
  const missing = ids.find((id) => typeof id !== "string" || !shelf.files.has(id));
  return missing === undefined ? undefined : missingFile(call, String(missing), `${param}.file_ids`);
}
