/**
 * What do batches look like at each provider?
 *
 * A batch is a file with a request a line, and an order that names the file and one endpoint for all. OpenAI writes
 * endpoints `/v1/chat/completions`, Azure `/chat/completions` (whether its v1 takes OpenAI's form as well is not settled:
 * `spec.compatibility.batchEndpoint`); each line's model is a deployment at Azure.
 */

import type { Provider } from "../../routing/table.ts";
import { type Edit, edited } from "../body/edits.ts";
import { jsonPaths, stringsAt } from "../body/json-strings.ts";
import { BodyScan } from "../body/scan.ts";
import { scalarOf } from "../body/splice.ts";
import { GatewayError } from "../errors.ts";

/** Of one line, in bytes from the start of the body that holds the file. */
export interface BatchLine {
  /** Counted from 1. */
  readonly number: number;
  /** The endpoint with its quotes. */
  readonly url: { readonly start: number; readonly end: number; readonly text: string };
  /** The model with its quotes. */
  readonly model: { readonly start: number; readonly end: number; readonly name: string };
  /** The request itself. */
  readonly body: { readonly start: number; readonly end: number };
}

const LF = 0x0a;
const LINE_FIELDS: ReadonlySet<string> = new Set(["url", "body", "custom_id", "method"]);
const BODY_FIELDS: ReadonlySet<string> = new Set(["model"]);
const LONGEST_TEXT_BYTES = 512;
const ENDPOINTS = jsonPaths(["endpoint", "data.*.endpoint"]);

/** The lines of a batch file that stands at `start` to `end`. Throws GatewayError that names the line. */
export function batchLines(bytes: Buffer, start: number, end: number): readonly BatchLine[] {
  const lines: BatchLine[] = [];
  let number = 0;
  for (let at = start; at < end; ) {
    const lineEnd = bytes.indexOf(LF, at);
    const next = lineEnd === -1 || lineEnd >= end ? end : lineEnd;
    number++;
    if (!isBlank(bytes, at, next)) lines.push(lineAt(bytes, at, next, number));
    at = next + 1;
  }
  return lines;
}

function isBlank(bytes: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if ((bytes[i] as number) > 0x20) return false;
  return true;
}

function lineAt(bytes: Buffer, at: number, end: number, number: number): BatchLine {
  const line = scanned(bytes.subarray(at, end), LINE_FIELDS);
  if (!line) throw wrong(number, "it is not one JSON object");
  const url = line.fields.get("url");
  const text = scalarOf(line, url, LONGEST_TEXT_BYTES);
  if (!url || typeof text !== "string")
    throw wrong(number, "the field 'url' is missing: name the endpoint, as in /v1/chat/completions");
  const body = line.fields.get("body");
  const inner =
    body?.kind === "nested" ? scanned(bytes.subarray(at + body.start, at + body.end), BODY_FIELDS) : undefined;
  if (!body || !inner) throw wrong(number, "the field 'body' is missing: it holds the request");
  const model = inner.fields.get("model");
  const name = scalarOf(inner, model, LONGEST_TEXT_BYTES);
  if (!model || typeof name !== "string")
    throw wrong(number, "the field 'body.model' is missing: name the model to use");
  const from = at + body.start;
  return {
    number,
    url: { start: at + url.start, end: at + url.end, text },
    model: { start: from + model.start, end: from + model.end, name },
    body: { start: from, end: at + body.end },
  };
}

function scanned(bytes: Buffer, fields: ReadonlySet<string>): BodyScan | undefined {
  const scan = new BodyScan(fields);
  scan.push(bytes);
  return scan.complete && !scan.problem ? scan : undefined;
}

export function wrong(line: number, why: string): GatewayError {
  return new GatewayError("invalid_batch", `Line ${line} of the batch file cannot be used: ${why}.`, { param: "file" });
}

/** What turns the lines into the provider's: its way to write endpoints, and its name of each model. */
export function batchEdits(
  lines: readonly BatchLine[],
  provider: Provider,
  upstreamOf: (model: string) => string | undefined,
): readonly Edit[] {
  const edits: Edit[] = [];
  for (const { url, model, number } of lines) {
    const upstream = upstreamOf(model.name);
    if (upstream === undefined) throw wrong(number, `the provider ${provider.name} has no model '${model.name}'`);
    const endpoint = endpointAt(provider, url.text);
    if (endpoint !== url.text) edits.push({ start: url.start, end: url.end, replacement: json(endpoint) });
    if (upstream !== model.name) edits.push({ start: model.start, end: model.end, replacement: json(upstream) });
  }
  return edits;
}

/** As this provider writes it. */
export function endpointAt(provider: Provider, endpoint: string): string {
  const short = endpoint.replace(/^\/v1(?=\/)/, "");
  const versioned = provider.type === "OpenAI" || provider.compatibility?.batchEndpoint === "Versioned";
  return versioned ? `/v1${short}` : short;
}

/** A batch as callers get it: its endpoint is written as OpenAI does. */
export function withEndpoints(answer: Buffer): Buffer {
  const edits: Edit[] = [];
  for (const { start, end } of stringsAt(answer, ENDPOINTS) ?? []) {
    const written = answer.toString("utf8", start, end);
    if (written.startsWith("/") && !written.startsWith("/v1/")) {
      edits.push({ start, end: start, replacement: Buffer.from("/v1") });
    }
  }
  return edits.length === 0 ? answer : Buffer.concat(edited([answer], edits).chunks);
}

/** The path of an operation that an endpoint names, below the API base. */
export function operationPath(endpoint: string): string {
  return endpoint.replace(/^\/(v1\/)?/, "");
}

function json(text: string): Buffer {
  return Buffer.from(JSON.stringify(text));
}
