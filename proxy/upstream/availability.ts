/**
 * May a provider's model be asked now, and what is remembered of earlier answers?
 *
 * Three things are remembered: breakers (one per provider and model for answers, one per provider for connections),
 * cool-downs after 429 (per rate limit), and the verdict of the active checks (per provider). A reload keeps what it
 * does not touch.
 */
import type { ObjectKey, Provider } from "../../routing/table.ts";
import { Circuit, type CircuitState, type Ticket } from "./breaker.ts";
import { CoolDown } from "./cool-down.ts";

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

/** One provider as `/status` shows it. Durations are milliseconds from now. */
export interface ProviderStatus {
  readonly provider: ObjectKey;
  readonly health: Health;
  /** The breaker for connections. */
  readonly circuit: CircuitState;
  readonly openForMs?: number;
  readonly models: readonly ModelStatus[];
}

export interface ModelStatus {
  readonly model: string;
  readonly upstream: string;
  readonly circuit: CircuitState;
  readonly consecutiveFailures: number;
  readonly openForMs?: number;
  readonly rateLimitedForMs?: number;
}

const USABLE: Usability = { ok: true, probe: false };
const USABLE_AS_PROBE: Usability = { ok: true, probe: true };
const UNHEALTHY: Unusable = { ok: false, reason: "unhealthy" };
const UNKNOWN_HEALTH: Health = { state: "unknown", reason: "", detail: "" };

/**
 * Under `*` callers choose the names, so names that a provider does not list are remembered one by one only up to this
 * many models per provider; the rest share one memory.
 */
const KEPT_UNLISTED_MODELS = 1024;
const REST = "*";

/** What all handles share. */
interface Shared {
  readonly now: () => number;
  readonly report: (transition: Transition) => void;
  /** The last ticket given out. */
  latest: Ticket;
}

class ProviderState {
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

/** What a provider's memory is about: another endpoint or key begins anew. */
function identityOf({ key, type, endpoint, apiVersion, auth, tls }: Provider): string {
  return JSON.stringify([key, type, endpoint, apiVersion, auth.credential, tls?.ca]);
}

/** What a model's memory is about: another deployment begins anew. */
function modelKey(model: string, upstream: string): string {
  return `${model}\n${upstream}`;
}

/**
 * What is known of one provider's model. Get it once per candidate and keep it: when all is well its methods neither
 * allocate nor look anything up.
 */
export class Handle {
  readonly model: string;
  readonly upstream: string;
  readonly circuit: Circuit;
  coolDown: CoolDown;
  readonly #state: ProviderState;
  readonly #shared: Shared;

  constructor(shared: Shared, state: ProviderState, provider: Provider, model: string, coolDown: CoolDown) {
    this.model = model;
    this.upstream = upstreamOf(provider, model);
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
    if (this.coolDown.expired(now)) this.#report("rate_limit", "limited", "free", "the wait is over");
    if (this.coolDown.until > 0) return { ok: false, reason: "rate_limited", until: this.coolDown.until };
    return this.#state.circuit.state === "closed" && this.circuit.state === "closed" ? USABLE : USABLE_AS_PROBE;
  }

