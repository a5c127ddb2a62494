/** How does a large file come in parts? OpenAI only. */

import { createHash } from "node:crypto";
import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { newHexId } from "../ids.ts";
import type { StoredFile } from "../shelf.ts";
import { isObject } from "./chat-request.ts";
import { describe as describeFile, keepFile, wrongLife, wrongPurpose } from "./files.ts";
import { type Desk, idOf, type JsonObject, json, notFound, now, OPENAI_ONLY, type Operation } from "./operation.ts";

const LIFE_SECONDS = 3_600;

export interface Upload {
  readonly id: string;
  readonly createdAt: number;
  readonly filename: string;
  readonly purpose: string;
  readonly bytes: number;
  readonly fileLifeSeconds: number | undefined;
  readonly parts: Map<string, Buffer>;
  status: "pending" | "completed" | "cancelled";
  file?: StoredFile;
}

export const createUpload: Operation = {
  ...OPENAI_ONLY,
  name: "uploads.create",
  method: "POST",
  path: "uploads",
  body: "json",
  run: create,
};
export const addUploadPart: Operation = {
  ...OPENAI_ONLY,
  name: "uploads.parts.create",
  method: "POST",
  path: "uploads/{upload_id}/parts",
  body: "multipart",
  run: withPending(addPart),
};
export const completeUpload: Operation = {
  ...OPENAI_ONLY,
  name: "uploads.complete",
  method: "POST",
  path: "uploads/{upload_id}/complete",
  body: "json",
  run: withPending(complete),
};
export const cancelUpload: Operation = {
  ...OPENAI_ONLY,
  name: "uploads.cancel",
  method: "POST",
  path: "uploads/{upload_id}/cancel",
  body: "json",
  bodyOptional: true,
  run: withPending((upload) => {
    upload.status = "cancelled";
    upload.parts.clear();
    return json(describe(upload));
  }),
};

type UploadAnswer = (
  upload: Upload,
  call: Call,
  body: JsonObject,
  desk: Desk,
) => Answer | Failure | Promise<Answer | Failure>;

function withPending(answer: UploadAnswer): Operation["run"] {
  return (call, body, desk) => {
    const id = idOf(call, "upload_id");
    const upload = desk.shelf.uploads.get(id);
    if (!upload) return notFound(call, `No such Upload object: ${id}`);
    if (upload.status !== "pending") return invalidRequest(`Upload has status '${upload.status}', not 'pending'.`);
    return answer(upload, call, body, desk);
  };
}

function create(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const missing = ["filename", "purpose", "bytes", "mime_type"].find((name) => body[name] === undefined);
  if (missing !== undefined)
    return invalidRequest(`Missing required parameter: '${missing}'.`, missing, "missing_required_parameter");
  const wrong = wrongPurpose(call, body.purpose) ?? wrongLife(body.expires_after);
  if (wrong) return wrong;
  if (typeof body.bytes !== "number" || body.bytes < 1)
    return invalidRequest("Invalid 'bytes': expected a number above 0.", "bytes", "integer_below_min_value");
  const upload: Upload = {
    id: newHexId("upload_"),
    createdAt: now(),
    filename: String(body.filename),
    purpose: String(body.purpose),
    bytes: body.bytes,
    fileLifeSeconds: isObject(body.expires_after) ? Number(body.expires_after.seconds) : undefined,
    parts: new Map(),
    status: "pending",
  };
  desk.shelf.uploads.put(upload.id, upload);
  return json(describe(upload));
}

async function addPart(upload: Upload, _call: Call, body: JsonObject): Promise<Answer | Failure> {
  const { data } = body;
  if (!(data instanceof File))
    return invalidRequest("Missing required parameter: 'data'.", "data", "missing_required_parameter");
  const content = Buffer.from(await data.arrayBuffer());
  if (sizeOf(upload) + content.length > upload.bytes)
    return invalidRequest(`The parts have more bytes than the ${upload.bytes} that were announced.`, "data");
  const id = newHexId("part_");
  upload.parts.set(id, content);
  return json({ id, object: "upload.part", created_at: now(), upload_id: upload.id });
}

function sizeOf(upload: Upload): number {
  return upload.parts.values().reduce((sum, part) => sum + part.length, 0);
}

function complete(upload: Upload, call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const ids: readonly unknown[] = Array.isArray(body.part_ids) ? body.part_ids : [];
  if (ids.length === 0)
    return invalidRequest("Missing required parameter: 'part_ids'.", "part_ids", "missing_required_parameter");
  const parts = ids.map((id) => upload.parts.get(String(id)));
  const missing = parts.indexOf(undefined);
  if (missing >= 0) return invalidRequest(`No such part: ${String(ids[missing])}`, "part_ids");
  const content = Buffer.concat(parts.filter((part) => part !== undefined));
  if (content.length !== upload.bytes)
    return invalidRequest(`The parts have ${content.length} bytes, but ${upload.bytes} were announced.`);
  if (typeof body.md5 === "string" && createHash("md5").update(content).digest("hex") !== body.md5)
    return invalidRequest("The MD5 checksum does not match the uploaded bytes.", "md5");
  const { filename, purpose } = upload;
  upload.file = keepFile(call, desk, { filename, purpose, content }, upload.fileLifeSeconds);
  upload.status = "completed";
  upload.parts.clear();
  return json(describe(upload));
}

function describe(upload: Upload): object {
  return {
    id: upload.id,
    object: "upload",
    bytes: upload.bytes,
    created_at: upload.createdAt,
    filename: upload.filename,
    purpose: upload.purpose,
    status: upload.status,
    expires_at: upload.createdAt + LIFE_SECONDS,
    ...(upload.file && { file: describeFile(upload.file) }),
  };
}
