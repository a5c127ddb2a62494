/**
 * Which provider do the ids of a request belong to, and are they the caller's?
 *
 * Ids stand in the path, in the query (cursors of lists) and at listed places of the body. Each is opened, checked, and
 * sent on as the provider knows it. An id of somebody else looks like one that does not exist.
 */
import type { Form } from "../body/form.ts";
import { type JsonPaths, stringsAt } from "../body/json-strings.ts";
import { textOf } from "../body/json-values.ts";
import type { RequestContext } from "../context.ts";
import { type BatchLine, operationPath, wrong } from "../dialects/batch.ts";
import { type Operation, operationsAt } from "../dialects/operations.ts";
import { GatewayError } from "../errors.ts";
import { isTagged, lookedThroughFor, ownerOf, ownerSaid } from "../ids/affinity.ts";
import { type Identified, identifiedAt, vouch } from "../ids/identified.ts";
import { placesOf } from "../ids/paths.ts";
import { keepApart } from "./keep-apart.ts";
import { decodedPart } from "./path-part.ts";

/** Longest id that is looked at. */
const LONGEST_ID = 512;
/** A tag, or a letter of one written otherwise. */
const MARK_IN_QUERY = /_tdm|%/;

export function identify(context: RequestContext): void {
  const operation = context.operation as Operation;
  keepApart(context, operation);
  const identified = identifiedAt(undefined);
  context.ids = identified;
  if (operation.name.includes("{")) readPathIDs(context, operation, identified);
  if (MARK_IN_QUERY.test(context.query)) readQueryIDs(context, identified);
  const { request } = placesOf(operation);
  if (request && context.body) readBodyIDs(context, request, identified);
  if (request && context.form) readFormIDs(context, request, context.form, identified);
  for (const line of context.batch ?? []) readLineIDs(context, line, identified);
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
  const tagged = [...parameters].filter(([, value]) => isTagged(value));
  if (tagged.length === 0) return;
  for (const [name, value] of tagged) parameters.set(name, read(context, value, name, identified));
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

/** A form's fields are those that a JSON body has at its top. */
function readFormIDs(context: RequestContext, paths: JsonPaths, form: Form, identified: Identified): void {
  for (const { name, start, end } of form.parts) {
    if (!paths.topKeys.includes(name)) continue;
    const text = form.bytes.toString("utf8", start, end);
    const id = read(context, text, "the form", identified);
    if (id !== text) identified.edits.push({ start, end, replacement: Buffer.from(id) });
  }
}

/** The request of a batch's line: ids in it stand where they stand in the request itself. */
function readLineIDs(context: RequestContext, { body, url, number }: BatchLine, identified: Identified): void {
  if (!context.form) return;
  const operation = operationsAt(operationPath(url.text))?.get("POST");
  if (operation?.handling !== "inference") {
    throw wrong(number, `there is no endpoint '${url.text.slice(0, 100)}' that takes batches, as /v1/responses does`);
  }
  const paths = placesOf(operation).request;
  if (!paths) return;
  const line = context.form.bytes.subarray(body.start, body.end);
  const ranges = stringsAt(line, paths);
  if (!ranges) throw wrong(number, "the field 'body' is not JSON: a value in it is not whole");
  for (const { start, end } of ranges) {
    const text = textOf(line.toString("utf8", start, end));
    const id = read(context, text, "the batch file", identified);
    if (id === text) continue;
    const replacement = Buffer.from(JSON.stringify(id).slice(1, -1));
    identified.edits.push({ start: body.start + start, end: body.start + end, replacement });
  }
}

/** The provider's own id. One that stands often is looked at once: a body can hold it a million times. */
function read(context: RequestContext, text: string, place: string, identified: Identified): string {
  identified.known ??= new Map();
  const known = identified.known.get(text);
  if (known !== undefined) return known;
  const id = readOnce(context, text, place, identified);
  identified.known.set(text, id);
  return id;
}

function readOnce(context: RequestContext, text: string, place: string, identified: Identified): string {
  if (text.length > LONGEST_ID) throw notFound(text);
  const opened = context.snapshot.affinity.open(text);
  if (!opened) {
    if (isTagged(text)) throw notFound(text);
    identified.foreign.push({ id: text, place });
    identified.lookedThrough.push(undefined);
    return text;
  }
  const owner = ownerOf(context.client, context.namespace);
  const said = ownerSaid(opened, owner);
  if (said === undefined) throw notFound(text);
  if (said !== owner) vouch(identified, opened.id, said);
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
