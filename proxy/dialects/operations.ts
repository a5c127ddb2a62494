/**
 * Which operations are there, and which provider form has each?
 *
 * Facts from both providers' OpenAPI documents (OpenAI 2026-08, Azure v1 2026-02, Azure 2025-03-01-preview) and
 * Azure's documentation of later additions.
 */

/** Where Azure's dated form has an operation: under the deployment, under the resource, or nowhere. */
export type AzureDated = "deployment" | "resource" | "none";

/**
 * `inference` names a model: any backend of its route may answer, through the attempt loop. `resource` belongs to one
 * provider: through the attempt loop as well, with the ids in it translated. `content` are bytes of a resource, piped
 * once and untouched. `models` is answered by Tandem itself. `realtime` has sessions of its own (proxy/realtime).
 */
export type Handling = "inference" | "resource" | "content" | "models" | "realtime";

export type Method = "GET" | "POST" | "DELETE";

/** What a request's body is: JSON, multipart/form-data, one of the two, or none. */
export type BodyKind = "json" | "form" | "either" | "none";

export interface Operation {
  readonly method: Method;
  /** OpenAI's path below `/v1/`, ids in braces: with the method also the operation's name. */
  readonly name: string;
  readonly handling: Handling;
  readonly body: BodyKind;
  /** Whether the body has to name a model. */
  readonly model: "required" | "optional" | "none";
  readonly azureV1: boolean;
  readonly azureDated: AzureDated;
  /** One provider key serves all callers: the collection would show everybody's. */
  readonly lists: boolean;
  /** May answer with something else than JSON or events: audio, text, nothing. */
  readonly answersBytes: boolean;
}

type Flag = "optional model" | "lists" | "answers bytes";

/** Which of the three forms have it; OpenAI has all of them. */
type Azure = "v1+deployment" | "v1+resource" | "resource" | "v1" | "none";

type Row = readonly [method: Method, name: string, body: BodyKind, azure: Azure, ...flags: Flag[]];

const INFERENCE: readonly Row[] = [
  ["POST", "chat/completions", "json", "v1+deployment"],
  ["POST", "completions", "json", "v1+deployment"],
  ["POST", "embeddings", "json", "v1+deployment"],
  ["POST", "responses", "json", "v1+resource", "optional model"],
  ["POST", "responses/compact", "json", "none"],
  ["POST", "responses/input_tokens", "json", "none"],
  ["POST", "moderations", "json", "none", "optional model"],
  ["POST", "images/generations", "json", "v1+deployment"],
  ["POST", "images/edits", "either", "v1+deployment"],
  ["POST", "images/variations", "form", "none"],
  ["POST", "audio/transcriptions", "form", "v1+deployment", "answers bytes"],
  ["POST", "audio/translations", "form", "v1+deployment", "answers bytes"],
  ["POST", "audio/speech", "json", "v1+deployment", "answers bytes"],
];

