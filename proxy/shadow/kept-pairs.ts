/**
 * What were the last requests and answers that were compared, word for word?
 *
 * Only of routes that ask for it, in memory, for a time, and within bounds of each route and of all. Read by holders of the
 * admin token at a path of its own; never in a log, a metric or `/status`.
 */
import type { RoutingTable } from "../../routing/table.ts";
import type { RequestContext } from "../context.ts";
import type { Aspect } from "./compare.ts";

/** Of one route. */
const MOST_KEPT = 50;
/** Of a request, and of each answer: what is longer is cut. */
const LARGEST_BYTES = 64 * 1024;
/** Of all routes together. */
const ALL_BYTES = 16 * 1024 * 1024;
/** Milliseconds between two looks at what is too old, also where nobody reads and nothing comes. */
const SWEEP_EVERY = 10_000;

export interface Bodies {
  /** Undefined: it was too large to be kept. */
  readonly live: Buffer | undefined;
  readonly copy: Buffer | undefined;
  readonly backend: string;
  readonly aspects: readonly Aspect[];
}

interface KeptPair {
  /** Unix milliseconds. */
  readonly at: number;
  readonly requestID: string;
  readonly operation: string;
  readonly backend: string;
  readonly differs: readonly Aspect[];
  readonly request: Piece;
  readonly live: Piece;
  readonly copy: Piece;
}

interface Piece {
  readonly bytes: Buffer;
  readonly isCut: boolean;
}

interface ShownPiece {
  readonly body: string;
  readonly cut?: true;
}

export interface ShownPair extends Pick<KeptPair, "requestID" | "operation" | "backend" | "differs"> {
  readonly time: string;
  readonly request: ShownPiece;
  readonly live: ShownPiece;
  readonly copy: ShownPiece;
}

interface RouteKept {
  retention: number;
  pairs: KeptPair[];
}

export class KeptPairs {
  readonly #clock: () => number;
  readonly #routes = new Map<string, RouteKept>();
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Unix milliseconds. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Where the caller belongs somewhere, nothing is kept: nobody knows from where it will be read. */
  add({ plan, caller, body, exchange }: RequestContext, { live, copy, backend, aspects }: Bodies): void {
    const retention = plan?.route.shadow?.keepBodies;
    if (plan === undefined || retention === undefined || caller.residency !== undefined || !body) return;
    const { scan } = body;
    const pair: KeptPair = {
      at: this.#clock(),
      requestID: exchange.id,
      operation: exchange.operation ?? "",
      backend,
      differs: aspects,
      request: {
        bytes: Buffer.from(scan.slice(0, Math.min(scan.length, LARGEST_BYTES))),
        isCut: scan.length > LARGEST_BYTES,
      },
      live: pieceOf(live),
      copy: pieceOf(copy),
    };
    const kept = this.#routes.get(plan.route.key) ?? { retention, pairs: [] };
    this.#routes.set(plan.route.key, kept);
    kept.pairs.push(pair);
    this.#bytes += sizeOf(pair);
    if (kept.pairs.length > MOST_KEPT) this.#dropFirst(kept);
    while (this.#bytes > ALL_BYTES) this.#dropOldest();
    this.#timer ??= setInterval(() => this.#dropExpired(), SWEEP_EVERY).unref();
  }

  /** Oldest first. */
  shown(route: string): readonly ShownPair[] {
    this.#dropExpired();
    return (this.#routes.get(route)?.pairs ?? []).map((pair) => ({
      time: new Date(pair.at).toISOString(),
      requestID: pair.requestID,
      operation: pair.operation,
      backend: pair.backend,
      differs: pair.differs,
      request: shownPiece(pair.request),
      live: shownPiece(pair.live),
      copy: shownPiece(pair.copy),
    }));
  }

  /** Who takes the wish back has nothing kept any more, at once. */
  sweep({ routes }: RoutingTable): void {
    if (this.#routes.size === 0) return;
    const wished = new Map(routes.map(({ key, shadow }) => [key, shadow?.keepBodies]));
    for (const [key, kept] of this.#routes) kept.retention = wished.get(key) ?? 0;
    this.#dropExpired();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#routes.clear();
    this.#bytes = 0;
  }

  #dropExpired(): void {
    const now = this.#clock();
    for (const [route, kept] of this.#routes) {
      while (kept.pairs[0] !== undefined && now - kept.pairs[0].at >= kept.retention) this.#dropFirst(kept);
      if (kept.pairs.length === 0) this.#routes.delete(route);
    }
    if (this.#routes.size === 0) this.close();
  }

  #dropOldest(): void {
    let oldest: RouteKept | undefined;
    for (const kept of this.#routes.values()) {
      const at = kept.pairs[0]?.at;
      if (at !== undefined && at < (oldest?.pairs[0]?.at ?? Number.POSITIVE_INFINITY)) oldest = kept;
    }
    if (oldest) this.#dropFirst(oldest);
  }

  #dropFirst(kept: RouteKept): void {
    const first = kept.pairs.shift();
    if (first) this.#bytes -= sizeOf(first);
  }
}

/** A copy of the bytes: a part of a larger buffer would keep all of it. */
function pieceOf(body: Buffer | undefined): Piece {
  if (body === undefined) return { bytes: Buffer.alloc(0), isCut: true };
  return { bytes: Buffer.from(body.subarray(0, LARGEST_BYTES)), isCut: body.length > LARGEST_BYTES };
}

function sizeOf({ request, live, copy }: KeptPair): number {
  return request.bytes.length + live.bytes.length + copy.bytes.length;
}

function shownPiece({ bytes, isCut }: Piece): ShownPiece {
  return { body: bytes.toString("utf8"), ...(isCut && { cut: true as const }) };
}
