/**
 * At which places of requests and answers do ids stand that belong to a provider?
 *
 * From OpenAI's OpenAPI document (2026-08). Ids of parts (items, messages, runs, upload parts) are not here: they only
 * mean something below the id that they are parts of, and pass as they are.
 */
import { type JsonPath, type JsonPaths, jsonPaths } from "../body/json-strings.ts";
import { type WatchedKeys, watchedKeys } from "../body/watched-keys.ts";
import type { Operation } from "../dialects/operations.ts";

const TOOL: readonly JsonPath[] = [
  "vector_store_ids.*",
  "container",
  "container.file_ids.*",
  "environment.container_id",
  "environment.file_ids.*",
  "input_image_mask.file_id",
];
const ITEM: readonly JsonPath[] = [
  "container_id",
  "environment.container_id",
  "content.*.file_id",
  "content.*.annotations.*.file_id",
  "content.*.annotations.*.container_id",
  "output.file_id",
  "output.*.file_id",
  "results.*.file_id",
  "results.*.files.*.file_id",
  ...below("tools.*", TOOL),
];

/** A template's variables have names of their own, and may be files. */
const PROMPT_FILE: JsonPath = "prompt.variables.*.file_id";

const RESPONSE_REQUEST: readonly JsonPath[] = [
  "previous_response_id",
  "conversation",
  "conversation.id",
  PROMPT_FILE,
  ...below("input.*", ITEM),
  ...below("tools.*", TOOL),
];
const RESPONSE: readonly JsonPath[] = [
  "id",
  "previous_response_id",
  "conversation.id",
  PROMPT_FILE,
  ...below("output.*", ITEM),
  ...below("instructions.*", ITEM),
  ...below("tools.*", TOOL),
];
const CHAT_REQUEST: readonly JsonPath[] = ["messages.*.content.*.file.file_id", "messages.*.audio.id"];
/** What a model said aloud: later turns name it instead of sending it back. */
const SPOKEN: readonly JsonPath[] = ["choices.*.message.audio.id"];
const CHAT: readonly JsonPath[] = ["id", ...SPOKEN];
const BATCH: readonly JsonPath[] = ["id", "input_file_id", "output_file_id", "error_file_id"];
const JOB: readonly JsonPath[] = ["id", "training_file", "validation_file", "result_files.*"];
const JOB_REQUEST: readonly JsonPath[] = ["training_file", "validation_file"];
const STORE_FILE: readonly JsonPath[] = ["id", "vector_store_id"];
const CONTAINER_FILE: readonly JsonPath[] = ["container_id"];
const EVAL_RUN_REQUEST: readonly JsonPath[] = [
  "data_source.source.id",
  "data_source.input_messages.template.*.content.*.file_id",
  ...below("data_source.sampling_params.tools.*", TOOL),
];
const EVAL_RUN: readonly JsonPath[] = ["eval_id", ...EVAL_RUN_REQUEST];

export interface Places {
  readonly request?: readonly JsonPath[];
  readonly answer?: readonly JsonPath[];
}

