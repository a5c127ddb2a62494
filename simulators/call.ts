/** What is known about one request to a simulated provider, from its first line to its answer? */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { CatalogModel } from "./catalog.ts";
import type { Failure } from "./errors.ts";
import type { Fault } from "./faults.ts";
import type { RateState } from "./limits.ts";
import type { Operation } from "./operations/operation.ts";
import type { DeploymentOption } from "./options.ts";
import type { RequestEntry } from "./recorder.ts";

export type ProviderName = "openai" | "azure";

/** What a URL asks for. */
export interface Target {
  readonly operation: Operation;
  /** What stood in the braces of a path such as `files/{file_id}`, by name. */
  readonly ids: Readonly<Record<string, string>>;
  /** From an Azure path `/openai/deployments/{deployment}/…`. */
  readonly deployment?: string;
  /** Azure's dated version; absent on v1 and at OpenAI. */
  readonly apiVersion?: string;
}

/** The model that answers; on Azure through a deployment. */
export interface Serving {
  readonly model: CatalogModel;
  /** As in the answer's `model`. */
  readonly snapshot: string;
  readonly deployment?: DeploymentOption;
  /** What it says, whatever it is asked. */
  readonly says?: string | undefined;
}

/** A request of which no more is known than that it came. */
export interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly host: string;
  readonly requestId: string;
  /** On the clock of `performance.now()`. */
  readonly startedAt: number;
  readonly entry: RequestEntry;
  serving?: Serving;
  rate?: RateState;
  fault?: Fault;
}

/** A request that was let in. */
export interface Call extends Arrival {
  readonly provider: ProviderName;
  /** The caller's key or token, for the bill and limits; never shown. */
  readonly credential: string;
  readonly target: Target;
  body: Buffer;
  /** The name that the request used for the model: with Azure the deployment. */
  modelName?: string;
}

/** Tokens of one answer, as both providers report and bill them. */
export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Part of `completionTokens`. */
  readonly reasoningTokens: number;
}

/** One server-sent event. */
export interface StreamEvent {
  /** `content` carries text of the answer, `finish` its finish reason, `done` is `[DONE]`; `pause` is not written but waited for. */
  readonly kind: "prelude" | "content" | "annotation" | "finish" | "usage" | "done" | "pause";
  readonly data: string;
  /** For APIs with named events. */
  readonly event?: string;
  /** Output tokens in this event. */
  readonly tokens?: number;
  /** How long a `pause` is. */
  readonly ms?: number;
}

export type Answer =
  | { readonly kind: "json"; readonly body: string; readonly usage?: Usage; readonly status?: number }
  | {
      readonly kind: "bytes";
      readonly body: Buffer;
      readonly contentType: string;
      readonly usage?: Usage;
      /** Flat list: name, value, name, value. */
      readonly headers?: readonly string[];
    }
  /** Without `usage` nothing is charged for it. */
  | { readonly kind: "stream"; readonly events: Iterable<StreamEvent>; readonly usage?: Usage };

/** What makes one provider differ from the other. */
export interface Provider {
  readonly name: ProviderName;
  /** Who asks for what: the header limits, the credential and the URL, in the provider's own order. */
  admit(request: IncomingMessage, host: string): { target: Target; credential: string } | Failure;
  /** The model or deployment behind the name in the body (`undefined`: the body names none). */
  serve(target: Target, name: string | undefined, host: string): Serving | Failure;
  /** Headers of every answer, flat: name, value, name, value. */
  headers(arrival: Arrival, streaming: boolean): string[];
  newRequestId(): string;
  /** The 429 of its own limiter. */
  rateLimited(call: Call, rate: RateState): Failure;
  readonly failures: {
    readonly malformedJson: Failure;
    readonly bodyTooLarge: Failure;
    readonly malformedForm: Failure;
    wrongContentType(type: string): Failure;
    unknownUrl(request: IncomingMessage): Failure;
  };
}

export function isFailure(value: object): value is Failure {
  return "kind" in value && value.kind === "failure";
}
