/**
 * How does Tandem prove itself to a provider?
 *
 * One face for both kinds: a key, which is always at hand, and a token of Entra ID, which nearly always is. Whoever
 * sends a request reads `header` once and waits for nothing; only where it is undefined does `pending` say whether
 * waiting helps.
 */

export type AuthHeader = readonly [name: string, value: string];

/** Why a provider without a header is passed over. */
export type Missing = "credential_missing" | "token_unavailable";

export interface Authorization {
  /** What goes with a request that is sent now; undefined: nothing can be sent. May change from one moment to the next. */
  readonly header: AuthHeader | undefined;
  /** The first token is on its way: resolves, and never rejects, when it is known whether it came. */
  readonly pending: Promise<void> | undefined;
  readonly missing: Missing;
  /** Why there is no header: one clause without secrets. */
  readonly problem: string;
  /** The provider answered 401. */
  refused(): void;
}

/** What of a header is secret. */
export function keyIn(header: AuthHeader | undefined): string | undefined {
  return header?.[1].replace(/^Bearer /, "");
}

/** A key from a Secret; another one comes with another table only. */
export class KeyAuthorization implements Authorization {
  readonly header: AuthHeader | undefined;
  readonly pending = undefined;
  readonly missing = "credential_missing";
  readonly problem = "its key is missing";

  constructor(header: AuthHeader | undefined) {
    this.header = header;
  }

  refused(): void {}
}

/** Of a provider whose Secret's value is gone. */
export const NOTHING: Authorization = new KeyAuthorization(undefined);
