/** How are files uploaded, listed, read and deleted? */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest, openaiError } from "../errors.ts";
import { newId } from "../ids.ts";
import type { StoredFile } from "../shelf.ts";
import type { Desk, JsonObject, Operation } from "./operation.ts";

const PURPOSES = {
  azure: ["assistants", "batch", "fine-tune", "evals"],
  openai: ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"],
};

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
  path: "files/{id}",
  run: withFile((file, call) => json(describe(call, file))),
};
export const getFileContent: Operation = {
  ...COMMON,
  name: "files.content",
  method: "GET",
  path: "files/{id}/content",
  run: withFile((file) => ({ kind: "bytes", body: file.content, contentType: "application/octet-stream" })),
};
export const deleteFile: Operation = {
  ...COMMON,
  name: "files.delete",
  method: "DELETE",
  path: "files/{id}",
  run: withFile((file, _call, desk) => {
    desk.shelf.files.delete(file.id);
    return json({ id: file.id, object: "file", deleted: true });
  }),
};

async function upload(call: Call, _body: JsonObject, desk: Desk): Promise<Answer | Failure> {
  const form = await formOf(call);
  if (!form) return invalidRequest("Could not parse multipart form.");
  const [file, purpose] = [form.get("file"), form.get("purpose")];
  if (!(file instanceof File))
    return invalidRequest("Missing required parameter: 'file'.", "file", "missing_required_parameter");
  if (typeof purpose !== "string")
    return invalidRequest("Missing required parameter: 'purpose'.", "purpose", "missing_required_parameter");
  const known = PURPOSES[call.provider];
  if (!known.includes(purpose)) {
    return invalidRequest(
      `'${purpose}' is not one of [${known.map((name) => `'${name}'`).join(", ")}] - 'purpose'`,
      "purpose",
    );
  }
  const stored: StoredFile = {
    id: newId("file-"),
    filename: file.name,
    purpose,
    content: Buffer.from(await file.arrayBuffer()),
    createdAt: Math.floor(Date.now() / 1000),
  };
  desk.shelf.putFile(stored);
  return json(describe(call, stored));
}

async function formOf(call: Call): Promise<FormData | undefined> {
  const type = call.request.headers["content-type"] ?? "";
  try {
    return await new Response(new Uint8Array(call.body), { headers: { "content-type": type } }).formData();
  } catch {
    return undefined;
  }
}

function list(call: Call, _body: JsonObject, desk: Desk): Answer {
  const data = [...desk.shelf.files.values()].map((file) => describe(call, file));
  return json({ object: "list", data, has_more: false });
}

function withFile(answer: (file: StoredFile, call: Call, desk: Desk) => Answer): Operation["run"] {
  return (call, _body, desk) => {
    const id = call.target.id ?? "";
    const file = desk.shelf.files.get(id);
    return file ? answer(file, call, desk) : openaiError(404, `No such File object: ${id}`, { param: "id" });
  };
}

function describe(call: Call, file: StoredFile): object {
  const { id, filename, purpose, content, createdAt } = file;
  const common = {
    id,
    object: "file",
    bytes: content.length,
    created_at: createdAt,
    filename,
    purpose,
    status: "processed",
  };
  return call.provider === "azure" ? common : { ...common, expires_at: null, status_details: null };
}

function json(body: object): Answer {
  return { kind: "json", body: JSON.stringify(body) };
}
