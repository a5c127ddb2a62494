/**
 * May a provider's model be asked now, and what is remembered of earlier answers?
 *
 * Three things are remembered: breakers (one per provider and model for answers, one per provider for connections),
 * cool-downs after 429 (per rate limit), and the verdict of the active checks (per provider). A reload keeps what it
 * does not touch.
 */
import type { ObjectKey, Provider } from "../../routing/table.ts";
import type { CircuitState } from "./breaker.ts";
import { CoolDown } from "./cool-down.ts";
import {
  Handle,
  type Health,
  ProviderState,
  type Shared,
  type Transition,
  UNKNOWN_HEALTH,
  type Usability,
  upstreamOf,
} from "./handle.ts";
import type { Left } from "./headroom.ts";
import { perProvider } from "./per-provider.ts";
import { circuitsOf, healthOf } from "./state-metrics.ts";

export type { Cause } from "./breaker.ts";
export type { Handle, Health, HealthState, Origin, Transition, Usability } from "./handle.ts";

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
  /** Named by the provider object, not by a caller under a `*` route. */
  readonly listed: boolean;
  readonly circuit: CircuitState;
  readonly consecutiveFailures: number;
  readonly openForMs?: number;
  readonly rateLimitedForMs?: number;
  /** What is left of its limits by its own headers, where it is not plenty. */
  readonly left?: { readonly requests?: Left; readonly tokens?: Left };
}

/**
 * Under `*` callers choose the names, so names that a provider does not list are remembered one by one only up to this
 * many models per provider; the rest share one memory.
 */
const KEPT_UNLISTED_MODELS = 1024;
const REST = "*";

/** What a provider's memory is about: another endpoint or key begins anew. */
const identityOf = perProvider(({ key, type, endpoint, apiVersion, auth, tls }) =>
  JSON.stringify([key, type, endpoint, apiVersion, auth, tls?.ca]),
);

/** What a model's memory is about: another deployment begins anew. */
function modelKey(model: string, upstream: string): string {
  return `${model}\n${upstream}`;
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

  /** The states that are metrics, read when somebody scrapes. */
  metricSources() {
    return {
      circuits: () => circuitsOf(this.snapshot()),
      providers: () => healthOf(this.snapshot()),
    };
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

function statusOf({ model, upstream, listed, circuit, coolDown }: Handle, now: number): ModelStatus {
  return {
    model,
    upstream,
    listed,
    circuit: circuit.state,
    consecutiveFailures: circuit.consecutiveFailures,
    ...remaining("openForMs", circuit.openUntil, now),
    ...remaining("rateLimitedForMs", coolDown.until, now),
    ...(coolDown.headroom.scarce && { left: coolDown.headroom.show(now) }),
  };
}

function remaining<K extends string>(name: K, until: number, now: number): { [P in K]?: number } {
  return until > now ? ({ [name]: Math.ceil(until - now) } as { [P in K]: number }) : {};
}
