/**
 * May this model of this provider be asked now, and what did its answers teach?
 *
 * One handle per provider and model. Attempts begin with a ticket, which exactly one verdict takes back.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { ObjectKey, Provider } from "../../routing/table.ts";
import { type Cause, Circuit, type Ticket } from "./breaker.ts";
import type { CoolDown } from "./cool-down.ts";

export type Unusable = {
  readonly ok: false;
  readonly reason: "circuit_open" | "unhealthy" | "rate_limited";
  /** On the clock given to `Availability`; absent when nobody can know. */
  readonly until?: number;
};

export type Usability =
  | { readonly ok: true /** Half-open: one request only may try. */; readonly probe: boolean }
  | Unusable;

export interface Transition {
  /** Milliseconds on the clock given to `Availability`. */
  readonly at: number;
  readonly kind: "circuit" | "health" | "rate_limit";
  readonly provider: ObjectKey;
  /** The gateway's name of the model; absent: the whole provider. */
  readonly model?: string;
  readonly from: string;
  readonly to: string;
  /** One clause, no content. */
  readonly detail: string;
  /** Id of the exchange that caused it. */
  readonly requestId?: string;
  /** Of a circuit that opened: its last failures, oldest first. */
  readonly causes?: readonly Cause[];
}

/** Which request an attempt was made for, and what the provider calls it. */
export interface Origin {
  readonly requestId: string;
  readonly providerRequestId?: string | undefined;
}

export type HealthState = "unknown" | "healthy" | "unhealthy";

/** What the active checks say of a provider. */
export interface Health {
  readonly state: HealthState;
  /** CamelCase, one word; empty when healthy or unknown. */
  readonly reason: string;
  /** One clause. */
  readonly detail: string;
}

const USABLE: Usability = { ok: true, probe: false };
const USABLE_AS_PROBE: Usability = { ok: true, probe: true };
const UNHEALTHY: Unusable = { ok: false, reason: "unhealthy" };
export const UNKNOWN_HEALTH: Health = { state: "unknown", reason: "", detail: "" };

/** What all handles share. */
export interface Shared {
  readonly now: () => number;
  readonly report: (transition: Transition) => void;
  /** The last ticket given out. */
  latest: Ticket;
}

export class ProviderState {
  readonly key: ObjectKey;
  readonly circuit: Circuit;
  /** By `modelKey`. */
  readonly models = new Map<string, Handle>();
  health: Health = UNKNOWN_HEALTH;

  constructor(provider: Provider) {
    this.key = provider.key;
    this.circuit = new Circuit(provider.breaker);
  }
}

/**
 * What is known of one provider's model. Get it once per candidate and keep it: when all is well its methods neither
 * allocate nor look anything up.
 */
export class Handle {
  readonly model: string;
  readonly upstream: string;
  readonly listed: boolean;
  readonly circuit: Circuit;
  coolDown: CoolDown;
  readonly #state: ProviderState;
  readonly #shared: Shared;

  constructor(shared: Shared, state: ProviderState, provider: Provider, model: string, coolDown: CoolDown) {
    this.model = model;
    this.upstream = upstreamOf(provider, model);
    this.listed = Object.hasOwn(provider.models, model);
    this.circuit = new Circuit(provider.breaker);
    this.coolDown = coolDown;
    this.#shared = shared;
    this.#state = state;
  }

  usable(): Usability {
    const { health, circuit } = this.#state;
    const calm = circuit.state === "closed" && this.circuit.state === "closed" && this.coolDown.until === 0;
    return calm && health.state !== "unhealthy" ? USABLE : this.#judge(this.#shared.now());
  }

