/** How are containers for code made, filled, read and deleted? */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { newHexId } from "../ids.ts";
import { Drawer } from "../shelf.ts";
import { isObject } from "./chat-request.ts";
import { fileBytes } from "./files.ts";
import { type Desk, idOf, type JsonObject, json, notFound, now, type Operation } from "./operation.ts";
import { listAnswer, queryOf } from "./paging.ts";
import { missingFile } from "./references.ts";

const DEFAULT_MINUTES = 20;

export interface ContainerFile {
  readonly id: string;
  readonly name: string;
  readonly content: Buffer;
  readonly createdAt: number;
  readonly source: "user" | "assistant";
}

export interface Container {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
  readonly minutes: number;
  readonly memory: string;
  readonly files: Drawer<ContainerFile>;
}

const COMMON = {
  body: "none",
  onOpenai: true,
  onAzure: { v1: true },
  azureNames: { operation: "Containers", action: "containers" },
} as const satisfies Partial<Operation>;

export const createContainer: Operation = {
  ...COMMON,
  name: "containers.create",
  method: "POST",
  path: "containers",
  body: "json",
  run: create,
};
export const listContainers: Operation = {
  ...COMMON,
  name: "containers.list",
  method: "GET",
  path: "containers",
  run: (call, _body, desk) => {
    const name = queryOf(call).get("name");
    const shown = desk.shelf.containers.values().filter((container) => name === null || container.name === name);
    return listAnswer(call, shown.map(describe));
  },
};
export const getContainer: Operation = {
  ...COMMON,
  name: "containers.retrieve",
  method: "GET",
  path: "containers/{container_id}",
  run: withContainer((container) => json(describe(container))),
};
export const deleteContainer: Operation = {
  ...COMMON,
  name: "containers.delete",
  method: "DELETE",
  path: "containers/{container_id}",
  run: withContainer(({ id }, _call, _body, desk) => {
    desk.shelf.containers.delete(id);
    return json({ id, object: "container.deleted", deleted: true });
  }),
};
export const createContainerFile: Operation = {
  ...COMMON,
  name: "containers.files.create",
  method: "POST",
  path: "containers/{container_id}/files",
  body: "either",
  run: withContainer(addFile),
};
export const listContainerFiles: Operation = {
  ...COMMON,
  name: "containers.files.list",
  method: "GET",
  path: "containers/{container_id}/files",
  run: withContainer((container, call) =>
    listAnswer(
      call,
      container.files.values().map((file) => describeFile(file, container)),
    ),
  ),
};
export const getContainerFile: Operation = {
  ...COMMON,
  name: "containers.files.retrieve",
  method: "GET",
  path: "containers/{container_id}/files/{file_id}",
  run: withFile((file, container) => json(describeFile(file, container))),
};
export const getContainerFileContent: Operation = {
  ...COMMON,
  name: "containers.files.content",
  method: "GET",
  path: "containers/{container_id}/files/{file_id}/content",
  run: withFile((file) => fileBytes(file.content, file.name)),
};
export const deleteContainerFile: Operation = {
  ...COMMON,
  name: "containers.files.delete",
  method: "DELETE",
  path: "containers/{container_id}/files/{file_id}",
  run: withFile(({ id }, container) => {
    container.files.delete(id);
    return json({ id, object: "container.file.deleted", deleted: true });
  }),
};

type ContainerAnswer = (
  container: Container,
  call: Call,
  body: JsonObject,
  desk: Desk,
) => Answer | Failure | Promise<Answer | Failure>;

function withContainer(answer: ContainerAnswer): Operation["run"] {
  return (call, body, desk) => {
    const id = idOf(call, "container_id");
    const container = desk.shelf.containers.get(id);
    return container ? answer(container, call, body, desk) : notFound(call, `Container with id '${id}' not found.`);
  };
}

function withFile(answer: (file: ContainerFile, container: Container) => Answer): Operation["run"] {
  return withContainer((container, call) => {
    const id = idOf(call, "file_id");
    const file = container.files.get(id);
    return file ? answer(file, container) : notFound(call, `Container file with id '${id}' not found.`);
  });
}

/** An empty container with a name. */
export function makeContainer(desk: Desk, name: string, minutes = DEFAULT_MINUTES, memory = "1g"): Container {
  const id = newHexId("cntr_");
  const container: Container = { id, name, createdAt: now(), minutes, memory, files: new Drawer() };
  desk.shelf.containers.put(id, container);
  return container;
}

export function putContainerFile(
  container: Container,
  name: string,
  content: Buffer,
  source: ContainerFile["source"],
): ContainerFile {
  const file: ContainerFile = { id: newHexId("cfile_"), name, content, createdAt: now(), source };
  container.files.put(file.id, file);
  return file;
}

function create(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  if (typeof body.name !== "string")
    return invalidRequest("Missing required parameter: 'name'.", "name", "missing_required_parameter");
  const ids: readonly unknown[] = Array.isArray(body.file_ids) ? body.file_ids : [];
  const missing = ids.find((id) => typeof id !== "string" || !desk.shelf.files.has(id));
  if (missing !== undefined) return missingFile(call, String(missing), "file_ids");
  const minutes = isObject(body.expires_after) ? Number(body.expires_after.minutes) : undefined;
  const memory = typeof body.memory_limit === "string" ? body.memory_limit : undefined;
  const container = makeContainer(desk, body.name, minutes, memory);
  for (const id of ids) {
    const file = desk.shelf.files.get(String(id));
    if (file) putContainerFile(container, file.filename, file.content, "user");
  }
  return json(describe(container));
}

/** A file of the account's by its id, or the bytes themselves. */
async function addFile(container: Container, call: Call, body: JsonObject, desk: Desk): Promise<Answer | Failure> {
  const { file, file_id: id } = body;
  if (file instanceof File) {
    const content = Buffer.from(await file.arrayBuffer());
    return json(describeFile(putContainerFile(container, file.name, content, "user"), container));
  }
  if (typeof id !== "string")
    return invalidRequest("Missing required parameter: 'file'.", "file", "missing_required_parameter");
  const known = desk.shelf.files.get(id);
  if (!known) return missingFile(call, id, "file_id");
  return json(describeFile(putContainerFile(container, known.filename, known.content, "user"), container));
}

function describe(container: Container) {
  return {
    id: container.id,
    object: "container",
    name: container.name,
    created_at: container.createdAt,
    status: "running",
    last_active_at: container.createdAt,
    expires_after: { anchor: "last_active_at", minutes: container.minutes },
    memory_limit: container.memory,
  };
}

function describeFile(file: ContainerFile, container: Container) {
  return {
    id: file.id,
    object: "container.file",
    created_at: file.createdAt,
    bytes: file.content.length,
    container_id: container.id,
    path: `/mnt/data/${file.name}`,
    source: file.source,
  };
}