const RESOURCES: readonly Row[] = [
  ["GET", "responses/{response_id}", "none", "v1+resource"],
  ["DELETE", "responses/{response_id}", "none", "v1+resource", "answers bytes"],
  ["POST", "responses/{response_id}/cancel", "json", "v1+resource"],
  ["GET", "responses/{response_id}/input_items", "none", "v1+resource"],
  ["GET", "chat/completions", "none", "none", "lists"],
  ["GET", "chat/completions/{completion_id}", "none", "none"],
  ["POST", "chat/completions/{completion_id}", "json", "none"],
  ["DELETE", "chat/completions/{completion_id}", "none", "none"],
  ["GET", "chat/completions/{completion_id}/messages", "none", "none"],
  ["POST", "conversations", "json", "none"],
  ["GET", "conversations/{conversation_id}", "none", "none"],
  ["POST", "conversations/{conversation_id}", "json", "none"],
  ["DELETE", "conversations/{conversation_id}", "none", "none"],
  ["GET", "conversations/{conversation_id}/items", "none", "none"],
  ["POST", "conversations/{conversation_id}/items", "json", "none"],
  ["GET", "conversations/{conversation_id}/items/{item_id}", "none", "none"],
  ["DELETE", "conversations/{conversation_id}/items/{item_id}", "none", "none"],
  ["GET", "files", "none", "v1+resource", "lists"],
  ["POST", "files", "form", "v1+resource"],
  ["GET", "files/{file_id}", "none", "v1+resource"],
  ["DELETE", "files/{file_id}", "none", "v1+resource"],
  ["POST", "uploads", "json", "none"],
  ["POST", "uploads/{upload_id}/parts", "form", "none"],
  ["POST", "uploads/{upload_id}/complete", "json", "none"],
  ["POST", "uploads/{upload_id}/cancel", "json", "none"],
  ["GET", "batches", "none", "v1+resource", "lists"],
  ["POST", "batches", "json", "v1+resource"],
  ["GET", "batches/{batch_id}", "none", "v1+resource"],
  ["POST", "batches/{batch_id}/cancel", "json", "v1+resource"],
  ["GET", "fine_tuning/jobs", "none", "v1+resource", "lists"],
  ["POST", "fine_tuning/jobs", "json", "v1+resource"],
  ["GET", "fine_tuning/jobs/{fine_tuning_job_id}", "none", "v1+resource"],
  ["POST", "fine_tuning/jobs/{fine_tuning_job_id}/cancel", "json", "v1+resource"],
  ["POST", "fine_tuning/jobs/{fine_tuning_job_id}/pause", "json", "v1+resource"],
  ["POST", "fine_tuning/jobs/{fine_tuning_job_id}/resume", "json", "v1+resource"],
  ["GET", "fine_tuning/jobs/{fine_tuning_job_id}/events", "none", "v1+resource"],
  ["GET", "fine_tuning/jobs/{fine_tuning_job_id}/checkpoints", "none", "v1+resource"],
  ["POST", "fine_tuning/alpha/graders/run", "json", "v1"],
  ["POST", "fine_tuning/alpha/graders/validate", "json", "v1"],
  ["GET", "vector_stores", "none", "v1+resource", "lists"],
  ["POST", "vector_stores", "json", "v1+resource"],
  ["GET", "vector_stores/{vector_store_id}", "none", "v1+resource"],
  ["POST", "vector_stores/{vector_store_id}", "json", "v1+resource"],
  ["DELETE", "vector_stores/{vector_store_id}", "none", "v1+resource"],
  ["POST", "vector_stores/{vector_store_id}/search", "json", "v1+resource"],
  ["GET", "vector_stores/{vector_store_id}/files", "none", "v1+resource"],
  ["POST", "vector_stores/{vector_store_id}/files", "json", "v1+resource"],
  ["GET", "vector_stores/{vector_store_id}/files/{file_id}", "none", "v1+resource"],
  ["POST", "vector_stores/{vector_store_id}/files/{file_id}", "json", "v1+resource"],
  ["DELETE", "vector_stores/{vector_store_id}/files/{file_id}", "none", "v1+resource"],
  ["GET", "vector_stores/{vector_store_id}/files/{file_id}/content", "none", "v1+resource"],
  ["POST", "vector_stores/{vector_store_id}/file_batches", "json", "v1+resource"],
  ["GET", "vector_stores/{vector_store_id}/file_batches/{batch_id}", "none", "v1+resource"],
  ["POST", "vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel", "json", "v1+resource"],
  ["GET", "vector_stores/{vector_store_id}/file_batches/{batch_id}/files", "none", "v1+resource"],
  ["GET", "containers", "none", "v1", "lists"],
  ["POST", "containers", "json", "v1"],
  ["GET", "containers/{container_id}", "none", "v1"],
  ["DELETE", "containers/{container_id}", "none", "v1", "answers bytes"],
  ["GET", "containers/{container_id}/files", "none", "v1"],
  ["POST", "containers/{container_id}/files", "either", "v1"],
  ["GET", "containers/{container_id}/files/{file_id}", "none", "v1"],
  ["DELETE", "containers/{container_id}/files/{file_id}", "none", "v1", "answers bytes"],
  ["GET", "evals", "none", "v1", "lists"],
  ["POST", "evals", "json", "v1"],
  ["GET", "evals/{eval_id}", "none", "v1"],
  ["POST", "evals/{eval_id}", "json", "v1"],
  ["DELETE", "evals/{eval_id}", "none", "v1"],
  ["GET", "evals/{eval_id}/runs", "none", "v1"],
  ["POST", "evals/{eval_id}/runs", "json", "v1"],
  ["GET", "evals/{eval_id}/runs/{run_id}", "none", "v1"],
  ["POST", "evals/{eval_id}/runs/{run_id}", "json", "v1"],
  ["DELETE", "evals/{eval_id}/runs/{run_id}", "none", "v1"],
  ["GET", "evals/{eval_id}/runs/{run_id}/output_items", "none", "v1"],
  ["GET", "evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}", "none", "v1"],
];

