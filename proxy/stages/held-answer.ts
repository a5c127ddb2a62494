/**
 * What of an answer is in memory?
 *
 * Its chunks while it is held, and the end of a plain one that flows: there it tells what it cost.
 */
import { PassedChunks } from "../body/passed-chunks.ts";
import type { ReplayPool } from "../body/replay-pool.ts";
import { GatewayError } from "../errors.ts";

/** The end of a plain answer in which `usage` is looked for: it follows the content, and little follows it. */
export const ENDING_BYTES = 64 * 1024;
/** As much of an answer's beginning tells what it is. */
const OPENING_BYTES = 64;
/** Of its answer every call may keep so much; what goes beyond is taken of the pool. */
const FREE_BYTES = 64 * 1024;
/** Milliseconds after which a caller whose answer found no room may come again. */
const REFUSED_RETRY_AFTER = 1_000;
const NONE: readonly Buffer[] = [];

export class HeldAnswer {
  /** Empty once it flows. */
  chunks: Buffer[] = [];
  /** The whole plain answer is in `chunks`. */
  complete = false;
  /** That came so far, held or not. */
  bytes = 0;
  readonly #pool: ReplayPool;
  /** Of the pool. */
  #taken = 0;
  /** The last chunks of a plain answer that flows. */
  #passed: PassedChunks | undefined;
  /** Once it has been asked for. */
  #ending: string | undefined;

  constructor(pool: ReplayPool) {
    this.#pool = pool;
  }

  /** Whether so many bytes of the answer may be in memory now. */
  mayKeep(bytes: number): boolean {
    if (bytes <= FREE_BYTES && this.#taken === 0) return true;
    const more = Math.max(0, bytes - FREE_BYTES) - this.#taken;
    if (more > 0 && !this.#pool.take(more)) return false;
    if (more < 0) this.#pool.give(-more);
    this.#taken += more;
    return true;
  }

  /** Gives back what it took of the pool. */
  release(): void {
    this.#pool.give(this.#taken);
    this.#taken = 0;
  }

  /** A chunk of a plain answer is passed on. */
  passOn(chunk: Buffer): void {
    this.#passed ??= new PassedChunks(0, ENDING_BYTES);
    this.#passed.add(chunk);
    this.#passed.trim();
  }

  /** How a complete answer begins; a letter for each byte (latin1). */
  get opening(): string {
    return this.bytes <= ENDING_BYTES ? this.ending : (this.chunks[0]?.toString("latin1", 0, OPENING_BYTES) ?? "");
  }

  /** How a plain answer ends, likewise. */
  get ending(): string {
    this.#ending ??= endingOf(this.#end);
    return this.#ending;
  }

  /** A plain answer, the end of it when it is a large one. */
  told(): Buffer {
    return joined(this.#end);
  }

  get #end(): readonly Buffer[] {
    return this.complete ? this.chunks : (this.#passed?.chunks ?? NONE);
  }
}

/** What the caller is told when the pool has no room for what must be held. */
export function noRoom(): GatewayError {
  const message = "The gateway has no room for this answer among those that it keeps. Ask again in a moment.";
  return new GatewayError("overloaded", message, { retryAfter: REFUSED_RETRY_AFTER });
}

/** The end of what these chunks hold, at least `ENDING_BYTES` of it where there is so much; a letter for each byte. */
function endingOf(chunks: readonly Buffer[]): string {
  let first = chunks.length;
  for (let bytes = 0; first > 0 && bytes < ENDING_BYTES; bytes += chunks[first]?.length ?? 0) first--;
  const tail = first === 0 ? chunks : chunks.slice(first);
  return joined(tail).toString("latin1");
}

/** Copied only when there are several. */
export function joined(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
}
