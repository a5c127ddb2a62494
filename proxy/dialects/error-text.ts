/**
 * What text is the body of an error?
 *
 * Tandem asks for no content coding, but what stands before a provider may use one all the same, break off in the middle
 * of it, or put a byte order mark in front.
 */
import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  inflateSync,
  type ZlibOptions,
  type ZstdOptions,
  zstdDecompressSync,
} from "node:zlib";

/** No longer text comes of a body, however small that is. */
const LONGEST_TEXT_BYTES = 1024 * 1024;
const BOUND = { maxOutputLength: LONGEST_TEXT_BYTES };
/** What came of a body that broke off counts. */
const ZLIB: ZlibOptions = { ...BOUND, finishFlush: constants.Z_SYNC_FLUSH };
const BROTLI = { ...BOUND, finishFlush: constants.BROTLI_OPERATION_FLUSH };
const ZSTD: ZstdOptions = { ...BOUND, finishFlush: constants.ZSTD_e_flush };

const DECODERS: ReadonlyMap<string, (body: Buffer) => Buffer> = new Map([
  ["gzip", (body: Buffer) => gunzipSync(body, ZLIB)],
  ["x-gzip", (body: Buffer) => gunzipSync(body, ZLIB)],
  ["deflate", (body: Buffer) => inflateSync(body, ZLIB)],
  ["br", (body: Buffer) => brotliDecompressSync(body, BROTLI)],
  ["zstd", (body: Buffer) => zstdDecompressSync(body, ZSTD)],
]);

/** A replaced byte, or a control character that no text has: it is something else. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NO_TEXT = /[\ufffd\u0000-\u0008\u000e-\u001f]/;

/** `coding`: the answer's `content-encoding`. A body that is not coded so is taken as it is. */
export function errorText(body: Buffer, coding: string | string[] | undefined): string {
  const decode = DECODERS.get(String(coding ?? "").toLowerCase());
  return new TextDecoder().decode(decode ? decoded(body, decode) : body);
}

export function isText(text: string): boolean {
  return !NO_TEXT.test(text);
}

function decoded(body: Buffer, decode: (body: Buffer) => Buffer): Buffer {
  try {
    return decode(body);
  } catch {
    return body;
  }
}
