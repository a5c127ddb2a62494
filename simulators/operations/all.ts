/** Which operations exist at all, and which of them does a path name? */

import { chatCompletion } from "./chat.ts";
import { createCompletion } from "./completions.ts";
import { createEmbedding } from "./embeddings.ts";
import { deleteFile, getFile, getFileContent, listFiles, uploadFile } from "./files.ts";
import { createImage, createSpeech } from "./media.ts";
import { getModel, listModels } from "./models.ts";
import { createModeration } from "./moderations.ts";
import type { Operation } from "./operation.ts";
import { createResponse, deleteResponse, getResponse } from "./responses.ts";

export const OPERATIONS: readonly Operation[] = [
  chatCompletion,
  createCompletion,
  createEmbedding,
  createResponse,
  getResponse,
  deleteResponse,
  createModeration,
  createImage,
  createSpeech,
  uploadFile,
  listFiles,
  getFile,
  getFileContent,
  deleteFile,
  listModels,
  getModel,
];

interface Named {
  readonly operation: Operation;
  readonly id?: string;
}

const patterns = OPERATIONS.map((operation) => ({
  operation,
  segments: operation.path.split("/"),
}));

/** Operations at a path below the API's base (`files/file-1/content`), any method. */
export function operationsAt(path: string): readonly Named[] {
  const asked = path.split("/");
  return patterns.flatMap(({ operation, segments }) => {
    const id = matchSegments(segments, asked);
    return id === undefined ? [] : [id === "" ? { operation } : { operation, id }];
  });
}

/** The `{id}` of a match, empty when the pattern has none; undefined when it does not match. */
function matchSegments(pattern: readonly string[], asked: readonly string[]): string | undefined {
  if (pattern.length !== asked.length) return undefined;
  let id = "";
  for (const [at, segment] of pattern.entries()) {
    const value = asked[at] as string;
    if (segment === "{id}") id = value;
    else if (segment !== value) return undefined;
    if (value === "") return undefined;
  }
  return id;
}