const CONTENT: readonly Row[] = [
  ["GET", "files/{file_id}/content", "none", "v1+resource", "answers bytes"],
  ["GET", "containers/{container_id}/files/{file_id}/content", "none", "v1", "answers bytes"],
];

const MODELS: readonly Row[] = [
  ["GET", "models", "none", "v1+resource"],
  ["GET", "models/{model}", "none", "v1+resource"],
];

const REALTIME: readonly Row[] = [
  ["GET", "realtime", "none", "v1+resource"],
  ["GET", "realtime/translations", "none", "none"],
  ["POST", "realtime/client_secrets", "json", "v1"],
  ["POST", "realtime/sessions", "json", "resource"],
  ["POST", "realtime/transcription_sessions", "json", "none"],
  ["POST", "realtime/translations/client_secrets", "json", "none"],
  ["POST", "realtime/calls", "form", "v1", "answers bytes"],
  ["POST", "realtime/calls/{call_id}/accept", "json", "v1", "answers bytes"],
  ["POST", "realtime/calls/{call_id}/hangup", "none", "v1", "answers bytes"],
  ["POST", "realtime/calls/{call_id}/refer", "json", "v1", "answers bytes"],
  ["POST", "realtime/calls/{call_id}/reject", "json", "v1", "answers bytes"],
];

export const OPERATIONS: readonly Operation[] = [
  ...INFERENCE.map((row) => operation("inference", row)),
  ...RESOURCES.map((row) => operation("resource", row)),
  ...CONTENT.map((row) => operation("content", row)),
  ...MODELS.map((row) => operation("models", row)),
  ...REALTIME.map((row) => operation("realtime", row)),
];

function operation(handling: Handling, [method, name, body, azure, ...flags]: Row): Operation {
  return {
    method,
    name,
    handling,
    body,
    model: handling !== "inference" ? "none" : flags.includes("optional model") ? "optional" : "required",
    azureV1: azure.startsWith("v1"),
    azureDated: azure === "v1+deployment" ? "deployment" : azure.endsWith("resource") ? "resource" : "none",
    lists: flags.includes("lists"),
    answersBytes: flags.includes("answers bytes"),
  };
}

/** A step of a path: what may follow, and what stands here. */
interface Step {
  readonly next: Map<string, Step>;
  /** What follows an id, whatever it is. */
  id: Step | undefined;
  /** All that follows is one name: a model's may have slashes in it. */
  takesRest: boolean;
  readonly methods: Map<string, Operation>;
}

const ROOT = step();
/** Without ids, by the whole path. */
const PLAIN = new Map<string, Step>();

function step(): Step {
  return { next: new Map(), id: undefined, takesRest: false, methods: new Map() };
}

for (const one of OPERATIONS) {
  let at = ROOT;
  for (const part of one.name.split("/")) {
    if (part.startsWith("{")) {
      at.id ??= step();
      at = at.id;
    } else {
      const next: Step = at.next.get(part) ?? step();
      at.next.set(part, next);
      at = next;
    }
  }
  at.takesRest = one.name.endsWith("{model}");
  at.methods.set(one.method, one);
  if (!one.name.includes("{")) PLAIN.set(one.name, at);
}

/** What stands at a path that names no id: what most requests ask for. */
export function operationsWithoutID(path: string): ReadonlyMap<string, Operation> | undefined {
  return PLAIN.get(path)?.methods;
}

/** What stands at a path below the API base (`files/file-1/content`), by method; undefined: nothing. */
export function operationsAt(path: string): ReadonlyMap<string, Operation> | undefined {
  let at: Step | undefined = ROOT;
  for (const part of path.split("/")) {
    at = at.next.get(part) ?? (part === "" ? undefined : at.id);
    if (!at) return undefined;
    if (at.takesRest) break;
  }
  return at.methods.size === 0 ? undefined : at.methods;
}

/** The operation of that name (`chat/completions`). */
export function operationNamed(method: Method, name: string): Operation {
  const found = OPERATIONS.find((one) => one.method === method && one.name === name);
  if (!found) throw new Error(`there is no operation ${method} ${name}`);
  return found;
}
