/** When is an attempt given up? Its backend's `timeouts`, each while it applies. */
import type { Target } from "../snapshot.ts";

/** `timeouts.idle` is watched in so many steps: a timer set anew for each chunk would cost a twentieth of its CPU. */
const IDLE_TICKS = 8;

/** What is timed. */
export interface Timed {
  /** Its caller takes nothing now: a caller who reads slowly is not a provider that is idle. */
  readonly paused: boolean;
  /** So many milliseconds passed, under `timeouts.` of that name. */
  expire(limit: string, ms: number): void;
}

export class TimeLimits {
  readonly #target: Target;
  readonly #timed: Timed;
  readonly #request: NodeJS.Timeout;
  /** Until there is a head, then between the chunks of a stream. */
  #phase: NodeJS.Timeout | undefined;
  #token: NodeJS.Timeout | undefined;
  #quietTicks = 0;

  constructor(target: Target, timed: Timed, stream: boolean) {
    this.#target = target;
    this.#timed = timed;
    this.#request = setTimeout(() => timed.expire("request", target.requestTimeout), target.requestTimeout);
    if (!stream) return;
    this.#phase = setTimeout(() => timed.expire("firstByte", target.firstByteTimeout), target.firstByteTimeout);
    const firstToken = target.firstTokenTimeout;
    if (firstToken !== undefined) this.#token = setTimeout(() => timed.expire("firstToken", firstToken), firstToken);
  }

  /** Its first token has a limit and has not come. */
  get awaitsToken(): boolean {
    return this.#token !== undefined;
  }

  /** Of the answer; `streams`: chunks follow that must not stay away. */
  headCame(streams: boolean): void {
    clearTimeout(this.#phase);
    this.#phase = undefined;
    if (!streams) return;
    this.#phase = setInterval(() => this.#tick(), Math.ceil(this.#target.idleTimeout / IDLE_TICKS));
  }

  tokenCame(): void {
    clearTimeout(this.#token);
    this.#token = undefined;
  }

  /** Something came, or may come again. */
  heard(): void {
    this.#quietTicks = 0;
  }

  /** Nothing is expected any more. */
  end(): void {
    clearTimeout(this.#request);
    clearTimeout(this.#phase);
    clearTimeout(this.#token);
    this.#phase = undefined;
    this.#token = undefined;
  }

  /** The first tick may come right after a chunk. */
  #tick(): void {
    if (!this.#timed.paused && ++this.#quietTicks > IDLE_TICKS) this.#timed.expire("idle", this.#target.idleTimeout);
  }
}
