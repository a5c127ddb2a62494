/**
 * Would the request reach what others have at the provider, without naming an id of theirs?
 *
 * One provider key serves all callers, so what the provider itself goes through (its lists, what it has stored, a file
 * with requests that nobody looked into) is everybody's.
 */
import { eachMember } from "../body/json-members.ts";
import { type JsonPaths, jsonPaths, stringsAt } from "../body/json-strings.ts";
import { textOf } from "../body/json-values.ts";
import type { RequestContext } from "../context.ts";
import type { Operation } from "../dialects/operations.ts";
import { GatewayError } from "../errors.ts";

const PURPOSE = jsonPaths(["purpose"]);
const RUN_SOURCE = jsonPaths(["data_source.source.type"]);
/** What the caller brings; all else goes through what is stored. */
const OWN_SOURCES: ReadonlySet<string> = new Set(["file_content", "file_id"]);

export function keepApart(context: RequestContext, operation: Operation): void {
  if (operation.lists) refuseListing(context);
  if (operation.method !== "POST") return;
  if (operation.name === "uploads") refuseBatchInParts(context);
  if (operation.name === "batches") refuseStoredLines(context);
  if (operation.name === "evals/{eval_id}/runs") refuseStoredSource(context);
}

function refuseListing({ client, exchange }: RequestContext): void {
  if (client?.statefulListing === "Allow") return;
  const message = `Listing ${exchange.path} is not allowed: the provider's key is shared, so the list would show everybody's. The AIClient's statefulListing: Allow opens it.`;
  throw new GatewayError("listing_not_allowed", message);
}

/** Ids and models in its lines would go by unseen. */
function refuseBatchInParts(context: RequestContext): void {
  if (!textsAt(context, PURPOSE).includes("batch")) return;
  const message =
    "The field 'purpose' is 'batch', and a batch's file cannot come in parts: its lines have to be read. Send it whole to POST /v1/files.";
  throw new GatewayError("invalid_batch", message, { param: "purpose" });
}

/** Azure fetches the lines itself: ids and models in them would go by unseen. */
function refuseStoredLines(context: RequestContext): void {
  const bytes = bodyOf(context);
  if (bytes.length === 0 || context.client?.statefulListing === "Allow") return;
  let isNamed = false;
  const isWhole = eachMember(bytes, ({ key, depth, isEmpty }) => {
    isNamed ||= key === "input_blob" && depth === 1 && !isEmpty;
  });
  if (!isWhole) throw notWhole();
  if (!isNamed) return;
  const message =
    "The field 'input_blob' has the provider fetch lines that nobody has read, and they may name everybody's things. Send the file to POST /v1/files and name it in input_file_id, or have the AIClient say statefulListing: Allow.";
  throw new GatewayError("listing_not_allowed", message, { param: "input_blob" });
}

function refuseStoredSource(context: RequestContext): void {
  if (context.client?.statefulListing === "Allow") return;
  const source = textsAt(context, RUN_SOURCE).find((type) => !OWN_SOURCES.has(type));
  if (source === undefined) return;
  const message = `The field 'data_source.source.type' is '${source.slice(0, 100)}', which goes through what everybody stored with the provider's shared key. Bring the data as file_content or file_id, or have the AIClient say statefulListing: Allow.`;
  throw new GatewayError("listing_not_allowed", message, { param: "data_source.source.type" });
}

function bodyOf({ body }: RequestContext): Buffer {
  body?.scan.join();
  return (body?.scan.chunks[0] as Buffer | undefined) ?? Buffer.alloc(0);
}

function textsAt(context: RequestContext, paths: JsonPaths): readonly string[] {
  const bytes = bodyOf(context);
  if (bytes.length === 0) return [];
  const ranges = stringsAt(bytes, paths);
  if (!ranges) throw notWhole();
  return ranges.map(({ start, end }) => textOf(bytes.toString("utf8", start, end)));
}

function notWhole(): GatewayError {
  return new GatewayError("invalid_json", "The body is not JSON: a value in it is not whole.");
}
