/** How are several places of a body changed at once, without touching the rest? */
import type { Payload } from "./splice.ts";

/** Bytes from `start` to `end` give way to others; the same place twice or over one another is the caller's mistake. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly replacement: Buffer;
}

/** More pieces are copied into one: each would be written by itself, which costs more than its bytes. */
const MOST_PIECES = 64;

/** The chunks with the edits done; what is not changed is not copied where the edits are few. */
export function edited(chunks: readonly Buffer[], edits: readonly Edit[]): Payload {
  const out: Buffer[] = [];
  const sorted = [...edits].sort((a, b) => a.start - b.start || a.end - b.end);
  let next = 0;
  /** In bytes from the body's start: what is before it has been kept or replaced. */
  let done = 0;
  let offset = 0;
  for (const chunk of chunks) {
    const chunkEnd = offset + chunk.length;
    while (next < sorted.length && (sorted[next] as Edit).start <= chunkEnd) {
      const { start, end, replacement } = sorted[next++] as Edit;
      add(out, chunk.subarray(Math.max(done - offset, 0), start - offset));
      add(out, replacement);
      done = end;
    }
    if (done < chunkEnd) add(out, chunk.subarray(Math.max(done - offset, 0)));
    done = Math.max(done, chunkEnd);
    offset = chunkEnd;
  }
  const length = out.reduce((sum, chunk) => sum + chunk.length, 0);
  return { chunks: out.length > MOST_PIECES ? [Buffer.concat(out, length)] : out, length };
}

function add(out: Buffer[], bytes: Buffer): void {
  if (bytes.length > 0) out.push(bytes);
}
