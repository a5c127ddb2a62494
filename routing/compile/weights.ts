/**
 * Which share of the traffic does each backend get, and may it answer when others fail?
 *
 * BlueGreen and rollouts are folded into weights here, so that the proxy knows one rule only.
 */
import type { Backend } from "../table.ts";
import { BACKEND_PRIORITY, BACKEND_WEIGHT } from "./defaults.ts";
import type { BackendSpec, RouteSpec } from "./spec.ts";

type Part = Pick<Backend, "weight"> & { readonly failover: Backend["failover"] };

const ALL_TRAFFIC = 100;

export function partOf(spec: RouteSpec, backend: BackendSpec): Part {
  const part = spec.rollout
    ? rolloutPart(spec, backend)
    : spec.strategy === "BlueGreen"
      ? sidePart(spec, backend)
      : weightedPart(spec, backend);
  return { weight: part.weight, failover: backend.failover ?? part.failover };
}

function weightedPart(spec: RouteSpec, backend: BackendSpec): Part {
  const isShadow = spec.shadow?.backend === backend.name;
  return { weight: backend.weight ?? BACKEND_WEIGHT, failover: isShadow ? "Never" : "Allowed" };
}

/** A rollout begins with all traffic on the stable side. Written weights are ignored in the tiers it moves. */
function rolloutPart(spec: RouteSpec, backend: BackendSpec): Part {
  if (backend.name === spec.rollout?.stable) return { weight: ALL_TRAFFIC, failover: "Allowed" };
  if (backend.name === spec.rollout?.candidate) return { weight: 0, failover: "Never" };
  const moved = [spec.rollout?.stable, spec.rollout?.candidate].map((name) => priorityOf(spec, name));
  return moved.includes(priority(backend)) ? { weight: 0, failover: "Allowed" } : weightedPart(spec, backend);
}

/** The active side takes all traffic of its tier; later tiers are fallbacks as ever. */
function sidePart(spec: RouteSpec, backend: BackendSpec): Part {
  if (backend.name === spec.activeBackend) return { weight: ALL_TRAFFIC, failover: "Allowed" };
  const isFallback = priority(backend) > priorityOf(spec, spec.activeBackend);
  return isFallback ? weightedPart(spec, backend) : { weight: 0, failover: "Never" };
}

function priority(backend: BackendSpec): number {
  return backend.priority ?? BACKEND_PRIORITY;
}

function priorityOf(spec: RouteSpec, name: string | undefined): number {
  const backend = spec.backends.find((candidate) => candidate.name === name);
  return backend === undefined ? BACKEND_PRIORITY : priority(backend);
}
