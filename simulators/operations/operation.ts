/** What does every simulated operation have in common? */

import type { Answer, Call, Usage } from "../call.ts";
import type { ModelKind } from "../catalog.ts";
import { azureError, type Failure, openaiError } from "../errors.ts";
import type { Later } from "../later.ts";
import type { Settings } from "../options.ts";
import type { PromptCache } from "../prompt-cache.ts";
import type { Shelf } from "../shelf.ts";
import type { TokenCounter } from "../tokens.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** What a line of a batch got for an answer. */
export interface LineAnswer {
  readonly status: number;
  readonly requestId: string;
  readonly body: unknown;
}

/** What operations may use of the simulator they run in. */
export interface Desk {
  readonly settings: Settings;
  readonly counter: TokenCounter;
  readonly promptCache: PromptCache;
  /** What this caller's account or resource holds. */
  readonly shelf: Shelf;
  /** For work that goes on after the answer. */
  readonly later: Later;
  /** Counts a request of about `tokens` against the caller's limit; a failure is the provider's 429. */
  admit(call: Call, tokens: number): Failure | undefined;
  /** Bills work that ended after its answer. */
  charge(call: Call, usage: Usage): void;
  /** Runs one line of a batch: another operation with a body of its own, at half the price and without limits. */
  runLine(call: Call, operation: Operation, body: JsonObject): Promise<LineAnswer>;
}

export interface Operation {
  readonly name: string;
  readonly method: "GET" | "POST" | "DELETE";
  /** Below the API's base; each `{name}` is one path segment. */
  readonly path: string;
  /** `either` is JSON or a form. */
  readonly body: "json" | "multipart" | "either" | "none";
  /** The body may be left out. */
  readonly bodyOptional?: boolean;
  /** Kinds of model that can do it; absent when the request names no model. */
  readonly kinds?: readonly ModelKind[];
  /** The model when the body names none. */
  readonly defaultModel?: string;
  readonly onOpenai: boolean;
  /** Azure's three ways in: `deployment` is `/openai/deployments/{d}/…`, `root` is `/openai/…`; `since` is the first dated version. */
  readonly onAzure: { readonly dated?: "deployment" | "root"; readonly since?: string; readonly v1: boolean };
  /** The name Azure's rate limit text uses, and the one its OperationNotSupported uses. */
  readonly azureNames: { readonly operation: string; readonly action: string };
  /** `body` is the parsed JSON or the fields of the form, empty without a body. */
  run(call: Call, body: JsonObject, desk: Desk): Answer | Failure | Promise<Answer | Failure>;
}

/** Operations that only OpenAI has. */
export const OPENAI_ONLY = {
  onOpenai: true,
  onAzure: { v1: false },
  azureNames: { operation: "", action: "" },
} as const satisfies Partial<Operation>;

/** A segment of the path by the name that its braces have. */
export function idOf(call: Call, name: string): string {
  return call.target.ids[name] ?? "";
}

export function json(body: object, usage?: Usage): Answer {
  return { kind: "json", body: JSON.stringify(body), ...(usage && { usage }) };
}

/** What a caller gets who asks for an id that this account or resource does not have. */
export function notFound(call: Call, message: string, param: string | null = null): Failure {
  return call.provider === "openai" ? openaiError(404, message, { param }) : azureError(404, "notFound", message);
}

/** Unix seconds. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}
