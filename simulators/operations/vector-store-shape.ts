/** What is a vector store made of, and which files does it take? */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest, openaiError } from "../errors.ts";
import type { Drawer } from "../shelf.ts";
import { isObject } from "./chat-request.ts";
import { type Desk, idOf, type JsonObject, notFound, now, type Operation } from "./operation.ts";

const AUTO_CHUNKS = { type: "static", static: { max_chunk_size_tokens: 800, chunk_overlap_tokens: 400 } };

/** A file in a store; its id is the file's. */
export interface VectorStoreFile {
  readonly id: string;
  readonly createdAt: number;
  readonly bytes: number;
  readonly attributes: JsonObject;
  readonly chunking: object;
  /** The batch in which it came, if it came in one. */
  readonly batch?: string;
  status: "in_progress" | "completed" | "cancelled" | "failed";
}

export interface VectorStoreBatch {
  readonly id: string;
  readonly createdAt: number;
  readonly fileIds: readonly string[];
}

export interface VectorStore {
  readonly id: string;
  readonly createdAt: number;
  name: string;
  metadata: unknown;
  expiresAfter: { readonly anchor: string; readonly days: number } | undefined;
  readonly files: Drawer<VectorStoreFile>;
  readonly batches: Drawer<VectorStoreBatch>;
}

/** What all operations on vector stores have in common. */
export const VECTOR_STORES = {
  onOpenai: true,
  onAzure: { dated: "root", since: "2024-05-01-preview", v1: true },
  azureNames: { operation: "VectorStores", action: "vectorStores" },
} as const satisfies Partial<Operation>;

type StoreAnswer = (store: VectorStore, call: Call, body: JsonObject, desk: Desk) => Answer | Failure;

/** Runs on the store that the path names, or answers that there is none. */
export function withStore(answer: StoreAnswer): Operation["run"] {
  return (call, body, desk) => {
    const id = idOf(call, "vector_store_id");
    const store = desk.shelf.vectorStores.get(id);
    return store ? answer(store, call, body, desk) : notFound(call, `No vector store found with id '${id}'.`);
  };
}

/** One file that shall go into a store. */
export interface FileOrder {
  readonly id: string;
  readonly bytes: number;
  readonly attributes: JsonObject;
  readonly chunking: object;
}

/** The files that a body names in `file_ids` or `files`; all must exist. */
export function ordersOf(body: JsonObject, desk: Desk): readonly FileOrder[] | Failure {
  const wanted: readonly unknown[] = Array.isArray(body.files)
    ? body.files
    : Array.isArray(body.file_ids)
      ? body.file_ids.map((id: unknown) => ({ ...body, file_id: id }))
      : [];
  if (wanted.length === 0)
    return invalidRequest("Missing required parameter: 'file_ids'.", "file_ids", "missing_required_parameter");
  const orders = wanted.map((entry) => orderOf(isObject(entry) ? entry : {}, desk));
  const missing = orders.filter((order) => typeof order === "string");
  if (missing.length > 0) return openaiError(404, `Files [${missing.join(", ")}] were not found`);
  return orders.filter((order) => typeof order !== "string");
}

/** The file's id alone when there is no such file. */
function orderOf(entry: JsonObject, desk: Desk): FileOrder | string {
  const id = String(entry.file_id);
  const file = desk.shelf.files.get(id);
  if (!file) return id;
  const chunking =
    isObject(entry.chunking_strategy) && entry.chunking_strategy.type === "static"
      ? entry.chunking_strategy
      : AUTO_CHUNKS;
  return { id, bytes: file.content.length, attributes: isObject(entry.attributes) ? entry.attributes : {}, chunking };
}

/** Each is being read for one step. */
export function addFiles(
  store: VectorStore,
  orders: readonly FileOrder[],
  desk: Desk,
  batch?: string,
): readonly VectorStoreFile[] {
  const files = orders.map((order): VectorStoreFile => {
    const from = batch === undefined ? {} : { batch };
    const file: VectorStoreFile = { ...order, ...from, createdAt: now(), status: "in_progress" };
    store.files.put(file.id, file);
    return file;
  });
  desk.later.step(() => {
    for (const file of files) if (file.status === "in_progress") file.status = "completed";
  });
  return files;
}

export function countsOf(files: readonly VectorStoreFile[]) {
  const counts = { in_progress: 0, completed: 0, cancelled: 0, failed: 0, total: files.length };
  for (const file of files) counts[file.status] += 1;
  return counts;
}
