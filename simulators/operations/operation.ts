/** What does every simulated operation have in common? */

import type { Answer, Call } from "../call.ts";
import type { ModelKind } from "../catalog.ts";
import type { Failure } from "../errors.ts";
import type { Settings } from "../options.ts";
import type { PromptCache } from "../prompt-cache.ts";
import type { Shelf } from "../shelf.ts";
import type { TokenCounter } from "../tokens.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** What operations may use of the simulator they run in. */
export interface Desk {
  readonly settings: Settings;
  readonly counter: TokenCounter;
  readonly promptCache: PromptCache;
  readonly shelf: Shelf;
  /** Counts a request of about `tokens` against the caller's limit; a failure is the provider's 429. */
  admit(call: Call, tokens: number): Failure | undefined;
}

export interface Operation {
  readonly name: string;
  readonly method: "GET" | "POST" | "DELETE";
  /** Below the API's base; `{id}` is one path segment. */
  readonly path: string;
  readonly body: "json" | "multipart" | "none";
  /** Kinds of model that can do it; absent when the request names no model. */
  readonly kinds?: readonly ModelKind[];
  /** The model when the body names none. */
  readonly defaultModel?: string;
  readonly onOpenai: boolean;
  /** Azure's three ways in: `deployment` is `/openai/deployments/{d}/…`, `root` is `/openai/…`; `since` is the first dated version. */
  readonly onAzure: { readonly dated?: "deployment" | "root"; readonly since?: string; readonly v1: boolean };
  /** The name Azure's rate limit text uses, and the one its OperationNotSupported uses. */
  readonly azureNames: { readonly operation: string; readonly action: string };
  /** `body` is the parsed JSON, empty for other bodies. */
  run(call: Call, body: JsonObject, desk: Desk): Answer | Failure | Promise<Answer | Failure>;
}
