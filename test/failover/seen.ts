/** What did the caller see of a scenario, and what the providers? */

export interface Seen {
  readonly outcome: "success" | "error" | "hang";
  /** The text is the whole answer. */
  readonly complete: boolean;
  /** What the caller was told, when it was an error. */
  readonly error: string | undefined;
  /** Milliseconds until the call had ended. */
  readonly tookMs: number;
  /** As the answer names it. */
  readonly model: string | undefined;
  readonly usage: boolean;
  /** Requests at the provider that fails, and at the other one, in order. */
  readonly first: readonly Served[];
  readonly second: readonly Served[];
  /** A request for another model was answered afterwards. */
  readonly alive: boolean;
  /** Of a sequence: requests during the outage that nobody answered. */
  readonly unserved: number;
  /** Of a sequence: milliseconds from the outage's end to the first answer of the provider that had failed. */
  readonly backAfter: number | undefined;
}

/** A request that a provider received. */
export interface Served {
  /** Unix milliseconds. */
  readonly at: number;
  readonly status: number | undefined;
  /** Of the last message in it. */
  readonly lastRole: string | undefined;
}

export type Verdict = "pass" | "partial" | "safe" | "fail";
