/**
 * What happened to one request? The pipeline fills this record; metrics, access log, traces and `/status`
 * read it when the request has ended. It never holds content or secrets. Times are `performance.now()` milliseconds.
 */
import type { Cost } from "../routing/cost.ts";
import type { Spillover } from "./dialects/spillover.ts";

/** How a request ended, from the caller's side. */
export type Outcome =
  | "ok" // the provider's answer, whole
  | "rejected" // refused by Tandem before any attempt
  | "provider_error" // the provider's own error was passed on
  | "upstream_failed" // every attempt failed, Tandem answered
  | "cut" // the answer broke off after its first byte had been passed on
  | "client_closed"; // the caller went away

/** How one attempt ended. */
export type AttemptOutcome =
  | "ok"
  | "connect_error" // connect, DNS, TLS or egress: nothing reached the provider
  | "reset" // the connection broke before the answer was whole
  | "timeout"
  | "rate_limited" // 429
  | "server_error" // 408 and 5xx
  | "config_error" // 401, 403, 404 of a deployment or model…: the operator's fault (dialects/failure-rules.ts)
  | "client_error" // other 4xx: the caller's fault
  | "malformed" // an answer that is not what it says
  | "cut" // broke after bytes had been passed on
  | "aborted" // the caller went away
  | "superseded"; // another attempt of the same request answered first

export interface AttemptRecord {
  readonly provider: string;
  readonly backend: string;
  /** The model or deployment asked. */
  readonly upstreamModel: string;
  /** The gateway's name of the same model: the metrics' `model` label. Absent: `upstreamModel`. */
  readonly model?: string | undefined;
  readonly startedAt: number;
  /** When the response's headers came. */
  respondedAt: number | undefined;
  endedAt: number | undefined;
  status: number | undefined;
  outcome: AttemptOutcome | undefined;
  /** One clause for the log: an error code, never content. */
  detail: string | undefined;
  /** The provider's own ids (`x-request-id`, `apim-request-id`). */
  providerRequestID: string | undefined;
  /** Another deployment answered, because the one that was asked is full. */
  spillover?: Spillover | undefined;
  /** Fields of the body that this provider got under another name or not at all: `store=dropped`. */
  changed?: string | undefined;
  /**
   * Beside the exchange's own usage: what an attempt that was superseded is taken to cost, or one whose answer broke off
   * and was gone on with elsewhere.
   */
  usage?: Usage | undefined;
  /** What that costs: as the exchange's own. */
  cost?: number | undefined;
  costKinds?: Cost["kinds"] | undefined;
  unpriced?: true | undefined;
}

export interface Usage {
  readonly input: number;
  readonly cachedInput: number;
  readonly output: number;
  readonly reasoning: number;
  /** Part of `input` and `output`; absent: not told. */
  readonly audioInput?: number;
  readonly audioOutput?: number;
  readonly imageInput?: number;
  readonly imageOutput?: number;
  /** Of sound, where the provider counts that and no tokens. */
  readonly seconds?: number;
  /** Counted by Tandem, because the provider did not say. */
  readonly estimated?: boolean;
}

/** How a realtime session went. In: from the caller; out: to the caller. */
export interface RealtimeRecord {
  /** As in the first close frame; 1006: a connection broke (RFC 6455, 7.4). */
  readonly closeCode: number;
  readonly closedBy: "client" | "provider" | "gateway";
  /** One clause, never a side's own words. */
  readonly reason: string | undefined;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** The provider's id of the session. */
  readonly sessionID: string | undefined;
  readonly responses: number;
  /** Responses in progress at the end. */
  readonly unfinished: number;
  /** `error` events of the provider. */
  readonly errors: number;
  /** Milliseconds from the first response's start to its first delta. */
  readonly firstTokenMs: number | undefined;
  /** Of the model that transcribes what the caller says: not part of `usage`, unless the session does nothing else. */
  readonly transcribed:
    | { readonly inputTokens: number; readonly outputTokens: number; readonly seconds: number }
    | undefined;
}

export interface Exchange {
  readonly id: string;
  readonly method: string;
  /** The path without its query. */
  readonly path: string;
  /** OpenAI's name of the operation, such as `chat/completions`; undefined when there is none. */
  operation: string | undefined;
  readonly startedAt: number;
  /** Wall clock at the start, Unix milliseconds. */
  readonly time: number;
  /** Key of the AIClient; undefined when anonymous or not let in. */
  client: string | undefined;
  namespace: string | undefined;
  /** The zone that the caller belongs to; absent: nothing is known. */
  residency?: string | undefined;
  /** Key of the AIRoute. */
  route: string | undefined;
  /** The model that the caller named. */
  model: string | undefined;
  stream: boolean;
  /** Why the answering backend was chosen: `weighted`, `priority`, `failover:<reason>`… */
  decision: string | undefined;
  readonly attempts: AttemptRecord[];
  status: number;
  outcome: Outcome | undefined;
  /** Code of the error that the caller saw, and whose it was. */
  errorCode: string | undefined;
  errorOrigin: "gateway" | "provider" | undefined;
  requestBytes: number;
  responseBytes: number;
  /** When the caller had been let in, before the body was waited for. */
  admittedAt?: number | undefined;
  /** When the body had been read, or as much of it as was needed. */
  bodyAt: number | undefined;
  /** Milliseconds waited between attempts on purpose: backoff and Retry-After. */
  waited?: number | undefined;
  /** Backends ruled out before the first attempt, and why: an enumerable reason such as `CircuitOpen`. */
  excluded?: readonly { readonly backend: string; readonly reason: string }[] | undefined;
  /** When the first byte of the answer went to the caller. */
  firstByteAt: number | undefined;
  /** When the first content token of a stream passed. */
  firstTokenAt: number | undefined;
  endedAt: number | undefined;
  usage: Usage | undefined;
  /** Nano-dollars by the price of the backend that answered; undefined: nothing was paid for, or unpriced. */
  cost?: number | undefined;
  /** What the cost is made of. */
  costKinds?: Cost["kinds"] | undefined;
  /** Something was paid for, and what it costs, or a part of it, is not known. */
  unpriced?: true | undefined;
  /** How a second attempt beside a silent one ended: it answered, the first did, or neither; or the route had hedged enough. Absent: there was none. */
  hedge?: "won" | "lost" | "failed" | "capped" | undefined;
  /** Of a realtime session, when it has ended. */
  realtime?: RealtimeRecord | undefined;
  /** W3C trace context of the server span, when tracing is on. */
  trace: unknown;
}
