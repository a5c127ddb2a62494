/**
 * Which states of providers are metrics, and with which labels?
 *
 * Labels are bounded: a provider's name without its namespace, and models that the provider lists; names that callers
 * chose under a `*` route are `other`. Where two share labels the worse state is told.
 */
import type { ProviderStatus } from "./availability.ts";
import type { CircuitState } from "./breaker.ts";

const OTHER_MODELS = "other";
const BADNESS: Readonly<Record<CircuitState, number>> = { closed: 0, half_open: 1, open: 2 };

export interface CircuitSample {
  readonly provider: string;
  readonly model: string;
  readonly state: CircuitState;
}

/** Of each model that was asked for: its own breaker, or the one for the provider's connections where that is worse. */
export function circuitsOf(statuses: readonly ProviderStatus[]): CircuitSample[] {
  const samples = new Map<string, CircuitSample>();
  for (const { provider: key, circuit, models } of statuses) {
    for (const { model: name, listed, circuit: own } of models) {
      const sample = { provider: nameOf(key), model: listed ? name : OTHER_MODELS, state: worse(circuit, own) };
      const labels = `${sample.provider}\n${sample.model}`;
      const other = samples.get(labels);
      samples.set(labels, other ? { ...sample, state: worse(sample.state, other.state) } : sample);
    }
  }
  return [...samples.values()];
}

/** Of each provider that was checked. */
export function healthOf(statuses: readonly ProviderStatus[]): { provider: string; healthy: boolean }[] {
  const healthy = new Map<string, boolean>();
  for (const { provider, health } of statuses) {
    if (health.state === "unknown") continue;
    const name = nameOf(provider);
    healthy.set(name, health.state === "healthy" && (healthy.get(name) ?? true));
  }
  return Array.from(healthy, ([provider, state]) => ({ provider, healthy: state }));
}

function worse(a: CircuitState, b: CircuitState): CircuitState {
  return BADNESS[a] >= BADNESS[b] ? a : b;
}

function nameOf(key: string): string {
  return key.slice(key.indexOf("/") + 1);
}
