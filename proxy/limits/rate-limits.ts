/**
 * Who may ask once more? The limits of all clients (`AIClient.spec.limits`), on this proxy.
 *
 * With a shared state its server decides, for all proxies in one step; without one, or while it is away, each proxy has
 * its share. Nothing is kept of clients that have no limits.
 */
import { randomUUID } from "node:crypto";
import type { Client, ClientLimits } from "../../routing/table.ts";
import type { Headers } from "../headers.ts";
import { ClientLimiter, type Refused, type Taken, type Totals, type Untold } from "./client-limiter.ts";
import { addLimitHeaders } from "./headers.ts";
import { type Followers, SharedState, type SharedStateOptions } from "./shared-state.ts";
import { SLOT } from "./window.ts";

/** In `/status`. */
const MOST_SHOWN = 1000;

export interface RateLimitsOptions {
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Undefined: there is none. */
  readonly shared: SharedStateOptions | undefined;
  readonly onSharedState: (connected: boolean, problem: string) => void;
}

export interface SharedStateStatus {
  readonly connected: boolean;
  /** It decides; in the first seconds of a connection shares apply. */
  readonly exact: boolean;
  /** ISO 8601: when it was last different. */
  readonly since: string;
}

export class RateLimits {
  /** So many proxies serve, this one included. */
  proxies = 1;
  readonly #now: () => number;
  readonly #limiters = new Map<string, ClientLimiter>();
  readonly #shared: SharedState | undefined;
  readonly #instance = randomUUID();
  #places = 0;
  /** Of the table in force. */
  #clients: readonly Client[] = [];
  #limitsByKey: ReadonlyMap<string, ClientLimits> | undefined;

  constructor({ now, shared, onSharedState }: RateLimitsOptions) {
    this.#now = now;
    if (shared === undefined) return;
    this.#shared = new SharedState(shared, this.#followers(onSharedState));
    void this.#shared.start();
  }

  /** All of it or nothing: one request, tokens, a place. Nothing to wait for where nobody else is asked. */
  take(client: Client, limits: ClientLimits, tokens: number): Taken | Refused | Promise<Taken | Refused> {
    const limiter = this.limiterOf(client.key, limits);
    const place = this.#shared && limits.maxConcurrent !== undefined ? this.#newPlace() : undefined;
    if (this.#shared?.isExact) return this.#ask(this.#shared, limiter, tokens, place);
    return limiter.take(tokens, this.#now(), this.proxies, place);
  }

  async #ask(
    shared: SharedState,
    limiter: ClientLimiter,
    tokens: number,
    place: string | undefined,
  ): Promise<Taken | Refused> {
    const { key, requests, tokens: allowance, maxConcurrent } = limiter;
    const limits = { requests: requests?.limit, tokens: allowance?.limit, concurrent: maxConcurrent };
    const told = await shared.take(key, limits, tokens, place ?? "");
    if (told === undefined) return limiter.take(tokens, this.#now(), this.proxies, place);
    if (told.refused) return limiter.refusedBy(told.refused, tokens, this.#now(), told);
    return limiter.took(tokens, this.#now(), told, place);
  }

  limiterOf(key: string, limits: ClientLimits): ClientLimiter {
    let limiter = this.#limiters.get(key);
    if (limiter === undefined) {
      limiter = new ClientLimiter(key, limits, this.#shared !== undefined);
      this.#limiters.set(key, limiter);
    }
    return limiter;
  }

  /** Its request has ended: the place is free. */
  leave(taken: Taken): void {
    taken.limiter.leave(taken);
    if (taken.place !== undefined) this.#shared?.leave(taken.limiter.key, taken.place);
  }

  /** Tokens of a request that goes on. */
  charge(taken: Taken, tokens: number): void {
    taken.charged += tokens;
    this.#more(taken.limiter, tokens);
  }

  /** So many tokens were used in all. */
  settle(taken: Taken, used: number): void {
    const difference = Math.ceil(used) - taken.tokens - taken.charged;
    if (taken.limiter.tokens === undefined || difference === 0) return;
    if (difference > 0) this.#more(taken.limiter, difference);
    else this.#less(taken, -difference);
  }

  #more({ key, tokens }: ClientLimiter, amount: number): void {
    tokens?.more(this.#now(), amount, this.#shared?.correctLately(key, 0, amount) ?? false);
  }

  #less({ limiter, shared, slot, tellings }: Taken, amount: number): void {
    const now = this.#now();
    if (shared) this.#shared?.correct(limiter.key, shared, 0, -amount);
    else if (tellings !== limiter.tellings) {
      this.#shared?.correctLately(limiter.key, Math.floor(now / SLOT) - slot, -amount);
    }
    limiter.tokens?.less(now, slot, amount, shared !== undefined || tellings !== limiter.tellings);
  }

  /** A table is in force: its limits are. */
  adopt(clients: readonly Client[]): void {
    this.#clients = clients;
    this.#limitsByKey = undefined;
    if (this.#limiters.size === 0) return;
    for (const [key, limiter] of this.#limiters) {
      const now = this.#limitsOf(key);
      if (now) limiter.adopt(now);
      else this.#limiters.delete(key);
    }
  }

  /** Made when it is first asked for: most tables come and go without. */
  #limitsOf(key: string): ClientLimits | undefined {
    this.#limitsByKey ??= new Map(
      this.#clients.flatMap((client) => (client.limits ? [[client.key, client.limits] as const] : [])),
    );
    return this.#limitsByKey.get(key);
  }

  /** Others serve it: it is known here from now on. */
  #observe(key: string, totals: Totals): void {
    const limits = this.#limitsOf(key);
    if (limits) this.limiterOf(key, limits).observe(this.#now(), totals);
  }

  /** What answers say of the client's own limits. */
  addHeaders(headers: Headers, client: Client, limits: ClientLimits): void {
    const shared = this.#shared?.isExact ? 1 : this.proxies;
    addLimitHeaders(headers, this.limiterOf(client.key, limits), this.#now(), shared);
  }

  /** Null: none is configured. */
  sharedState(): SharedStateStatus | null {
    if (this.#shared === undefined) return null;
    const { connected, isExact, since } = this.#shared;
    return { connected, exact: isExact, since: new Date(since).toISOString() };
  }

  /** For `/status`: what is known here of clients that have asked. */
  status(): readonly object[] {
    const now = this.#now();
    return Array.from(this.#limiters.values())
      .slice(0, MOST_SHOWN)
      .map(({ key, requests, tokens, maxConcurrent, running }) => ({
        client: key,
        ...(requests && { requests: { limit: requests.limit, used: requests.used(now) } }),
        ...(tokens && { tokens: { limit: tokens.limit, used: tokens.used(now) } }),
        ...(maxConcurrent !== undefined && { concurrent: { limit: maxConcurrent, running } }),
      }));
  }

  close(): void {
    this.#shared?.close();
  }

  #newPlace(): string {
    return `${this.#instance}:${this.#places++}`;
  }

  #followers(onChange: RateLimitsOptions["onSharedState"]): Followers {
    const limiters = this.#limiters;
    const now = this.#now;
    return {
      *untold(all): Iterable<readonly [string, Untold]> {
        for (const [key, limiter] of limiters) yield [key, limiter.untold(now(), all)];
      },
      notTold: (key, untold) => limiters.get(key)?.notTold(now(), untold),
      follow: () => {
        for (const limiter of limiters.values()) limiter.follow(now());
      },
      observe: (key, totals) => this.#observe(key, totals),
      *places() {
        for (const [key, { places }] of limiters) if (places.size > 0) yield [key, places] as const;
      },
      onChange,
    };
  }
}
