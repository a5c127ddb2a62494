/**
 * May this client ask once more, and what has it taken?
 *
 * Of one client on this proxy. A request takes one request, the tokens that it is expected to use, and a place among
 * those at the same time; all of them or none.
 */
import type { ClientLimits } from "../../routing/table.ts";
import { Learned } from "../strategy/learned.ts";
import { Allowance, type Entries } from "./allowance.ts";

export type Limited = "requests" | "tokens" | "concurrent";

export interface Refused {
  readonly what: Limited;
  /** Milliseconds until it may be asked again. */
  readonly wait: number;
}

/** What one request has taken. */
export interface Taken {
  readonly limiter: ClientLimiter;
  /** Set aside; what is used is settled when it is known. */
  readonly tokens: number;
  /** Tokens that were charged while the request went on. */
  charged: number;
  /** When, in the limiter's own window. */
  readonly slot: number;
  /** In the shared state, under which of its lives; undefined: it was this proxy's share. */
  readonly shared: { readonly slot: number; readonly life: string } | undefined;
  /** How often the shared state had been told before. */
  readonly tellings: number;
  /** How the shared state calls the place; undefined: it has none. */
  readonly place: string | undefined;
}

/** What is to be told to the shared state of one client. */
export interface Untold {
  readonly requests: Entries;
  readonly tokens: Entries;
  readonly places: readonly string[];
}

/** Taken by all within the last minute. */
export interface Totals {
  readonly requests: number;
  readonly tokens: number;
}

const CONCURRENT_WAIT = 1000;

export class ClientLimiter {
  /** Of the AIClient. */
  readonly key: string;
  requests: Allowance | undefined;
  tokens: Allowance | undefined;
  maxConcurrent: number | undefined;
  /** In progress here. */
  running = 0;
  /** What the shared state calls the places of those in progress. */
  readonly places = new Set<string>();
  /** How often the shared state was told what had been taken by this proxy's share. */
  tellings = 0;
  /** Of this client's texts: what an answer has, and how many bytes make a token. */
  readonly learned = new Learned();
  readonly #isShared: boolean;

  constructor(key: string, limits: ClientLimits, isShared: boolean) {
    this.key = key;
    this.#isShared = isShared;
    this.adopt(limits);
  }

  /** Another limit from now on; what was taken stays taken. */
  adopt({ requestsPerMinute, tokensPerMinute, maxConcurrent }: ClientLimits): void {
    this.requests = this.#adopted(this.requests, requestsPerMinute);
    this.tokens = this.#adopted(this.tokens, tokensPerMinute);
    this.maxConcurrent = maxConcurrent;
  }

  /** By this proxy's share, one of so many. */
  take(tokens: number, now: number, proxies: number, place: string | undefined): Taken | Refused {
    const refused = this.#refusal(tokens, now, proxies);
    if (refused) return refused;
    const slot = this.requests?.take(1, now, proxies) ?? 0;
    return this.#begin(tokens, this.tokens?.take(tokens, now, proxies) ?? slot, place, undefined);
  }

  /** The shared state has let it pass. */
  took(
    tokens: number,
    now: number,
    told: Totals & { readonly slot: number; readonly life: string },
    place: string | undefined,
  ): Taken {
    const slot = this.requests?.took(1, now, told.requests) ?? 0;
    return this.#begin(tokens, this.tokens?.took(tokens, now, told.tokens) ?? slot, place, told);
  }

  /** The shared state has refused it; when to ask again is known well enough here. */
  refusedBy(what: Limited, tokens: number, now: number, told: Totals): Refused {
    this.observe(now, told);
    const wait = what === "requests" ? this.requests?.wait(1, now, 1) : this.tokens?.wait(tokens, now, 1);
    return { what, wait: what === "concurrent" ? CONCURRENT_WAIT : Math.max(1, wait ?? 0) };
  }

  observe(now: number, told: Totals): void {
    this.requests?.observe(now, told.requests);
    this.tokens?.observe(now, told.tokens);
  }

  leave({ place }: Taken): void {
    this.running--;
    if (place !== undefined) this.places.delete(place);
  }

  untold(now: number, all: boolean): Untold {
    this.tellings++;
    return {
      requests: this.requests?.tell(now, all) ?? [],
      tokens: this.tokens?.tell(now, all) ?? [],
      places: [...this.places],
    };
  }

  notTold(now: number, { requests, tokens }: Untold): void {
    this.requests?.notTold(now, requests);
    this.tokens?.notTold(now, tokens);
  }

  follow(now: number): void {
    this.requests?.follow(now);
    this.tokens?.follow(now);
  }

  #begin(tokens: number, slot: number, place: string | undefined, shared: Taken["shared"]): Taken {
    this.running++;
    if (place !== undefined) this.places.add(place);
    return { limiter: this, tokens, charged: 0, slot, shared, tellings: this.tellings, place };
  }

  #refusal(tokens: number, now: number, proxies: number): Refused | undefined {
    const forRequest = this.requests?.wait(1, now, proxies) ?? 0;
    if (forRequest > 0) return { what: "requests", wait: forRequest };
    const forTokens = this.tokens?.wait(tokens, now, proxies) ?? 0;
    if (forTokens > 0) return { what: "tokens", wait: forTokens };
    const { maxConcurrent, running } = this;
    if (maxConcurrent === undefined || running < placesOf(maxConcurrent, proxies)) return undefined;
    return { what: "concurrent", wait: CONCURRENT_WAIT };
  }

  #adopted(known: Allowance | undefined, limit: number | undefined): Allowance | undefined {
    if (limit === undefined) return undefined;
    if (known === undefined) return new Allowance(limit, this.#isShared);
    known.limit = limit;
    return known;
  }
}

/** This proxy's share: at least one, or it would serve nobody. */
export function placesOf(maxConcurrent: number, proxies: number): number {
  return Math.max(1, Math.floor(maxConcurrent / proxies));
}
