/**
 * Why can these manifests not be used?
 *
 * A problem names the file, the line and, where there is one, the field, and its sentence says how to mend it. It never
 * holds a value of a Secret.
 */

import type { Step } from "./field-path.ts";

export interface Problem {
  /** One sentence, without the place. */
  readonly message: string;
  /** As the path was given, joined with the name inside a folder. */
  readonly file?: string | undefined;
  /** From 1. */
  readonly line?: number | undefined;
  /** Such as `spec.backends[0].weight`. */
  readonly field?: string | undefined;
}

export class ManifestError extends Error implements Problem {
  override readonly name = "ManifestError";
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly field: string | undefined;
  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.message, options);
    this.file = problem.file;
    this.line = problem.line;
    this.field = problem.field;
  }
}

/** Makes the error for a fault in an object at hand: the steps lead to the field, none mean the object as a whole. */
export type Fail = (steps: readonly Step[], message: string) => ManifestError;
