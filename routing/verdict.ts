/** What does the compiler think of each object? */

export type Kind = "AIProvider" | "AIRoute" | "AIClient";

/** As in Kubernetes, without what only the API server's side knows (observedGeneration, lastTransitionTime). */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  /** CamelCase, one word. */
  readonly reason: string;
  /** One clear sentence for a person: names the field and the fix. Empty when there is nothing to say. */
  readonly message: string;
}

export interface Verdict {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly generation: number;
  /** Accepted, ResolvedRefs, and Pinned where it is asked for, in this order. */
  readonly conditions: readonly Condition[];
  /** What printer columns show beside conditions (`endpoint`, `models`, `weights`). */
  readonly columns: Readonly<Record<string, string>>;
}

/** True when the object's spec is in force as written. */
export function isAccepted(verdict: Verdict): boolean {
  return verdict.conditions.every((c) => c.type !== "Accepted" || c.status === "True");
}
