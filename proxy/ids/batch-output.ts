/**
 * How do the ids in a batch's output become the caller's?
 *
 * A line an answer; those of the Responses API are things that later requests name, and so is what a chat said aloud.
 * Lines are translated as they pass.
 */
import { Transform, type TransformCallback } from "node:stream";
import type { RequestContext } from "../context.ts";
import { BATCH_OUTPUT, BATCH_SPOKEN } from "./paths.ts";
import { tagIDs } from "./tag-answer.ts";

const LF = 0x0a;
/** Longer lines pass as they are: no answer is so long. */
const LONGEST_LINE_BYTES = 32 * 1024 * 1024;
/** In a line's first bytes, whichever order its fields have. */
const FIELDS = /^\s*\{.*("batch_req_|"custom_id")/;
const LOOKED_AT_BYTES = 1024;
const RESPONSE_ID = '"resp_';
const AUDIO_KEY = '"audio"';

/** Whether a file that begins so may be the output of a batch; a batch's input has nothing in it to translate. */
export function isBatchOutput(beginning: Buffer): boolean {
  return FIELDS.test(beginning.toString("latin1", 0, LOOKED_AT_BYTES));
}

export class BatchOutput extends Transform {
  readonly #context: RequestContext;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(context: RequestContext) {
    super();
    this.#context = context;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let at = 0;
    for (;;) {
      const end = chunk.indexOf(LF, at);
      if (end === -1) break;
      this.#keep(chunk.subarray(at, end + 1));
      this.#flushLine();
      at = end + 1;
    }
    this.#keep(chunk.subarray(at));
    if (this.#pendingBytes > LONGEST_LINE_BYTES) this.#pass();
    done();
  }

  override _flush(done: TransformCallback): void {
    this.#flushLine();
    done();
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  #flushLine(): void {
    const line = this.#pending.length === 1 ? (this.#pending[0] as Buffer) : Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    if (line.length > 0) this.push(this.#tagged(line));
  }

  #tagged(line: Buffer): Buffer {
    const tagged = line.includes(RESPONSE_ID) ? tagIDs(this.#context, line, BATCH_OUTPUT) : line;
    return tagged.includes(AUDIO_KEY) ? tagIDs(this.#context, tagged, BATCH_SPOKEN) : tagged;
  }

  #pass(): void {
    for (const bytes of this.#pending) this.push(bytes);
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}
