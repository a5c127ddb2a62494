/**
 * Which token is valid now, and when is the next one fetched?
 *
 * One source for all providers that prove the same application in the same way. It fetches ahead of the token's end, one
 * fetch at a time, and backs off when it gets none. Only a request that comes before the first answer of the token
 * service waits for it.
 */
import type { AuthHeader, Authorization } from "./authorization.ts";

/** Times are Unix milliseconds. */
export interface Token {
  readonly value: string;
  readonly expiresAt: number;
  /** When the token service wants the next one to be fetched, if it says so. */
  readonly refreshAt?: number | undefined;
}

/** Why there is no token. `message` is one clause that names the fix, without secrets. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  /** `AADSTS…` where the token service gave one, else a word such as `invalid_client`, `timeout` or an errno. */
  readonly code: string;
  /** The token service's own id of the request. */
  readonly traceID: string | undefined;
  /** Milliseconds that the token service wants to be left alone. */
  readonly retryAfter: number | undefined;

  constructor(
    code: string,
    message: string,
    details: { traceID?: string | undefined; retryAfter?: number | undefined } = {},
  ) {
    super(message);
    this.code = code;
    this.traceID = details.traceID;
    this.retryAfter = details.retryAfter;
  }
}

export interface TokenSourceOptions {
  /** Rejects with a TokenError. Keeps its own time limit. */
  readonly fetch: () => Promise<Token>;
  /** Unix milliseconds: a laptop that slept must notice that its token has ended. */
  readonly now: () => number;
  /** 0 ≤ x < 1. */
  readonly rng: () => number;
  /** Called for each failed fetch; `validUntil` of the token that is still there. */
  readonly onFailure: (error: TokenError, validUntil: number | undefined) => void;
  /** There is a token again after failures. */
  readonly onRecovery: () => void;
}

/** As `/status` shows it; times in ISO 8601. */
export interface TokenStatus {
  readonly state: "valid" | "fetching" | "unavailable";
  readonly expiresAt: string | null;
  readonly nextFetchAt: string | null;
  /** Of the fetches since the last good one. */
  readonly lastError: { readonly at: string; readonly code: string; readonly message: string } | null;
}

/** Shares of a token's life after which the next one is fetched: a fleet of proxies does not ask at once. */
const REFRESH_FROM = 0.75;
const REFRESH_TO = 0.85;
/** A token that ends within this is not sent any more: the request has to arrive. For short lives a share of them. */
const MARGIN_MS = 10_000;
const MARGIN_SHARE = 0.1;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** Beyond this not even the token service is waited for. */
const LONGEST_RETRY_AFTER_MS = 300_000;
/** However soon a token ends or its service wants the next one fetched: that is not asked without a pause. */
const SOONEST_REFRESH_MS = 10_000;
/** A provider's 401 asks for another token at most this often. */
const REFUSED_AGAIN_MS = 60_000;
/** setTimeout takes no more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class TokenSource implements Authorization {
  readonly missing = "token_unavailable";
  readonly #options: TokenSourceOptions;
  #token: Token | undefined;
  #header: AuthHeader | undefined;
  #usableUntil = 0;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #nextFetchAt: number | undefined;
  #failures = 0;
  #failure: { readonly at: number; readonly error: TokenError } | undefined;
  #begunAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: TokenSourceOptions) {
    this.#options = options;
  }

  get header(): AuthHeader | undefined {
    return this.#options.now() < this.#usableUntil ? this.#header : undefined;
  }

  get pending(): Promise<void> | undefined {
    // After a failure the backoff decides when the next fetch is, and nobody waits for it.
    if (this.#failure || this.#stopped || this.header) return undefined;
    return this.#fetch();
  }

  get problem(): string {
    return `it has no access token: ${this.#failure?.error.message ?? "none has come yet"}`;
  }

  /**
   * Begins to fetch, and goes on until `stop`. The token of another source is used meanwhile: one of the same
   * application whose secret was replaced.
   */
  start(before?: TokenSource): void {
    const token = before === undefined ? undefined : before.#token;
    if (token) this.#accept(token);
    void this.#fetch();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#nextFetchAt = undefined;
  }

  refused(): void {
    if (this.#stopped || this.#failure || this.#options.now() - this.#begunAt < REFUSED_AGAIN_MS) return;
    void this.#fetch();
  }

  status(): TokenStatus {
    return {
      state: this.header ? "valid" : this.#failure ? "unavailable" : "fetching",
      expiresAt: timeOf(this.#token?.expiresAt),
      nextFetchAt: timeOf(this.#nextFetchAt),
      lastError: this.#failure
        ? {
            at: new Date(this.#failure.at).toISOString(),
            code: this.#failure.error.code,
            message: this.#failure.error.message,
          }
        : null,
    };
  }

  /** One at a time: who comes meanwhile waits for the same. */
  #fetch(): Promise<void> {
    this.#running ??= this.#fetchOnce().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #fetchOnce(): Promise<void> {
    clearTimeout(this.#timer);
    this.#nextFetchAt = undefined;
    this.#begunAt = this.#options.now();
    try {
      const token = stillValid(await this.#options.fetch(), this.#options.now());
      const hadFailed = this.#failure !== undefined;
      this.#failures = 0;
      this.#failure = undefined;
      this.#accept(token);
      this.#schedule(this.#refreshIn(token));
      if (hadFailed) this.#options.onRecovery();
    } catch (error) {
      this.#fail(error instanceof TokenError ? error : new TokenError("internal", "the fetch broke down"));
    }
  }

  #accept(token: Token): void {
    const life = token.expiresAt - this.#options.now();
    this.#token = token;
    this.#header = ["authorization", `Bearer ${token.value}`];
    this.#usableUntil = token.expiresAt - Math.min(MARGIN_MS, life * MARGIN_SHARE);
  }

  #fail(error: TokenError): void {
    if (this.#stopped) return;
    const now = this.#options.now();
    this.#failure = { at: now, error };
    const backoff = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures++;
    const asked = Math.min(LONGEST_RETRY_AFTER_MS, error.retryAfter ?? 0);
    this.#schedule(Math.max(asked, backoff * (0.5 + this.#options.rng() / 2)));
    this.#options.onFailure(error, this.header && this.#token?.expiresAt);
  }

  #refreshIn({ expiresAt, refreshAt }: Token): number {
    const now = this.#options.now();
    const share = REFRESH_FROM + (REFRESH_TO - REFRESH_FROM) * this.#options.rng();
    const ahead = (expiresAt - now) * share;
    return Math.min(ahead, Math.max(SOONEST_REFRESH_MS, (refreshAt ?? expiresAt) - now));
  }

  #schedule(wait: number): void {
    if (this.#stopped) return;
    const bounded = Math.min(LONGEST_TIMER_MS, Math.max(0, wait));
    this.#nextFetchAt = this.#options.now() + bounded;
    this.#timer = setTimeout(() => void this.#fetch(), bounded);
    this.#timer.unref();
  }
}

/** One that has ended when it comes would be fetched anew at once, and again. */
function stillValid(token: Token, now: number): Token {
  if (token.expiresAt > now) return token;
  throw new TokenError("expired", "the token service's answer holds a token that has already ended");
}

function timeOf(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString();
}
