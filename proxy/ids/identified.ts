/** What did the ids of a request say? */
import type { Zone } from "../../routing/zones.ts";
import type { Edit } from "../body/edits.ts";
import type { Owner } from "./affinity.ts";

export interface Identified {
  /** Of the provider that has the things named; undefined: none is named, or only ones that Tandem does not know. */
  home: string | undefined;
  /** The places of the body's ids, with the provider's own. */
  readonly edits: Edit[];
  /** For each id named: the residency for which its file was looked through, if it was. */
  readonly lookedThrough: (Zone | undefined)[];
  /** By the provider's id: its owner with what else is said of it, by its tag or by who shows it now. */
  vouched?: Map<string, Owner>;
  /** The provider's ids by the caller's. */
  known?: Map<string, string>;
  /** Ids that Tandem did not give out, and where they stand. */
  readonly foreign: { readonly id: string; readonly place: string }[];
}

/** Nothing is said yet but where the things are, if that is known. */
export function identifiedAt(home: string | undefined): Identified {
  return { home, edits: [], foreign: [], lookedThrough: [] };
}

/** The id gets these words again wherever the answer shows it. */
export function vouch(identified: Identified, id: string, said: Owner): void {
  identified.vouched ??= new Map();
  identified.vouched.set(id, said);
}
