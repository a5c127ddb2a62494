/** What stands in the file of a batch, is every line of it a request, and what do they get for an answer? */

import type { Call } from "../call.ts";
import { findModel } from "../catalog.ts";
import { newHexId } from "../ids.ts";
import type { Settings } from "../options.ts";
import { chatCompletion } from "./chat.ts";
import { isObject } from "./chat-request.ts";
import { createCompletion } from "./completions.ts";
import { createEmbedding } from "./embeddings.ts";
import { createImage } from "./images.ts";
import { createModeration } from "./moderations.ts";
import type { Desk, JsonObject, Operation } from "./operation.ts";
import { createResponse } from "./responses.ts";

const MOST_LINES = 50_000;

const ON_BOTH = [chatCompletion, createEmbedding, createCompletion, createResponse];
const OPERATIONS = { azure: ON_BOTH, openai: [...ON_BOTH, createModeration, createImage] };

/** Why a batch failed before its first line ran. */
export interface BatchProblem {
  readonly code: string;
  readonly message: string;
  readonly line?: number;
  readonly param?: string;
}

export interface BatchLine {
  readonly customId: string;
  readonly body: JsonObject;
}

/** OpenAI writes `/v1/chat/completions`, Azure `/chat/completions`; on v1 Azure may be told to take both. */
export function endpointsOf(call: Call, settings: Settings): readonly string[] {
  const paths = OPERATIONS[call.provider].map((operation) => `/${operation.path}`);
  const v1 = paths.map((path) => `/v1${path}`);
  if (call.provider === "openai") return v1;
  return call.target.apiVersion === undefined && settings.batchUrlsOnV1 === "accept" ? [...paths, ...v1] : paths;
}

export function batchOperation(call: Call, endpoint: string): Operation | undefined {
  const path = endpoint.replace(/^\/v1/, "");
  return OPERATIONS[call.provider].find((operation) => `/${operation.path}` === path);
}

export function readLines(
  call: Call,
  content: Buffer,
  endpoint: string,
  settings: Settings,
): { readonly lines: readonly BatchLine[] } | { readonly problems: readonly BatchProblem[] } {
  const texts = content
    .toString()
    .replace(/^\uFEFF/, "")
    .split("\n");
  const numbered = texts.map((text, at) => ({ text: text.trim(), line: at + 1 })).filter(({ text }) => text !== "");
  if (numbered.length === 0) {
    const code = call.provider === "azure" ? "empty_batch" : "empty_file";
    return {
      problems: [
        { code, message: "The input file is empty. Please ensure that the batch contains at least one request." },
      ],
    };
  }
  if (numbered.length > MOST_LINES) {
    return { problems: [{ code: "too_many_tasks", message: `The batch has more than ${MOST_LINES} requests.` }] };
  }
  const seen: Seen = { customIds: new Set(), model: undefined };
  const read = numbered.map(({ text, line }) => readLine(call, text, line, endpoint, settings, seen));
  const problems = read.filter((result) => "code" in result);
  return problems.length > 0 ? { problems } : { lines: read.filter((result) => "customId" in result) };
}

interface Seen {
  readonly customIds: Set<string>;
  model: unknown;
}

function readLine(
  call: Call,
  text: string,
  line: number,
  endpoint: string,
  settings: Settings,
  seen: Seen,
): BatchLine | BatchProblem {
  const problem = (code: string, message: string, param?: string): BatchProblem => ({
    code,
    message,
    line,
    ...(param !== undefined && { param }),
  });
  const request = parsed(text);
  if (!request) return problem("invalid_json_line", "This line is not parseable as valid JSON.");
  const { custom_id: customId, method, url, body } = request;
  if (typeof customId !== "string")
    return problem("missing_required_parameter", "Missing required parameter: 'custom_id'.", "custom_id");
  if (seen.customIds.has(customId))
    return problem("duplicate_custom_id", `The custom_id '${customId}' has been used before.`, "custom_id");
  seen.customIds.add(customId);
  if (method !== "POST") return problem("invalid_method", "The method of every request must be 'POST'.", "method");
  if (url !== endpoint) {
    const message = "The URL provided for this request does not match the batch endpoint.";
    return problem(call.provider === "azure" ? "url_mismatch" : "invalid_url", message, "url");
  }
  if (!isObject(body)) return problem("missing_required_parameter", "Missing required parameter: 'body'.", "body");
  if (body.stream === true) return problem("invalid_request", "A batch cannot be streamed.", "body.stream");
  const model = wrongModel(call, body.model, settings, seen);
  return model ? problem(...model) : { customId, body };
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** All lines go to one model; on Azure that is a deployment, which must exist before anything runs. */
function wrongModel(
  call: Call,
  model: unknown,
  settings: Settings,
  seen: Seen,
): readonly [code: string, message: string, param: string] | undefined {
  if (typeof model !== "string")
    return ["missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model"];
  const name = model.split("+fault=")[0] as string;
  if (!isKnown(call, name, settings))
    return [
      "model_not_found",
      `The provided model '${name}' does not exist or cannot be used in a batch.`,
      "body.model",
    ];
  seen.model ??= name;
  if (seen.model === name) return undefined;
  const code = call.provider === "azure" ? "model_mismatch" : "mismatched_model";
  return [code, `The model '${name}' is not the one of the requests before, '${String(seen.model)}'.`, "body.model"];
}

function isKnown(call: Call, name: string, settings: Settings): boolean {
  if (call.provider === "azure") return settings.deployments.some((deployment) => deployment.name === name);
  return findModel(settings.models, name) !== undefined;
}

export interface BatchResults {
  /** JSON lines, empty when there are none. */
  readonly output: string;
  readonly errors: string;
  readonly counts: { readonly total: number; readonly completed: number; readonly failed: number };
  /** That answered, with its version. */
  readonly model: string | undefined;
}

export async function runLines(
  call: Call,
  operation: Operation,
  lines: readonly BatchLine[],
  desk: Desk,
): Promise<BatchResults> {
  const output: string[] = [];
  const errors: string[] = [];
  let model: string | undefined;
  for (const line of lines) {
    const answer = await desk.runLine(call, operation, line.body);
    const response = { status_code: answer.status, request_id: answer.requestId, body: answer.body };
    const id = call.provider === "azure" ? {} : { id: newHexId("batch_req_") };
    const written = JSON.stringify({ ...id, custom_id: line.customId, response, error: null });
    (answer.status < 400 ? output : errors).push(written);
    if (isObject(answer.body) && typeof answer.body.model === "string") model ??= answer.body.model;
  }
  const counts = { total: lines.length, completed: output.length, failed: errors.length };
  const joined = (texts: readonly string[]) => texts.map((text) => `${text}\n`).join("");
  return { output: joined(output), errors: joined(errors), counts, model };
}
