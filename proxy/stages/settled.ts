/** What came of an attempt, for those who decide what follows? */
import type { ProviderError } from "../dialects/provider-error.ts";
import type { AttemptOutcome } from "../exchange.ts";

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface Failure {
  readonly outcome: Exclude<AttemptOutcome, "ok" | "aborted" | "superseded">;
  /** One clause, no content. */
  readonly detail: string;
  readonly status: number | undefined;
  readonly headers: ResponseHeaders;
  readonly error: ProviderError | undefined;
  /** The gateway's key or token that was sent for it, which must not come back with the headers. */
  readonly key?: string | undefined;
  /** It met a connection that the provider had closed after the answer before: nothing is wrong with either of them. */
  readonly isStale?: boolean;
}

export type Settled = { readonly ok: true } | { readonly ok: false; readonly failure: Failure };

/** Where an answer goes once it is settled. */
export interface Sink {
  /** False: no more until `resume()`. */
  write(chunk: Buffer): boolean;
  /** The answer ended as it should. */
  whole(): void;
  /** It broke off; `detail` is one clause. */
  cut(detail: string): void;
}
