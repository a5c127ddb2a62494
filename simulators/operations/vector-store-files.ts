/** How do files get into a vector store, one by one or in batches? */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { newHexId } from "../ids.ts";
import { isObject } from "./chat-request.ts";
import { type Desk, idOf, type JsonObject, json, notFound, now, type Operation } from "./operation.ts";
import { listAnswer, queryOf } from "./paging.ts";
import {
  addFiles,
  countsOf,
  ordersOf,
  VECTOR_STORES,
  type VectorStore,
  type VectorStoreBatch,
  type VectorStoreFile,
  withStore,
} from "./vector-store-shape.ts";

export const addVectorStoreFile: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.files.create",
  method: "POST",
  path: "vector_stores/{vector_store_id}/files",
  body: "json",
  run: withStore((store, _call, body, desk) => {
    if (typeof body.file_id !== "string")
      return invalidRequest("Missing required parameter: 'file_id'.", "file_id", "missing_required_parameter");
    const orders = ordersOf({ ...body, file_ids: [body.file_id] }, desk);
    if ("kind" in orders) return orders;
    const [file] = addFiles(store, orders, desk);
    return json(describeFile(file as VectorStoreFile, store));
  }),
};
export const listVectorStoreFiles: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.files.list",
  method: "GET",
  path: "vector_stores/{vector_store_id}/files",
  body: "none",
  run: withStore((store, call) => listFiles(call, store.files.values(), store)),
};
export const getVectorStoreFile: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.files.retrieve",
  method: "GET",
  path: "vector_stores/{vector_store_id}/files/{file_id}",
  body: "none",
  run: withFile((file, store) => json(describeFile(file, store))),
};
export const updateVectorStoreFile: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.files.update",
  method: "POST",
  path: "vector_stores/{vector_store_id}/files/{file_id}",
  body: "json",
  run: withFile((file, store, body) => {
    if (!isObject(body.attributes) && body.attributes !== null)
      return invalidRequest("Missing required parameter: 'attributes'.", "attributes", "missing_required_parameter");
    const changed = { ...file, attributes: isObject(body.attributes) ? body.attributes : {} };
    store.files.put(file.id, changed);
    return json(describeFile(changed, store));
  }),
};
export const deleteVectorStoreFile: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.files.delete",
  method: "DELETE",
  path: "vector_stores/{vector_store_id}/files/{file_id}",
  body: "none",
  run: withFile(({ id }, store) => {
    store.files.delete(id);
    return json({ id, object: "vector_store.file.deleted", deleted: true });
  }),
};
export const getVectorStoreFileContent: Operation = {
  ...VECTOR_STORES,
  onAzure: { dated: "root", since: "2025-03-01-preview", v1: false },
  name: "vector_stores.files.content",
  method: "GET",
  path: "vector_stores/{vector_store_id}/files/{file_id}/content",
  body: "none",
  run: withFile((file, _store, _body, desk) => {
    const text = desk.shelf.files.get(file.id)?.content.toString() ?? "";
    const data = [{ type: "text", text }];
    return json({ object: "vector_store.file_content.page", data, has_more: false, next_page: null });
  }),
};
export const createFileBatch: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.file_batches.create",
  method: "POST",
  path: "vector_stores/{vector_store_id}/file_batches",
  body: "json",
  run: withStore((store, _call, body, desk) => {
    const orders = ordersOf(body, desk);
    if ("kind" in orders) return orders;
    const batch = { id: newHexId("vsfb_"), createdAt: now(), fileIds: orders.map((order) => order.id) };
    store.batches.put(batch.id, batch);
    addFiles(store, orders, desk, batch.id);
    return json(describeBatch(batch, store));
  }),
};
export const getFileBatch: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.file_batches.retrieve",
  method: "GET",
  path: "vector_stores/{vector_store_id}/file_batches/{batch_id}",
  body: "none",
  run: withBatch((batch, store) => json(describeBatch(batch, store))),
};
export const cancelFileBatch: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.file_batches.cancel",
  method: "POST",
  path: "vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel",
  body: "json",
  bodyOptional: true,
  run: withBatch((batch, store) => {
    for (const file of filesOf(batch, store)) if (file.status === "in_progress") file.status = "cancelled";
    return json(describeBatch(batch, store));
  }),
};
export const listFileBatchFiles: Operation = {
  ...VECTOR_STORES,
  name: "vector_stores.file_batches.files.list",
  method: "GET",
  path: "vector_stores/{vector_store_id}/file_batches/{batch_id}/files",
  body: "none",
  run: withBatch((batch, store, call) => listFiles(call, filesOf(batch, store), store)),
};

function listFiles(call: Call, files: readonly VectorStoreFile[], store: VectorStore): Answer | Failure {
  const filter = queryOf(call).get("filter");
  const shown = files.filter((file) => filter === null || file.status === filter);
  return listAnswer(
    call,
    shown.map((file) => describeFile(file, store)),
  );
}

function describeFile(file: VectorStoreFile, store: VectorStore) {
  return {
    id: file.id,
    object: "vector_store.file",
    usage_bytes: file.bytes,
    created_at: file.createdAt,
    vector_store_id: store.id,
    status: file.status,
    last_error: null,
    chunking_strategy: file.chunking,
    attributes: file.attributes,
  };
}

function describeBatch(batch: VectorStoreBatch, store: VectorStore): object {
  const counts = countsOf(filesOf(batch, store));
  const ended = counts.cancelled > 0 ? "cancelled" : "completed";
  return {
    id: batch.id,
    object: "vector_store.files_batch",
    created_at: batch.createdAt,
    vector_store_id: store.id,
    status: counts.in_progress > 0 ? "in_progress" : ended,
    file_counts: counts,
  };
}

function filesOf(batch: VectorStoreBatch, store: VectorStore): readonly VectorStoreFile[] {
  return store.files.values().filter((file) => file.batch === batch.id);
}

type FileAnswer = (file: VectorStoreFile, store: VectorStore, body: JsonObject, desk: Desk) => Answer | Failure;

function withFile(answer: FileAnswer): Operation["run"] {
  return (call, body, desk) =>
    withStore((store) => {
      const id = idOf(call, "file_id");
      const file = store.files.get(id);
      const message = `No file found with id '${id}' in vector store '${store.id}'.`;
      return file ? answer(file, store, body, desk) : notFound(call, message);
    })(call, body, desk);
}

type BatchAnswer = (batch: VectorStoreBatch, store: VectorStore, call: Call) => Answer | Failure;

function withBatch(answer: BatchAnswer): Operation["run"] {
  return (call, body, desk) =>
    withStore((store) => {
      const id = idOf(call, "batch_id");
      const batch = store.batches.get(id);
      return batch ? answer(batch, store, call) : notFound(call, `No vector store file batch found with id '${id}'.`);
    })(call, body, desk);
}
