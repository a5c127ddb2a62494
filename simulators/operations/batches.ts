/** How are batches created, watched, listed and cancelled? */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest, openaiError } from "../errors.ts";
import { newHexId } from "../ids.ts";
import { type BatchProblem, batchOperation, endpointsOf, readLines, runLines } from "./batch-lines.ts";
import { isObject } from "./chat-request.ts";
import { keepFile, wrongLife } from "./files.ts";
import { type Desk, idOf, type JsonObject, json, notFound, now, type Operation } from "./operation.ts";
import { listAnswer } from "./paging.ts";

const WINDOW_SECONDS = 24 * 3_600;
const CANCELLABLE = ["validating", "in_progress", "finalizing"];

/** What a batch id leads to: the object as it is now. */
export interface Batch {
  readonly id: string;
  body: { readonly id: string; readonly status: string; readonly [field: string]: unknown };
}

const COMMON = {
  onOpenai: true,
  onAzure: { dated: "root", since: "2024-07-01-preview", v1: true },
  azureNames: { operation: "Batches", action: "batches" },
} as const satisfies Partial<Operation>;

export const createBatch: Operation = {
  ...COMMON,
  name: "batches.create",
  method: "POST",
  path: "batches",
  body: "json",
  run: create,
};
export const listBatches: Operation = {
  ...COMMON,
  name: "batches.list",
  method: "GET",
  path: "batches",
  body: "none",
  run: (call, _body, desk) =>
    listAnswer(
      call,
      desk.shelf.batches.values().map((batch) => batch.body),
    ),
};
export const getBatch: Operation = {
  ...COMMON,
  name: "batches.retrieve",
  method: "GET",
  path: "batches/{batch_id}",
  body: "none",
  run: withBatch((batch) => json(batch.body)),
};
export const cancelBatch: Operation = {
  ...COMMON,
  name: "batches.cancel",
  method: "POST",
  path: "batches/{batch_id}/cancel",
  body: "json",
  bodyOptional: true,
  run: withBatch(cancel),
};

function withBatch(answer: (batch: Batch, desk: Desk) => Answer | Failure): Operation["run"] {
  return (call, _body, desk) => {
    const id = idOf(call, "batch_id");
    const batch = desk.shelf.batches.get(id);
    return batch ? answer(batch, desk) : notFound(call, `No batch found with id '${id}'.`, "batch_id");
  };
}

function create(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const refused = wrongIn(call, body, desk);
  if (refused) return refused;
  const made = now();
  const batch: Batch = {
    id: newHexId("batch_"),
    body: { id: "", status: "validating" },
  };
  batch.body = {
    id: batch.id,
    object: "batch",
    endpoint: body.endpoint,
    input_file_id: body.input_file_id,
    completion_window: body.completion_window,
    status: "validating",
    created_at: made,
    expires_at: made + WINDOW_SECONDS,
    request_counts: { total: 0, completed: 0, failed: 0 },
    metadata: body.metadata ?? {},
  };
  desk.shelf.batches.put(batch.id, batch);
  const life = isObject(body.output_expires_after) ? Number(body.output_expires_after.seconds) : undefined;
  desk.later.step(() => validate(call, batch, life, desk));
  return json(batch.body);
}

function wrongIn(call: Call, body: JsonObject, desk: Desk): Failure | undefined {
  for (const name of ["input_file_id", "endpoint", "completion_window"]) {
    if (body[name] === undefined)
      return invalidRequest(`Missing required parameter: '${name}'.`, name, "missing_required_parameter");
  }
  const endpoints = endpointsOf(call, desk.settings);
  if (!endpoints.includes(String(body.endpoint))) {
    const known = endpoints.map((endpoint) => `'${endpoint}'`).join(", ");
    return invalidRequest(
      `Invalid value: '${String(body.endpoint)}'. Supported values are: ${known}.`,
      "endpoint",
      "invalid_value",
    );
  }
  if (body.completion_window !== "24h") {
    return invalidRequest(
      `Invalid value: '${String(body.completion_window)}'. Value must be '24h'.`,
      "completion_window",
      "invalid_value",
    );
  }
  return wrongFile(call, body.input_file_id, desk) ?? wrongLife(body.output_expires_after);
}

function wrongFile(call: Call, id: unknown, desk: Desk): Failure | undefined {
  const file = typeof id === "string" ? desk.shelf.files.get(id) : undefined;
  if (!file) {
    const message = `No such File object: ${String(id)}`;
    return call.provider === "openai" ? openaiError(400, message, { param: "input_file_id" }) : notFound(call, message);
  }
  return file.purpose === "batch"
    ? undefined
    : invalidRequest(
        `Invalid value for 'input_file_id': the file must have the purpose 'batch', but has '${file.purpose}'.`,
        "input_file_id",
      );
}

/** False when it was cancelled meanwhile. */
function isAt(batch: Batch, status: string): boolean {
  return batch.body.status === status;
}

function validate(call: Call, batch: Batch, life: number | undefined, desk: Desk): void {
  if (!isAt(batch, "validating")) return;
  const file = desk.shelf.files.get(String(batch.body.input_file_id));
  const operation = batchOperation(call, String(batch.body.endpoint));
  const read = readLines(call, file?.content ?? Buffer.alloc(0), String(batch.body.endpoint), desk.settings);
  if ("problems" in read || !operation) {
    fail(batch, "problems" in read ? read.problems : []);
    return;
  }
  const { lines } = read;
  const counts = { total: lines.length, completed: 0, failed: 0 };
  batch.body = { ...batch.body, status: "in_progress", in_progress_at: now(), request_counts: counts };
  desk.later.step(async () => {
    if (!isAt(batch, "in_progress")) return;
    batch.body = { ...batch.body, status: "finalizing", finalizing_at: now() };
    const results = await runLines(call, operation, lines, desk);
    const model = results.model === undefined ? {} : { model: results.model };
    const kept = (filename: string, text: string) =>
      text === ""
        ? undefined
        : keepFile(call, desk, { filename, purpose: "batch_output", content: Buffer.from(text) }, life).id;
    const output = kept(`${batch.id}_output.jsonl`, results.output);
    const errors = kept(`${batch.id}_error.jsonl`, results.errors);
    batch.body = {
      ...batch.body,
      status: "completed",
      completed_at: now(),
      ...(output !== undefined && { output_file_id: output }),
      ...(errors !== undefined && { error_file_id: errors }),
      request_counts: results.counts,
      ...model,
    };
  });
}

function fail(batch: Batch, problems: readonly BatchProblem[]): void {
  batch.body = {
    ...batch.body,
    status: "failed",
    failed_at: now(),
    errors: { object: "list", data: problems },
  };
}

function cancel(batch: Batch, desk: Desk): Answer | Failure {
  if (!CANCELLABLE.includes(batch.body.status)) {
    return openaiError(409, `Cannot cancel a batch with status '${batch.body.status}'.`);
  }
  batch.body = { ...batch.body, status: "cancelling", cancelling_at: now() };
  desk.later.step(() => {
    batch.body = { ...batch.body, status: "cancelled", cancelled_at: now() };
  });
  return json(batch.body);
}