/** By method and name of the operation. */
export const PLACES: Readonly<Record<string, Places>> = {
  "POST chat/completions": { request: CHAT_REQUEST, answer: CHAT },
  "POST responses": { request: RESPONSE_REQUEST, answer: RESPONSE },
  "POST responses/compact": { request: RESPONSE_REQUEST, answer: ["id", ...below("output.*", ITEM)] },
  "POST responses/input_tokens": { request: RESPONSE_REQUEST },
  "POST images/edits": { request: ["images.*.file_id", "mask.file_id"] },
  "GET responses/{response_id}": { answer: RESPONSE },
  "DELETE responses/{response_id}": { answer: ["id"] },
  "POST responses/{response_id}/cancel": { answer: RESPONSE },
  "GET responses/{response_id}/input_items": { answer: below("data.*", ITEM) },
  "GET chat/completions": { answer: list(CHAT) },
  "GET chat/completions/{completion_id}": { answer: CHAT },
  "POST chat/completions/{completion_id}": { answer: CHAT },
  "DELETE chat/completions/{completion_id}": { answer: ["id"] },
  "GET chat/completions/{completion_id}/messages": { answer: ["data.*.audio.id"] },
  "POST conversations": { request: below("items.*", ITEM), answer: ["id"] },
  "GET conversations/{conversation_id}": { answer: ["id"] },
  "POST conversations/{conversation_id}": { answer: ["id"] },
  "DELETE conversations/{conversation_id}": { answer: ["id"] },
  "GET conversations/{conversation_id}/items": { answer: below("data.*", ITEM) },
  "POST conversations/{conversation_id}/items": { request: below("items.*", ITEM), answer: below("data.*", ITEM) },
  "GET conversations/{conversation_id}/items/{item_id}": { answer: ITEM },
  "DELETE conversations/{conversation_id}/items/{item_id}": { answer: ["id"] },
  "GET files": { answer: list(["id"]) },
  "POST files": { answer: ["id"] },
  "GET files/{file_id}": { answer: ["id"] },
  "DELETE files/{file_id}": { answer: ["id"] },
  "POST uploads": { answer: ["id", "file.id"] },
  "POST uploads/{upload_id}/parts": { answer: ["upload_id"] },
  "POST uploads/{upload_id}/complete": { answer: ["id", "file.id"] },
  "POST uploads/{upload_id}/cancel": { answer: ["id", "file.id"] },
  "GET batches": { answer: list(BATCH) },
  "POST batches": { request: ["input_file_id"], answer: BATCH },
  "GET batches/{batch_id}": { answer: BATCH },
  "POST batches/{batch_id}/cancel": { answer: BATCH },
  "GET fine_tuning/jobs": { answer: list(JOB) },
  "POST fine_tuning/jobs": { request: JOB_REQUEST, answer: JOB },
  "GET fine_tuning/jobs/{fine_tuning_job_id}": { answer: JOB },
  "POST fine_tuning/jobs/{fine_tuning_job_id}/cancel": { answer: JOB },
  "POST fine_tuning/jobs/{fine_tuning_job_id}/pause": { answer: JOB },
  "POST fine_tuning/jobs/{fine_tuning_job_id}/resume": { answer: JOB },
  "GET fine_tuning/jobs/{fine_tuning_job_id}/checkpoints": { answer: ["data.*.fine_tuning_job_id"] },
  "GET vector_stores": { answer: list(["id"]) },
  "POST vector_stores": { request: ["file_ids.*"], answer: ["id"] },
  "GET vector_stores/{vector_store_id}": { answer: ["id"] },
  "POST vector_stores/{vector_store_id}": { answer: ["id"] },
  "DELETE vector_stores/{vector_store_id}": { answer: ["id"] },
  "POST vector_stores/{vector_store_id}/search": { answer: ["data.*.file_id"] },
  "GET vector_stores/{vector_store_id}/files": { answer: list(STORE_FILE) },
  "POST vector_stores/{vector_store_id}/files": { request: ["file_id"], answer: STORE_FILE },
  "GET vector_stores/{vector_store_id}/files/{file_id}": { answer: STORE_FILE },
  "POST vector_stores/{vector_store_id}/files/{file_id}": { answer: STORE_FILE },
  "DELETE vector_stores/{vector_store_id}/files/{file_id}": { answer: ["id"] },
  "GET vector_stores/{vector_store_id}/files/{file_id}/content": { answer: ["file_id"] },
  "POST vector_stores/{vector_store_id}/file_batches": {
    request: ["file_ids.*", "files.*.file_id"],
    answer: ["vector_store_id"],
  },
  "GET vector_stores/{vector_store_id}/file_batches/{batch_id}": { answer: ["vector_store_id"] },
  "POST vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel": { answer: ["vector_store_id"] },
  "GET vector_stores/{vector_store_id}/file_batches/{batch_id}/files": { answer: list(STORE_FILE) },
  "GET containers": { answer: list(["id"]) },
  "POST containers": { request: ["file_ids.*"], answer: ["id"] },
  "GET containers/{container_id}": { answer: ["id"] },
  "DELETE containers/{container_id}": { answer: ["id"] },
  "GET containers/{container_id}/files": { answer: below("data.*", CONTAINER_FILE) },
  "POST containers/{container_id}/files": { request: ["file_id"], answer: CONTAINER_FILE },
  "GET containers/{container_id}/files/{file_id}": { answer: CONTAINER_FILE },
  "GET evals": { answer: list(["id"]) },
  "POST evals": { answer: ["id"] },
  "GET evals/{eval_id}": { answer: ["id"] },
  "POST evals/{eval_id}": { answer: ["id"] },
  "DELETE evals/{eval_id}": { answer: ["eval_id"] },
  "GET evals/{eval_id}/runs": { answer: below("data.*", EVAL_RUN) },
  "POST evals/{eval_id}/runs": { request: EVAL_RUN_REQUEST, answer: EVAL_RUN },
  "GET evals/{eval_id}/runs/{run_id}": { answer: EVAL_RUN },
  "POST evals/{eval_id}/runs/{run_id}": { answer: EVAL_RUN },
  "GET evals/{eval_id}/runs/{run_id}/output_items": { answer: ["data.*.eval_id"] },
  "GET evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}": { answer: ["eval_id"] },
};

