/**
 * Which provider do the ids of a request belong to, and are they the caller's?
 *
 * Ids stand in the path, in the query (cursors of lists) and at listed places of the body. Each is opened, checked, and
 * sent on as the provider knows it. An id of somebody else looks like one that does not exist.
 */
import type { Zone } from "../../routing/zones.ts";
import type { Edit } from "../body/edits.ts";
import { type JsonPaths, stringsAt, type TextRange } from "../body/json-strings.ts";
import { textOf } from "../body/json-values.ts";
import type { RequestContext } from "../context.ts";
import { operationPath } from "../dialects/batch.ts";
import { type Operation, operationsAt } from "../dialects/operations.ts";
import { GatewayError } from "../errors.ts";
import { isOwner, isTagged, lookedThroughFor, ownerOf } from "../ids/affinity.ts";
import { placesOf } from "../ids/paths.ts";
import { decodedPart } from "./path-part.ts";

/** What the ids of a request said. */
export interface Identified {
  /** Of the provider that has the things named; undefined: none is named, or only ones that Tandem does not know. */
  home: string | undefined;
  /** The places of the body's ids, with the provider's own. */
  readonly edits: Edit[];
  /** For each id named: the residency for which its file was looked through, if it was. */
  readonly lookedThrough: (Zone | undefined)[];
  /** Ids that Tandem did not give out, and where they stand. */
  readonly foreign: { readonly id: string; readonly place: string }[];
}

/** Longest id that is looked at. */
const LONGEST_ID = 512;
const MARK_IN_QUERY = "_tdm";

export function identify(context: RequestContext): void {
  const operation = context.operation as Operation;
  refuseListing(context, operation);
  const identified: Identified = { home: undefined, edits: [], foreign: [], lookedThrough: [] };
  context.ids = identified;
  if (operation.name.includes("{")) readPathIDs(context, operation, identified);
  if (context.query.includes(MARK_IN_QUERY)) readQueryIDs(context, identified);
  const { request } = placesOf(operation);
  if (request && context.body) readBodyIDs(context, request, identified);
  for (const { body, url } of context.batch ?? []) readLineIDs(context, body, url.text, identified);
}

/** One provider key serves all callers: a list would show everybody's files, batches and answers. */
function refuseListing({ client, exchange }: RequestContext, operation: Operation): void {
  if (!operation.lists || client?.statefulListing === "Allow") return;
  const message = `Listing ${exchange.path} is not allowed: the provider's key is shared, so the list would show everybody's. The AIClient's statefulListing: Allow opens it.`;
  throw new GatewayError("listing_not_allowed", message);
}

/** The first id of a path is the thing itself; what follows may be a part of it, which passes as it is. */
function readPathIDs(context: RequestContext, operation: Operation, identified: Identified): void {
  const names = operation.name.split("/");
  const parts = context.path.split("/");
  const first = names.findIndex((name) => name.startsWith("{"));
  for (let i = first; i < parts.length; i++) {
    const name = names[i] as string;
    if (!name.startsWith("{")) continue;
    const part = decodedPart(parts[i] as string);
    if (i > first && !isTagged(part)) continue;
    const id = read(context, part, name.slice(1, -1), identified);
    parts[i] = encodeURIComponent(id);
  }
  context.path = parts.join("/");
}

function readQueryIDs(context: RequestContext, identified: Identified): void {
  const parameters = new URLSearchParams(context.query);
  for (const [name, value] of parameters) {
    if (isTagged(value)) parameters.set(name, read(context, value, name, identified));
  }
  context.query = `?${parameters}`;
}

function readBodyIDs(context: RequestContext, paths: JsonPaths, identified: Identified): void {
  const { scan } = context.body as NonNullable<RequestContext["body"]>;
  if (!scan.mentions) return;
  scan.join();
  const [bytes] = scan.chunks as [Buffer];
  const ranges = stringsAt(bytes, paths);
  if (!ranges) throw new GatewayError("invalid_json", "The body is not JSON: a value in it is not whole.");
  for (const { start, end } of ranges) {
    const text = textOf(bytes.toString("utf8", start, end));
    if (text === "") continue;
    const id = read(context, text, "the body", identified);
    if (id !== text) identified.edits.push({ start, end, replacement: Buffer.from(JSON.stringify(id).slice(1, -1)) });
  }
}

/** The request of a batch's line: ids in it stand where they stand in the request itself. */
function readLineIDs(context: RequestContext, body: TextRange, url: string, identified: Identified): void {
  const operation = operationsAt(operationPath(url))?.get("POST");
  const paths = operation && placesOf(operation).request;
  if (!paths || !context.form) return;
  const line = context.form.bytes.subarray(body.start, body.end);
  for (const { start, end } of stringsAt(line, paths) ?? []) {
    const text = textOf(line.toString("utf8", start, end));
    const id = read(context, text, "the batch file", identified);
    if (id === text) continue;
    const replacement = Buffer.from(JSON.stringify(id).slice(1, -1));
    identified.edits.push({ start: body.start + start, end: body.start + end, replacement });
  }
}

/** The provider's own id. */
function read(context: RequestContext, text: string, place: string, identified: Identified): string {
  if (text.length > LONGEST_ID) throw notFound(text);
  const opened = context.snapshot.affinity.open(text);
  if (!opened) {
    if (isTagged(text)) throw notFound(text);
    identified.foreign.push({ id: text, place });
    identified.lookedThrough.push(undefined);
    return text;
  }
  const owner = ownerOf(context.client, context.namespace);
  if (!isOwner(opened, owner)) throw notFound(text);
  identified.lookedThrough.push(lookedThroughFor(opened, owner));
  setHome(identified, opened.home);
  return opened.id;
}

/** Throws where the ids of one request are at different providers: nobody could serve it. */
export function setHome(identified: Identified, home: string): void {
  if (identified.home !== undefined && identified.home !== home) {
    const message =
      "The ids in this request belong to different providers, and no provider knows another's. Use ids that were made together.";
    throw new GatewayError("id_conflict", message);
  }
  identified.home = home;
}

export function notFound(id: string): GatewayError {
  const message = `There is no '${id.slice(0, 100)}', or it is not yours.`;
  return new GatewayError("resource_not_found", message);
}
