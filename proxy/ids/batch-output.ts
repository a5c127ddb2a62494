/**
 * How do the ids in a batch's output become the caller's?
 *
 * A line an answer; those of the Responses API are things that later requests name, and so is what a chat said aloud.
 * Lines are translated as they pass, of a file that a batch named as its output: anybody can write one that looks like
 * it, and would get any id in it made their own.
 */
import { Transform, type TransformCallback } from "node:stream";
import { stringsAt } from "../body/json-strings.ts";
import type { RequestContext } from "../context.ts";
import { ofBatch, ownerOf } from "./affinity.ts";
import { vouch } from "./identified.ts";
import { BATCH_FILES, BATCH_OUTPUT, BATCH_SPOKEN } from "./paths.ts";
import { tagIDs } from "./tag-answer.ts";

const LF = 0x0a;
/** Longer lines pass as they are: no answer is so long. */
const LONGEST_LINE_BYTES = 32 * 1024 * 1024;
const RESPONSE_ID = '"resp_';
const AUDIO_KEY = '"audio"';

/** The files that batches in this answer have put out: their ids will say so. */
export function noteOutputs({ ids, client, namespace }: RequestContext, answer: Buffer): void {
  if (!ids) return;
  for (const { start, end } of stringsAt(answer, BATCH_FILES) ?? []) {
    vouch(ids, answer.toString("utf8", start, end), ofBatch(ownerOf(client, namespace)));
  }
}

/** Whether the tag of the file's id says that a batch put it out. */
export function isBatchOutput({ ids, client, namespace }: RequestContext, id: string): boolean {
  return ids?.vouched?.get(id) === ofBatch(ownerOf(client, namespace));
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