function below(prefix: string, paths: readonly JsonPath[]): readonly JsonPath[] {
  return paths.map((path) => `${prefix}.${path}`);
}

function list(paths: readonly JsonPath[]): readonly JsonPath[] {
  return ["first_id", "last_id", ...below("data.*", paths)];
}

interface Compiled {
  readonly request: JsonPaths | undefined;
  /** Keys of the request without which it names no id. */
  readonly watched: WatchedKeys | undefined;
  readonly answer: JsonPaths | undefined;
}

const NONE: Compiled = { request: undefined, watched: undefined, answer: undefined };

const COMPILED: ReadonlyMap<string, Compiled> = new Map(
  Object.entries(PLACES).map(([name, places]) => {
    const request = places.request && jsonPaths(places.request);
    const answer = places.answer && jsonPaths(places.answer);
    return [name, { request, watched: request && watchedKeys(request.lastKeys, request.topKeys), answer }];
  }),
);

/** In the events of the Responses API. */
export const EVENT_PLACES: readonly JsonPath[] = [
  ...below("response", RESPONSE),
  ...below("item", ITEM),
  ...below("code_interpreter_call", ITEM),
  "annotation.file_id",
  "annotation.container_id",
  "part.annotations.*.file_id",
  "part.annotations.*.container_id",
];

export const RESPONSE_EVENT: JsonPaths = jsonPaths(EVENT_PLACES);

/** Of a chat that is not stored: its own id names nothing. */
export const SPOKEN_CHAT: JsonPaths = jsonPaths(SPOKEN);

/** In the chunks of a chat. */
export const SPOKEN_CHUNK: JsonPaths = jsonPaths(["choices.*.delta.audio.id"]);

/** What batches have put out, in an answer that shows one or many. */
export const BATCH_FILES: JsonPaths = jsonPaths(
  ["output_file_id", "error_file_id"].flatMap((path) => [path, `data.*.${path}`]),
);

/** In the lines of a batch's output, where its requests made responses. */
export const BATCH_OUTPUT: JsonPaths = jsonPaths(below("response.body", RESPONSE));

/** Likewise, where they were chats. */
export const BATCH_SPOKEN: JsonPaths = jsonPaths(below("response.body", SPOKEN));

const BY_OPERATION = new WeakMap<Operation, Compiled>();

export function placesOf(operation: Operation): Compiled {
  let known = BY_OPERATION.get(operation);
  if (!known) {
    known = COMPILED.get(`${operation.method} ${operation.name}`) ?? NONE;
    BY_OPERATION.set(operation, known);
  }
  return known;
}
