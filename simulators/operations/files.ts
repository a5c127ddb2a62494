/** How are files uploaded, listed, read and deleted? */

import type { Answer, Call } from "../call.ts";
import { azureError, type Failure, invalidRequest, openaiError } from "../errors.ts";
import { wholeNumber } from "../form.ts";
import { newHexId, newId } from "../ids.ts";
import type { StoredFile } from "../shelf.ts";
import { isObject } from "./chat-request.ts";
import { type Desk, idOf, type JsonObject, json, notFound, now, type Operation } from "./operation.ts";
import { type ListRules, listAnswer, queryOf } from "./paging.ts";

const PURPOSES = {
  azure: ["assistants", "batch", "fine-tune", "evals"],
  openai: ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"],
};
/** What both read line by line must say so in its name. */
const LINE_READERS: Readonly<Record<string, string>> = { batch: "Batch API", "fine-tune": "Fine-Tuning API" };
/** Both keep what was given for reading to themselves. */
const NOT_TO_BE_READ = ["assistants", "user_data", "vision"];
const LIST: ListRules = { limit: 10_000, mostLimit: 10_000, order: "desc" };
const SHORTEST_LIFE_SECONDS = 3_600;
const LONGEST_LIFE_SECONDS = 2_592_000;

const COMMON = {
  body: "none",
  onOpenai: true,
  onAzure: { dated: "root", v1: true },
  azureNames: { operation: "Files", action: "files" },
} as const satisfies Partial<Operation>;

export const uploadFile: Operation = {
  ...COMMON,
  name: "files.create",
  method: "POST",
  path: "files",
  body: "multipart",
  run: upload,
};
export const listFiles: Operation = { ...COMMON, name: "files.list", method: "GET", path: "files", run: list };
export const getFile: Operation = {
  ...COMMON,
  name: "files.retrieve",
  method: "GET",
  path: "files/{file_id}",
  run: withFile((file) => json(describe(file))),
};
export const getFileContent: Operation = {
  ...COMMON,
  name: "files.content",
  method: "GET",
  path: "files/{file_id}/content",
  run: withFile((file) =>
    NOT_TO_BE_READ.includes(file.purpose)
      ? openaiError(400, `Not allowed to download files of purpose: ${file.purpose}`)
      : fileBytes(file.content, file.filename),
  ),
};
export const deleteFile: Operation = {
  ...COMMON,
  name: "files.delete",
  method: "DELETE",
  path: "files/{file_id}",
  run: withFile((file, _call, desk) => {
    desk.shelf.files.delete(file.id);
    return json({ id: file.id, object: "file", deleted: true });
  }),
};

async function upload(call: Call, body: JsonObject, desk: Desk): Promise<Answer | Failure> {
  const { file, purpose } = body;
  if (!(file instanceof File))
    return invalidRequest("Missing required parameter: 'file'.", "file", "missing_required_parameter");
  const refused = wrongPurpose(call, purpose) ?? wrongName(String(purpose), file.name) ?? wrongLife(body.expires_after);
  if (refused) return refused;
  const content = Buffer.from(await file.arrayBuffer());
  const seconds = isObject(body.expires_after) ? wholeNumber(body.expires_after.seconds) : undefined;
  return json(describe(keepFile(call, desk, { filename: file.name, purpose: String(purpose), content }, seconds)));
}

/** The refusal of a purpose that this provider does not know. */
export function wrongPurpose(call: Call, purpose: unknown): Failure | undefined {
  if (purpose === undefined)
    return invalidRequest("Missing required parameter: 'purpose'.", "purpose", "missing_required_parameter");
  const known = PURPOSES[call.provider];
  if (typeof purpose === "string" && known.includes(purpose)) return undefined;
  if (call.provider === "azure") return azureError(400, "invalidPayload", "Invalid value for purpose.");
  const names = known.map((name) => `'${name}'`).join(", ");
  return invalidRequest(`'${String(purpose)}' is not one of [${names}] - 'purpose'`, "purpose");
}

function wrongName(purpose: string, filename: string): Failure | undefined {
  const reader = LINE_READERS[purpose];
  if (reader === undefined || filename.endsWith(".jsonl")) return undefined;
  return invalidRequest(`Invalid file format for ${reader}. Must be .jsonl`);
}

/** `expires_after` is `{anchor: "created_at", seconds}`, one hour to thirty days. */
export function wrongLife(life: unknown): Failure | undefined {
  if (life === undefined) return undefined;
  const seconds = isObject(life) ? wholeNumber(life.seconds) : undefined;
  const fits = seconds !== undefined && seconds >= SHORTEST_LIFE_SECONDS && seconds <= LONGEST_LIFE_SECONDS;
  if (isObject(life) && life.anchor === "created_at" && fits) return undefined;
  return invalidRequest(
    `Invalid 'expires_after': expected the anchor 'created_at' and ${SHORTEST_LIFE_SECONDS} to ${LONGEST_LIFE_SECONDS} seconds.`,
    "expires_after",
    "invalid_value",
  );
}

/** Puts a file on the caller's shelf, under an id in the provider's form. */
export function keepFile(
  call: Call,
  desk: Desk,
  file: Pick<StoredFile, "filename" | "purpose" | "content">,
  lifeSeconds?: number,
): StoredFile {
  const createdAt = now();
  const id = call.provider === "azure" ? newHexId("file-") : newId("file-");
  const stored = { ...file, id, createdAt, ...(lifeSeconds !== undefined && { expiresAt: createdAt + lifeSeconds }) };
  desk.shelf.files.put(id, stored);
  return stored;
}

function list(call: Call, _body: JsonObject, desk: Desk): Answer | Failure {
  const purpose = queryOf(call).get("purpose");
  const files = desk.shelf.files.values().filter((file) => purpose === null || file.purpose === purpose);
  return listAnswer(call, files.map(describe), LIST);
}

function withFile(answer: (file: StoredFile, call: Call, desk: Desk) => Answer | Failure): Operation["run"] {
  return (call, _body, desk) => {
    const id = idOf(call, "file_id");
    const file = desk.shelf.files.get(id);
    return file ? answer(file, call, desk) : notFound(call, `No such File object: ${id}`, "id");
  };
}

export function describe(file: StoredFile) {
  const { id, filename, purpose, content, createdAt, expiresAt } = file;
  return {
    id,
    object: "file",
    bytes: content.length,
    created_at: createdAt,
    filename,
    purpose,
    status: "processed",
    ...(expiresAt !== undefined && { expires_at: expiresAt }),
  };
}

export function fileBytes(content: Buffer, filename: string): Answer {
  const headers = ["content-disposition", `attachment; filename="${filename.replaceAll(/[^\x20-\x7e]|["\\]/g, "_")}"`];
  return { kind: "bytes", body: content, contentType: "application/octet-stream", headers };
}
