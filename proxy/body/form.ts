/**
 * Which parts does a multipart/form-data body have, and where?
 *
 * The body is kept as it came; parts are byte ranges in it, so that one can be replaced without touching the rest
 * (RFC 7578, RFC 2046 section 5.1). Fields that Tandem reads may stand once.
 */
import { GatewayError } from "../errors.ts";
import type { Edit } from "./edits.ts";

export interface FormPart {
  readonly name: string;
  /** Undefined: a plain field. */
  readonly filename: string | undefined;
  /** Of its content, in bytes from the body's start. */
  readonly start: number;
  readonly end: number;
}

export interface Form {
  readonly bytes: Buffer;
  readonly boundary: string;
  readonly parts: readonly FormPart[];
}

const FORM_TYPE = /^multipart\/form-data\s*(?:;|$)/i;
const MEDIA_TYPE = "multipart/form-data";
const LONGEST_BOUNDARY = 70;
const DISPOSITION = /^content-disposition:\s*form-data(?=[\s;]|$)/i;
/** One parameter after the other: what stands in the quotes of one is no other. */
const PARAMETER = /\s*;\s*([^\s;="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/y;
/** In one line, and under a name that everybody takes for it. */
const HEADER = /^[^\s:]+:[^\r\n\0]*$/;
const CODING = /^content-transfer-encoding:/i;
/** The content stands as it is. */
const NO_CODING = /^[^:]*:\s*(?:7bit|8bit|binary)\s*$/i;
const LINE_END = Buffer.from("\r\n");
const HEADERS_END = Buffer.from("\r\n\r\n");
/** Nothing more follows. */
const END = /^[\s;]*$/;
/** More parts than any operation takes. */
const MOST_PARTS = 256;
/** Headers of one part. */
const MOST_HEADER_BYTES = 16 * 1024;
/** Longest plain field that is read. */
const LONGEST_FIELD_BYTES = 4096;

export function isFormType(contentType: string | undefined): boolean {
  return contentType !== undefined && FORM_TYPE.test(contentType);
}

/** Throws GatewayError: malformed, or one of `once` standing twice. */
export function readForm(bytes: Buffer, contentType: string, once: ReadonlySet<string>): Form {
  const boundary = boundaryIn(contentType);
  const parts = partsOf(bytes, Buffer.from(`--${boundary}`));
  const seen = new Set<string>();
  for (const { name } of parts) {
    if (once.has(name) && seen.has(name)) {
      const message = `The field '${name}' stands more than once in the form. Send it once.`;
      throw new GatewayError("duplicate_field", message, { param: name });
    }
    seen.add(name);
  }
  return { bytes, boundary, parts };
}

/** Throws where another reader might take another boundary, and so find other parts. */
function boundaryIn(contentType: string): string {
  const { parameters, end } = parametersIn(contentType, MEDIA_TYPE.length);
  const [first, another] = parameters.filter(([key]) => key.startsWith("boundary"));
  if (first === undefined) throw malformed("the content-type names no boundary");
  const [key, boundary] = first;
  if (boundary === "" || boundary.length > LONGEST_BOUNDARY) throw malformed("the boundary is empty or too long");
  const isRead = key === "boundary" && another === undefined && END.test(contentType.slice(end));
  // Not everybody takes an escape back.
  if (!isRead || contentType.includes("\\"))
    throw malformed("the boundary in the content-type can be read in two ways");
  return boundary;
}

function partsOf(bytes: Buffer, delimiter: Buffer): FormPart[] {
  const parts: FormPart[] = [];
  let at = firstDelimiter(bytes, delimiter);
  const inner = Buffer.concat([LINE_END, delimiter]);
  for (;;) {
    at = skipPadding(bytes, at + delimiter.length);
    if (bytes[at] === 0x2d && bytes[at + 1] === 0x2d) return parts;
    if (bytes[at] !== 0x0d || bytes[at + 1] !== 0x0a) throw malformed("a boundary is not followed by a line end");
    if (parts.length === MOST_PARTS) throw malformed(`it has more than ${MOST_PARTS} parts`);
    const next = bytes.indexOf(inner, at);
    if (next === -1) throw malformed("it ends before its last boundary");
    parts.push(partIn(bytes, at + LINE_END.length, next));
    at = next + LINE_END.length;
  }
}

function firstDelimiter(bytes: Buffer, delimiter: Buffer): number {
  const at = bytes.indexOf(delimiter);
  // What stands before the first boundary is to be ignored, but begins no line in it.
  if (at === -1 || (at > 0 && bytes[at - 1] !== 0x0a)) throw malformed("its boundary is not in it");
  return at;
}

function skipPadding(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 0x20 || bytes[at] === 0x09) at++;
  return at;
}

function partIn(bytes: Buffer, from: number, end: number): FormPart {
  // A part without headers begins with the empty line itself.
  const headersEnd = bytes.indexOf(HEADERS_END, from - LINE_END.length);
  if (headersEnd === -1 || headersEnd + HEADERS_END.length > end + LINE_END.length)
    throw malformed("a part has no headers");
  if (headersEnd - from > MOST_HEADER_BYTES)
    throw malformed(`a part's headers are larger than ${MOST_HEADER_BYTES} bytes`);
  const headers = bytes.toString("utf8", from, headersEnd).split("\r\n");
  return { ...namesIn(headers), start: Math.min(headersEnd + HEADERS_END.length, end), end };
}

/** As .NET writes them without quotes, too (RFC 2183: a token). Throws where another reader might take another name. */
function namesIn(headers: readonly string[]): Pick<FormPart, "name" | "filename"> {
  const [line, another] = headers.filter((one) => /^content-disposition:/i.test(one));
  const begin = DISPOSITION.exec(line ?? "")?.[0].length;
  if (line === undefined || begin === undefined) throw malformed("a part has no name");
  let name: string | undefined;
  let filename: string | undefined;
  const { parameters, end } = parametersIn(line, begin);
  for (const [key, value] of parameters) {
    if (key === "filename" || key === "filename*") filename ??= value;
    if (key !== "name") continue;
    if (name !== undefined) throw malformed("a part has two names");
    name = value;
  }
  if (name === undefined) throw malformed("a part has no name");
  // A file's name with a quote in it, as some write it: the part's own name stands before.
  const isRead = filename !== undefined || END.test(line.slice(end));
  if (another !== undefined || !isRead || !headers.every(isPlain))
    throw malformed(`the headers of the part '${name.slice(0, 64)}' can be read in two ways`);
  return { name, filename };
}

/** A header that goes on in the next line, or a coding of the content, would tell another reader something else. */
function isPlain(header: string): boolean {
  return HEADER.test(header) && (!CODING.test(header) || NO_CODING.test(header));
}

/** What a header says behind `begin`, in order, as far as it can be read. */
function parametersIn(
  header: string,
  begin: number,
): { readonly parameters: readonly (readonly [key: string, value: string])[]; readonly end: number } {
  const parameters: [string, string][] = [];
  let end = begin;
  PARAMETER.lastIndex = begin;
  for (let found = PARAMETER.exec(header); found; found = PARAMETER.exec(header)) {
    end = PARAMETER.lastIndex;
    parameters.push([(found[1] as string).toLowerCase(), found[2]?.replace(/\\(.)/g, "$1") ?? (found[3] as string)]);
  }
  return { parameters, end };
}

/** The text of a plain field; undefined when there is none, or when it is a file or too long. */
export function fieldOf(form: Form, name: string): string | undefined {
  const part = form.parts.find((one) => one.name === name && one.filename === undefined);
  if (!part || part.end - part.start > LONGEST_FIELD_BYTES) return undefined;
  return form.bytes.toString("utf8", part.start, part.end);
}

/** The first file of that name. */
export function fileOf(form: Form, name: string): FormPart | undefined {
  return form.parts.find((one) => one.name === name && one.filename !== undefined);
}

/** The edit that sets a plain field: replaced where it stands, else put in as the first part. */
export function settingField(form: Form, name: string, value: string): Edit {
  const part = form.parts.find((one) => one.name === name && one.filename === undefined);
  if (part) return { start: part.start, end: part.end, replacement: Buffer.from(value) };
  const at = form.bytes.indexOf(`--${form.boundary}`);
  const head = `--${form.boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  return { start: at, end: at, replacement: Buffer.from(head) };
}

function malformed(why: string): GatewayError {
  return new GatewayError("invalid_form", `The multipart/form-data body cannot be read: ${why}.`);
}
