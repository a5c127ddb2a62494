/** What can still be read of a body or an answer that is passed on and not kept? Its last bytes, for what spans chunks. */

export class PassedChunks {
  /** Where in the whole they begin. */
  start: number;
  /** The last ones. */
  readonly chunks: Buffer[] = [];
  readonly #least: number;
  #bytes = 0;

  /** `start`: where in the whole the first one begins; `least`: so many bytes are kept, or all when there are fewer. */
  constructor(start: number, least: number) {
    this.start = start;
    this.#least = least;
  }

  add(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Lets go of what is older than the least that is kept. */
  trim(): void {
    for (;;) {
      const oldest = this.chunks[0] as Buffer;
      if (this.#bytes - oldest.length < this.#least) return;
      this.chunks.shift();
      this.start += oldest.length;
      this.#bytes -= oldest.length;
    }
  }

  /** Not from before `start`. */
  slice(start: number, end: number): Buffer {
    return bytesOf(this.chunks, start - this.start, end - this.start);
  }
}

/** The bytes from `start` to `end` of all chunks, joined only when they span chunks. */
export function bytesOf(chunks: readonly Buffer[], start: number, end: number): Buffer {
  let offset = 0;
  const parts: Buffer[] = [];
  for (const chunk of chunks) {
    const from = start - offset;
    const to = end - offset;
    if (from >= 0 && to <= chunk.length) return chunk.subarray(from, to);
    if (to > 0 && from < chunk.length) parts.push(chunk.subarray(Math.max(from, 0), Math.min(to, chunk.length)));
    offset += chunk.length;
    if (offset >= end) break;
  }
  return Buffer.concat(parts);
}
