/** How are vector stores made, changed, searched and deleted? */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { newHexId } from "../ids.ts";
import { Drawer } from "../shelf.ts";
import { isObject } from "./chat-request.ts";
import { type Desk, type JsonObject, json, now, type Operation } from "./operation.ts";
import { listAnswer } from "./paging.ts";
import { searchStores } from "./vector-search.ts";
import {
  addFiles,
  countsOf,
  type FileOrder,
  ordersOf,
  VECTOR_STORES,
  type VectorStore,
  withStore,
} from "./vector-store-shape.ts";

const SECONDS_PER_DAY = 86_400;
const DEFAULT_RESULTS = 10;
const MOST_RESULTS = 50;

export const createVectorStore: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.create",
  method: "POST",
  path: "vector_stores",
  body: "json",
  bodyOptional: true,
  run: create,
};
export const listVectorStores: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.list",
  method: "GET",
  path: "vector_stores",
  body: "none",
  run: (call, _body, desk) =>
    listAnswer(
      call,
      desk.shelf.vectorStores.values().map((store) => describe(store, call)),
    ),
};
export const getVectorStore: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.retrieve",
  method: "GET",
  path: "vector_stores/{vector_store_id}",
  body: "none",
  run: withStore((store, call) => json(describe(store, call))),
};
export const updateVectorStore: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.update",
  method: "POST",
  path: "vector_stores/{vector_store_id}",
  body: "json",
  run: withStore((store, call, body) => {
    const wrong = wrongLife(body.expires_after);
    if (wrong) return wrong;
    if (typeof body.name === "string") store.name = body.name;
    if (body.metadata !== undefined) store.metadata = body.metadata;
    if (body.expires_after !== undefined) store.expiresAfter = lifeOf(body);
    return json(describe(store, call));
  }),
};
export const deleteVectorStore: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.delete",
  method: "DELETE",
  path: "vector_stores/{vector_store_id}",
  body: "none",
  run: withStore(({ id }, _call, _body, desk) => {
    desk.shelf.vectorStores.delete(id);
    return json({ id, object: "vector_store.deleted", deleted: true });
  }),
};
export const searchVectorStore: Operation = {
  ...VECTOR_STORES,
  onAzure: { dated: "root", since: "2025-03-01-preview", v1: false },
  name: "vector_stores.search",
  method: "POST",
  path: "vector_stores/{vector_store_id}/search",
  body: "json",
  run: withStore(search),
};

function create(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const orders: readonly FileOrder[] | Failure = body.file_ids === undefined ? [] : ordersOf(body, desk);
  if ("kind" in orders) return orders;
  const wrong = wrongLife(body.expires_after);
  if (wrong) return wrong;
  const store: VectorStore = {
    id: newHexId("vs_"),
    createdAt: now(),
    name: typeof body.name === "string" ? body.name : "",
    metadata: body.metadata ?? {},
    expiresAfter: lifeOf(body),
    files: new Drawer(),
    batches: new Drawer(),
  };
  desk.shelf.vectorStores.put(store.id, store);
  addFiles(store, orders, desk);
  return json(describe(store, call));
}

function wrongLife(life: unknown): Failure | undefined {
  if (life === undefined || life === null) return undefined;
  if (isObject(life) && life.anchor === "last_active_at" && Number.isInteger(life.days)) return undefined;
  return invalidRequest(
    "Invalid 'expires_after': expected the anchor 'last_active_at' and a number of days.",
    "expires_after",
    "invalid_value",
  );
}

function lifeOf(body: JsonObject): VectorStore["expiresAfter"] {
  const life = body.expires_after;
  return isObject(life) ? { anchor: "last_active_at", days: Number(life.days) } : undefined;
}

function describe(store: VectorStore, call: Call) {
  const counts = countsOf(store.files.values());
  const life = store.expiresAfter && {
    expires_after: store.expiresAfter,
    expires_at: store.createdAt + store.expiresAfter.days * SECONDS_PER_DAY,
  };
  const bytes = store.files.values().reduce((sum, file) => sum + file.bytes, 0);
  return {
    id: store.id,
    object: "vector_store",
    created_at: store.createdAt,
    name: store.name,
    usage_bytes: bytes,
    // Azure's dated specification calls it so.
    ...(call.target.apiVersion !== undefined && { bytes }),
    file_counts: counts,
    status: counts.in_progress > 0 ? "in_progress" : "completed",
    ...life,
    last_active_at: store.createdAt,
    metadata: store.metadata,
  };
}

function search(store: VectorStore, _call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const queries: readonly unknown[] = Array.isArray(body.query) ? body.query : [body.query];
  if (queries.length === 0 || !queries.every((query) => typeof query === "string"))
    return invalidRequest("Missing required parameter: 'query'.", "query", "missing_required_parameter");
  const most = body.max_num_results ?? DEFAULT_RESULTS;
  if (typeof most !== "number" || !Number.isInteger(most) || most < 1 || most > MOST_RESULTS)
    return invalidRequest(
      `Invalid 'max_num_results': expected an integer between 1 and ${MOST_RESULTS}.`,
      "max_num_results",
    );
  const found = searchStores(desk.shelf, [store.id], queries.join(" "));
  const data = found.slice(0, most).map(({ file, score, text, attributes }) => ({
    file_id: file.id,
    filename: file.filename,
    score,
    attributes,
    content: [{ type: "text", text }],
  }));
  const page = { object: "vector_store.search_results.page", search_query: queries, data };
  return json({ ...page, has_more: found.length > data.length, next_page: null });
}