  /**
   * Starts an attempt. 0 when a breaker refuses: it is open, or its only probe is under way: go elsewhere. Any other
   * answer must be given back to exactly one of `succeeded`, `failed`, `rateLimited`, `released`, or a half-open
   * breaker waits for ever. `force` is for the case that no candidate is usable.
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
  failed(ticket: Ticket, scope: "model" | "provider", detail: string, requestId?: string): void {
    const now = this.#shared.now();
    if (scope === "model") this.#connected(ticket, now);
    const circuit = scope === "model" ? this.circuit : this.#state.circuit;
    if (scope === "provider") this.circuit.released(ticket);
    const from = circuit.state;
    const changed = circuit.failed(ticket, now, this.#shared.latest);
    if (changed) this.#reportCircuit(circuit, scope === "model" ? this.model : undefined, from, detail, requestId);
  }

  /** 429. `waitMs` from `retryAfter`; undefined: 1 s, doubling to 30 s. Never counts for a breaker. */
  rateLimited(ticket: Ticket, waitMs: number | undefined, requestId?: string): void {
    const now = this.#shared.now();
    this.#connected(ticket, now);
    this.circuit.released(ticket);
    if (!this.coolDown.limited(ticket, now, waitMs, this.#shared.latest)) return;
    const why = waitMs === undefined ? "the provider named no time" : "as the provider asked";
    const wait = Math.ceil(this.coolDown.until - now);
    this.#report("rate_limit", "free", "limited", `left alone for ${wait} ms, ${why}`, this.model, requestId);
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

  #reportCircuit(circuit: Circuit, model: string | undefined, from: string, detail: string, requestId?: string): void {
    this.#report("circuit", from, circuit.state, detail, model, requestId);
  }

  #report(
    kind: Transition["kind"],
    from: string,
    to: string,
    detail: string,
    model: string | undefined = this.model,
    requestId?: string,
  ): void {
    const { now, report } = this.#shared;
    const whose = { provider: this.#state.key, ...(model !== undefined && { model }) };
    report({ at: now(), kind, ...whose, from, to, detail, ...(requestId !== undefined && { requestId }) });
  }
}

function upstreamOf(provider: Provider, model: string): string {
  return Object.hasOwn(provider.models, model) ? (provider.models[model]?.upstream ?? model) : model;
}

export class Availability {
  readonly #shared: Shared;
  /** Of the table in force, and of one that is about to be. */
  readonly #states = new Map<string, ProviderState>();
  /** Requests that began under an older table keep asking with its objects. */
  readonly #stateOfObject = new WeakMap<Provider, ProviderState>();
  /** Of the table in force. */
  #live: readonly ProviderState[] = [];
  /** By rate limit: the group and what the provider calls the model. */
  readonly #coolDowns = new Map<string, CoolDown>();

  /** `now` is monotonic, in milliseconds. */
  constructor(now: () => number, onTransition: (transition: Transition) => void) {
    this.#shared = { now, report: onTransition, latest: 0 };
  }

  /** The memory of a provider's model, by the gateway's name for it: the same object until one of them changes. */
  handle(provider: Provider, modelName: string): Handle {
    const state = this.#stateOf(provider);
    const known = state.models.get(modelKey(modelName, upstreamOf(provider, modelName)));
    if (known) return known;
    const remembered = Object.hasOwn(provider.models, modelName) || state.models.size < KEPT_UNLISTED_MODELS;
    return this.#make(state, provider, remembered ? modelName : REST);
  }

  #make(state: ProviderState, provider: Provider, name: string): Handle {
    const upstream = upstreamOf(provider, name);
    const key = modelKey(name, upstream);
    const known = state.models.get(key);
    if (known) return known;
    const handle = new Handle(this.#shared, state, provider, name, this.#coolDownOf(provider, upstream));
    state.models.set(key, handle);
    return handle;
  }

  usable(provider: Provider, modelName: string): Usability {
    return this.handle(provider, modelName).usable();
  }

  /**
   * Which of the handles to try first when none is usable: the index of the one that is expected back soonest, the
   * earlier one among equals, -1 for none at all.
   */
  leastBad(handles: readonly Handle[]): number {
    let best = -1;
    let soonest = Number.POSITIVE_INFINITY;
    for (const [index, handle] of handles.entries()) {
      const usability = handle.usable();
      const until = usability.ok ? 0 : (usability.until ?? Number.MAX_VALUE);
      if (until >= soonest) continue;
      soonest = until;
      best = index;
    }
    return best;
  }

  /** What a check found; reported when the state or its reason changed. */
  setHealth(provider: Provider, health: Health): void {
    const state = this.#stateOf(provider);
    const before = state.health;
    state.health = health;
    if (before.state === health.state && before.reason === health.reason) return;
    const detail = [health.reason, health.detail].filter((part) => part !== "").join(": ");
    const change = { from: before.state, to: health.state, detail };
    this.#shared.report({ at: this.#shared.now(), kind: "health", provider: state.key, ...change });
  }

  /** Call with every new table: keeps the memory of what stays the same, drops what is gone, takes new thresholds. */
  adopt(providers: Iterable<Provider>): void {
    const live = Array.from(providers, (provider) => {
      const state = this.#stateOf(provider);
      this.#renew(state, provider);
      return [identityOf(provider), state] as const;
    });
    this.#states.clear();
    for (const [identity, state] of live) this.#states.set(identity, state);
    this.#live = live.map(([, state]) => state);
    const used = new Set(this.#live.flatMap(({ models }) => Array.from(models.values(), ({ coolDown }) => coolDown)));
    for (const [key, coolDown] of this.#coolDowns) if (!used.has(coolDown)) this.#coolDowns.delete(key);
  }

  #renew(state: ProviderState, provider: Provider): void {
    state.circuit.configure(provider.breaker);
    if (provider.health === undefined) state.health = UNKNOWN_HEALTH;
    for (const [key, handle] of state.models) {
      const gone = provider.type === "AzureOpenAI" && !Object.hasOwn(provider.models, handle.model);
      if (gone || upstreamOf(provider, handle.model) !== handle.upstream) {
        state.models.delete(key);
        continue;
      }
      handle.circuit.configure(provider.breaker);
      handle.coolDown = this.#coolDownOf(provider, handle.upstream);
    }
  }

  /** The providers of the table in force, in its order, with the models that were asked for. */
  snapshot(): ProviderStatus[] {
    const now = this.#shared.now();
    return this.#live.map(({ key, health, circuit, models }) => ({
      provider: key,
      health,
      circuit: circuit.state,
      ...remaining("openForMs", circuit.openUntil, now),
      models: Array.from(models.values(), (handle) => statusOf(handle, now)),
    }));
  }

  #stateOf(provider: Provider): ProviderState {
    const known = this.#stateOfObject.get(provider);
    if (known) return known;
    const identity = identityOf(provider);
    const state = this.#states.get(identity) ?? new ProviderState(provider);
    this.#states.set(identity, state);
    this.#stateOfObject.set(provider, state);
    return state;
  }

  #coolDownOf(provider: Provider, upstream: string): CoolDown {
    const key = `${provider.rateLimitGroup}\n${upstream}`;
    const known = this.#coolDowns.get(key);
    if (known) return known;
    const coolDown = new CoolDown();
    this.#coolDowns.set(key, coolDown);
    return coolDown;
  }
}

function statusOf({ model, upstream, circuit, coolDown }: Handle, now: number): ModelStatus {
  return {
    model,
    upstream,
    circuit: circuit.state,
    consecutiveFailures: circuit.consecutiveFailures,
    ...remaining("openForMs", circuit.openUntil, now),
    ...remaining("rateLimitedForMs", coolDown.until, now),
  };
}

function remaining<K extends string>(name: K, until: number, now: number): { [P in K]?: number } {
  return until > now ? ({ [name]: Math.ceil(until - now) } as { [P in K]: number }) : {};
}