  #judge(now: number): Usability {
    if (this.#state.health.state === "unhealthy") return UNHEALTHY;
    for (const circuit of [this.#state.circuit, this.circuit]) {
      if (circuit.admits(now)) continue;
      return { ok: false, reason: "circuit_open", ...(circuit.state === "open" && { until: circuit.openUntil }) };
    }
    if (this.coolDown.expired(now)) this.#report("rate_limit", "limited", "free", "the wait is over", this.model);
    if (this.coolDown.until > 0) return { ok: false, reason: "rate_limited", until: this.coolDown.until };
    return this.#state.circuit.state === "closed" && this.circuit.state === "closed" ? USABLE : USABLE_AS_PROBE;
  }

  /** The breaker that lets nobody else through before its probe has ended; undefined: none. */
  get probed(): Circuit | undefined {
    const now = this.#shared.now();
    return [this.#state.circuit, this.circuit].find((circuit) => circuit.isProbed(now));
  }

  /**
   * Starts an attempt. 0 when a breaker refuses: it is open, or its only probe is under way: go elsewhere. Any other
   * answer must be given back to exactly one of `succeeded`, `failed`, `rateLimited`, `released`, or a half-open
   * breaker waits a whole recovery time for it. `force` is for the case that no candidate is usable.
   */
  begin(force = false): Ticket {
    const shared = this.#shared;
    const ticket = ++shared.latest;
    const connection = this.#state.circuit;
    if (connection.state === "closed" && this.circuit.state === "closed") return ticket;
    const now = shared.now();
    if (!force && !(connection.admits(now) && this.circuit.admits(now))) return 0;
    this.#beginAt(connection, undefined, ticket, now, force);
    this.#beginAt(this.circuit, this.model, ticket, now, force);
    return ticket;
  }

  #beginAt(circuit: Circuit, model: string | undefined, ticket: Ticket, now: number, force: boolean): void {
    const from = circuit.state;
    circuit.begin(ticket, now, force);
    if (circuit.state !== from) this.#reportCircuit(circuit, model, from, "one request probes it");
  }

  /** The provider answered as it should: 2xx, and 4xx that are the caller's own fault. */
  succeeded(ticket: Ticket): void {
    const now = this.#shared.now();
    this.#connected(ticket, now);
    const from = this.circuit.state;
    if (this.circuit.succeeded(ticket, now)) this.#reportCircuit(this.circuit, this.model, from, "a request succeeded");
    this.coolDown.succeeded(ticket);
  }

  /** `provider`: connect, DNS and TLS failures only. `model`: 408, 5xx, resets, timeouts, malformed answers, cuts. */
  failed(ticket: Ticket, scope: "model" | "provider", detail: string, origin?: Origin): void {
    const now = this.#shared.now();
    if (scope === "model") this.#connected(ticket, now);
    const circuit = scope === "model" ? this.circuit : this.#state.circuit;
    if (scope === "provider") this.circuit.released(ticket);
    const from = circuit.state;
    const changed = circuit.failed(ticket, now, this.#shared.latest, { at: now, detail, ...origin });
    if (changed) this.#reportCircuit(circuit, scope === "model" ? this.model : undefined, from, detail, origin);
  }

  /** 429. `waitMs` from `retryAfter`; undefined: 1 s, doubling to 30 s. Never counts for a breaker. */
  rateLimited(ticket: Ticket, waitMs: number | undefined, origin?: Origin): void {
    const now = this.#shared.now();
    this.#connected(ticket, now);
    this.circuit.released(ticket);
    if (!this.coolDown.limited(ticket, now, waitMs, this.#shared.latest)) return;
    const why = waitMs === undefined ? "the provider named no time" : "as the provider asked";
    const wait = Math.ceil(this.coolDown.until - now);
    this.#report("rate_limit", "free", "limited", `left alone for ${wait} ms, ${why}`, this.model, origin);
  }

  /** An answer came, of whatever kind, and its headers may say how much is left. */
  told(ticket: Ticket, headers: Readonly<IncomingHttpHeaders>): void {
    this.coolDown.headroom.told(headers, ticket, this.#shared.now());
  }

  /** By its own headers the model has so much left that not every request may fit. */
  get scarce(): boolean {
    return this.coolDown.headroom.scarce;
  }

  /** Whether a request of so many tokens should fit into what is left. */
  fits(tokens: number): boolean {
    return this.coolDown.headroom.fits(tokens, this.#shared.now());
  }

  /** The attempt ended without saying anything about the provider: the caller went away. */
  released(ticket: Ticket): void {
    this.#state.circuit.released(ticket);
    this.circuit.released(ticket);
  }

  #connected(ticket: Ticket, now: number): void {
    const { circuit } = this.#state;
    const from = circuit.state;
    if (circuit.succeeded(ticket, now)) this.#reportCircuit(circuit, undefined, from, "the provider answered");
  }

  #reportCircuit(circuit: Circuit, model: string | undefined, from: string, detail: string, origin?: Origin): void {
    const causes = circuit.state === "open" ? circuit.causes : undefined;
    this.#report("circuit", from, circuit.state, detail, model, origin, causes);
  }

  #report(
    kind: Transition["kind"],
    from: string,
    to: string,
    detail: string,
    model: string | undefined,
    origin?: Origin,
    causes?: readonly Cause[],
  ): void {
    const { now, report } = this.#shared;
    const whose = { provider: this.#state.key, ...(model !== undefined && { model }) };
    const why = { ...(origin && { requestId: origin.requestId }), ...(causes && { causes }) };
    report({ at: now(), kind, ...whose, from, to, detail, ...why });
  }
}

export function upstreamOf(provider: Provider, model: string): string {
  return Object.hasOwn(provider.models, model) ? (provider.models[model]?.upstream ?? model) : model;
}
