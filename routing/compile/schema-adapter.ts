/**
 * What does the schema say of one object?
 */
import type { ClientSpec, ProviderSpec, RouteSpec } from "./spec.ts";

export type ValidatedSpec = ProviderSpec | RouteSpec | ClientSpec;

export interface Checked {
  /** With defaults filled in. */
  readonly spec?: ValidatedSpec;
  /** Sentences, each with its field. */
  readonly problems: readonly string[];
}

export function checkObject(object: object): Checked {
  const { spec } = object as { spec?: ValidatedSpec };
  if (typeof spec !== "object" || spec === null) return { problems: ["spec: Required value"] };
  return { spec, problems: [] };
}
