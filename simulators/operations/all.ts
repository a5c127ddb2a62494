/** Which operations exist at all, and which of them does a path name? */

import { cancelBatch, createBatch, getBatch, listBatches } from "./batches.ts";
import { chatCompletion } from "./chat.ts";
import { createCompletion } from "./completions.ts";
import {
  createContainer,
  createContainerFile,
  deleteContainer,
  deleteContainerFile,
  getContainer,
  getContainerFile,
  getContainerFileContent,
  listContainerFiles,
  listContainers,
} from "./containers.ts";
import {
  createConversation,
  createConversationItems,
  deleteConversation,
  deleteConversationItem,
  getConversation,
  getConversationItem,
  listConversationItems,
  updateConversation,
} from "./conversations.ts";
import { createEmbedding } from "./embeddings.ts";
import { deleteFile, getFile, getFileContent, listFiles, uploadFile } from "./files.ts";
import {
  cancelJob,
  createJob,
  getJob,
  listJobCheckpoints,
  listJobEvents,
  listJobs,
  pauseJob,
  resumeJob,
} from "./fine-tuning.ts";
import { createImage, editImage, varyImage } from "./images.ts";
import { getModel, listModels } from "./models.ts";
import { createModeration } from "./moderations.ts";
import type { Operation } from "./operation.ts";
import { createResponse } from "./responses.ts";
import { cancelResponse, deleteResponse, getResponse, listInputItems } from "./responses-kept.ts";
import { compactResponse, countInputTokens } from "./responses-more.ts";
import { createSpeech } from "./speech.ts";
import {
  deleteCompletion,
  getCompletion,
  listCompletionMessages,
  listCompletions,
  updateCompletion,
} from "./stored-completions.ts";
import { createTranscription, createTranslation } from "./transcriptions.ts";
import { addUploadPart, cancelUpload, completeUpload, createUpload } from "./uploads.ts";
import {
  addVectorStoreFile,
  cancelFileBatch,
  createFileBatch,
  deleteVectorStoreFile,
  getFileBatch,
  getVectorStoreFile,
  getVectorStoreFileContent,
  listFileBatchFiles,
  listVectorStoreFiles,
  updateVectorStoreFile,
} from "./vector-store-files.ts";
import {
  createVectorStore,
  deleteVectorStore,
  getVectorStore,
  listVectorStores,
  searchVectorStore,
  updateVectorStore,
} from "./vector-stores.ts";

// biome-ignore format: a list of names
export const OPERATIONS: readonly Operation[] = [
  chatCompletion, listCompletions, getCompletion, updateCompletion, deleteCompletion, listCompletionMessages,
  createCompletion, createEmbedding, createModeration,
  createResponse, getResponse, deleteResponse, cancelResponse, listInputItems, compactResponse, countInputTokens,
  createImage, editImage, varyImage, createSpeech, createTranscription, createTranslation,
  uploadFile, listFiles, getFile, getFileContent, deleteFile,
  createUpload, addUploadPart, completeUpload, cancelUpload,
  createBatch, listBatches, getBatch, cancelBatch,
  createJob, listJobs, getJob, cancelJob, pauseJob, resumeJob, listJobEvents, listJobCheckpoints,
  createVectorStore, listVectorStores, getVectorStore, updateVectorStore, deleteVectorStore, searchVectorStore,
  addVectorStoreFile, listVectorStoreFiles, getVectorStoreFile, updateVectorStoreFile, deleteVectorStoreFile,
  getVectorStoreFileContent, createFileBatch, getFileBatch, cancelFileBatch, listFileBatchFiles,
  createContainer, listContainers, getContainer, deleteContainer, createContainerFile, listContainerFiles,
  getContainerFile, getContainerFileContent, deleteContainerFile,
  createConversation, getConversation, updateConversation, deleteConversation, createConversationItems,
  listConversationItems, getConversationItem, deleteConversationItem,
  listModels, getModel,
];

interface Named {
  readonly operation: Operation;
  readonly ids: Readonly<Record<string, string>>;
}

interface Pattern {
  readonly operation: Operation;
  readonly segments: readonly string[];
}

/** By first segment, which is never in braces. */
const patterns = new Map<string, Pattern[]>();
for (const operation of OPERATIONS) {
  const segments = operation.path.split("/");
  const first = segments[0] as string;
  patterns.set(first, [...(patterns.get(first) ?? []), { operation, segments }]);
}

/** Operations at a path below the API's base (`files/file-1/content`), any method. */
export function operationsAt(path: string): readonly Named[] {
  const asked = path.split("/");
  return (patterns.get(asked[0] as string) ?? []).flatMap(({ operation, segments }) => {
    const ids = matchSegments(segments, asked);
    return ids ? [{ operation, ids }] : [];
  });
}

/** What stands in the braces; undefined when the path does not match. */
function matchSegments(pattern: readonly string[], asked: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== asked.length) return undefined;
  const ids: Record<string, string> = {};
  for (const [at, segment] of pattern.entries()) {
    const value = asked[at] as string;
    if (value === "") return undefined;
    if (segment.startsWith("{")) ids[segment.slice(1, -1)] = decoded(value);
    else if (segment !== value) return undefined;
  }
  return ids;
}

export function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
