/** How are conversations made, continued, read and deleted? OpenAI only. */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { newHexId } from "../ids.ts";
import { Drawer } from "../shelf.ts";
import { isObject } from "./chat-request.ts";
import { type Desk, idOf, type JsonObject, json, notFound, now, OPENAI_ONLY, type Operation } from "./operation.ts";
import { listAnswer } from "./paging.ts";
import { keptItem } from "./response-request.ts";
import type { OutputItem } from "./response-shape.ts";

const MOST_ITEMS_AT_ONCE = 20;

export interface Conversation {
  readonly id: string;
  readonly createdAt: number;
  metadata: unknown;
  readonly items: Drawer<OutputItem>;
}

export const createConversation: Operation = {
  ...OPENAI_ONLY,
  name: "conversations.create",
  method: "POST",
  path: "conversations",
  body: "json",
  bodyOptional: true,
  run: (_call, body, desk) => {
    const items = itemsIn(body);
    if ("kind" in items) return items;
    const id = newHexId("conv_");
    const conversation = { id, createdAt: now(), metadata: body.metadata ?? {}, items: new Drawer<OutputItem>() };
    for (const item of items) conversation.items.put(item.id, item);
    desk.shelf.conversations.put(id, conversation);
    return json(describe(conversation));
  },
};
export const getConversation: Operation = {
  ...OPENAI_ONLY,
  name: "conversations.retrieve",
  method: "GET",
  path: "conversations/{conversation_id}",
  body: "none",
  run: withConversation((conversation) => json(describe(conversation))),
};
export const updateConversation: Operation = {
  ...OPENAI_ONLY,
  name: "conversations.update",
  method: "POST",
  path: "conversations/{conversation_id}",
  body: "json",
  run: withConversation((conversation, _call, body) => {
    if (body.metadata === undefined)
      return invalidRequest("Missing required parameter: 'metadata'.", "metadata", "missing_required_parameter");
    conversation.metadata = body.metadata ?? {};
    return json(describe(conversation));
  }),
};
export const deleteConversation: Operation = {
  ...OPENAI_ONLY,
  name: "conversations.delete",
  method: "DELETE",
  path: "conversations/{conversation_id}",
  body: "none",
  run: withConversation(({ id }, _call, _body, desk) => {
    desk.shelf.conversations.delete(id);
    return json({ id, object: "conversation.deleted", deleted: true });
  }),
};
export const createConversationItems: Operation = {
  ...OPENAI_ONLY,
  name: "conversations.items.create",
  method: "POST",
  path: "conversations/{conversation_id}/items",
  body: "json",
  run: withConversation(addItems),
};
export const listConversationItems: Operation = {
  ...OPENAI_ONLY,
  name: "conversations.items.list",
  method: "GET",
  path: "conversations/{conversation_id}/items",
  body: "none",
  run: withConversation((conversation, call) => listAnswer(call, conversation.items.values())),
};
export const getConversationItem: Operation = {
  ...OPENAI_ONLY,
  name: "conversations.items.retrieve",
  method: "GET",
  path: "conversations/{conversation_id}/items/{item_id}",
  body: "none",
  run: withItem((item) => json(item)),
};
export const deleteConversationItem: Operation = {
  ...OPENAI_ONLY,
  name: "conversations.items.delete",
  method: "DELETE",
  path: "conversations/{conversation_id}/items/{item_id}",
  body: "none",
  run: withItem((item, conversation) => {
    conversation.items.delete(item.id);
    return json(describe(conversation));
  }),
};

type ConversationAnswer = (conversation: Conversation, call: Call, body: JsonObject, desk: Desk) => Answer | Failure;

function withConversation(answer: ConversationAnswer): Operation["run"] {
  return (call, body, desk) => {
    const id = idOf(call, "conversation_id");
    const conversation = desk.shelf.conversations.get(id);
    if (!conversation) return notFound(call, `Conversation with id '${id}' not found.`);
    return answer(conversation, call, body, desk);
  };
}

function withItem(answer: (item: OutputItem, conversation: Conversation) => Answer): Operation["run"] {
  return withConversation((conversation, call) => {
    const id = idOf(call, "item_id");
    const item = conversation.items.get(id);
    const message = `Item with id '${id}' not found in conversation '${conversation.id}'.`;
    return item ? answer(item, conversation) : notFound(call, message);
  });
}

function addItems(conversation: Conversation, _call: Call, body: JsonObject): Answer | Failure {
  const items = itemsIn(body);
  if ("kind" in items) return items;
  if (items.length === 0)
    return invalidRequest("Missing required parameter: 'items'.", "items", "missing_required_parameter");
  for (const item of items) conversation.items.put(item.id, item);
  const ends = { first_id: items[0]?.id ?? "", last_id: items.at(-1)?.id ?? "" };
  return json({ object: "list", data: items, ...ends, has_more: false });
}

function itemsIn(body: JsonObject): readonly OutputItem[] | Failure {
  const { items } = body;
  if (items === undefined || items === null) return [];
  if (!Array.isArray(items) || !items.every(isObject))
    return invalidRequest("Invalid type for 'items': expected an array of objects.", "items", "invalid_type");
  if (items.length > MOST_ITEMS_AT_ONCE)
    return invalidRequest(
      `Invalid 'items': array too long. Expected an array with maximum length ${MOST_ITEMS_AT_ONCE}, but got an array with length ${items.length} instead.`,
      "items",
      "array_above_max_length",
    );
  return items.map(keptItem);
}

function describe(conversation: Conversation): object {
  const { id, createdAt, metadata } = conversation;
  return { id, object: "conversation", created_at: createdAt, metadata };
}
