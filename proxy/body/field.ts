/** Where in a JSON body does a top-level field stand, and what may be wrong with the body? */

export type FieldKind = "string" | "literal" | "nested";

/** A value's place in the body, in bytes from its start, and what stands around it. */
export interface Field {
  readonly kind: FieldKind;
  readonly start: number;
  readonly end: number;
  /** The key's text, quotes included. */
  readonly keyStart: number;
  readonly keyEnd: number;
  /** The comma before the key; `NONE` for the first field. */
  readonly commaBefore: number;
  /** The comma behind the value; `NONE` for the last field, and until it has been read. */
  readonly commaAfter: number;
}

/** There is no such byte. */
export const NONE = -1;

export type ScanProblem =
  | { readonly code: "invalid_json"; readonly offset: number }
  | { readonly code: "duplicate_field"; readonly field: string }
  | { readonly code: "late_field"; readonly field: string };
