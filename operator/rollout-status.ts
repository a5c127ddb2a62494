/** What does a route's status say of its rollout? */
import type { Memory } from "../routing/rollout/memory.ts";
import type { Condition } from "../routing/verdict.ts";
import type { RolloutState } from "./rollouts.ts";

/** They say where it stands, not whether the route serves. */
export const ROLLOUT_CONDITIONS: ReadonlySet<string> = new Set(["Progressing", "Promoted"]);

export interface RolloutStatus {
  readonly conditions: readonly Condition[];
  /** `status.rollout`; undefined takes out what stood there. */
  readonly field: (Memory & { readonly step: string }) | undefined;
}

export function rolloutStatus(state: RolloutState | undefined): RolloutStatus {
  if (state === undefined) return { conditions: [], field: undefined };
  const { memory, spec, isHeld } = state;
  const count = spec.steps.length;
  const step = `${Math.min(memory.stepIndex + 1, count)}/${count}`;
  return { conditions: [isHeld ? held(memory) : progressing(memory), promoted(memory)], field: { ...memory, step } };
}

const PHASES: Readonly<Record<Memory["phase"], string>> = {
  Held: "Held",
  Spreading: "Spreading",
  Running: "StepRunning",
  Waiting: "WaitingForPromotion",
  Ended: "Ended",
};

/** By a rollback: what its memory says is not in force. */
function held(memory: Memory): Condition {
  if (memory.outcome !== undefined) return progressing(memory);
  const message = "The route is held at a former table (see Pinned): the rollout stands still until it is released.";
  return { type: "Progressing", status: "False", reason: "RouteHeld", message };
}

function progressing({ phase, outcome, pausedSince, message }: Memory): Condition {
  if (outcome !== undefined) return { type: "Progressing", status: "False", reason: outcome, message };
  if (pausedSince !== undefined) return { type: "Progressing", status: "False", reason: "Paused", message };
  return { type: "Progressing", status: "True", reason: PHASES[phase], message };
}

function promoted({ outcome, message }: Memory): Condition {
  if (outcome === undefined) return { type: "Promoted", status: "Unknown", reason: "Progressing", message: "" };
  return { type: "Promoted", status: outcome === "Promoted" ? "True" : "False", reason: outcome, message };
}
