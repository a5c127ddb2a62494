/**
 * Where does a realtime operation live at a backend, and which events does it speak there?
 *
 * OpenAI: `wss://…/v1/realtime?model=`. Azure v1: `/openai/v1/realtime?model={deployment}`. Azure dated:
 * `/openai/realtime?api-version=&deployment=` (Microsoft's realtime-audio-websockets). OpenAI and Azure v1 speak GA
 * events; OpenAI the preview's when `openai-beta: realtime=v1` says so; Azure's dated form the preview's only.
 */
import { type Operation, operationNamed } from "../dialects/operations.ts";
import type { Target } from "../snapshot.ts";
import type { Ask, Form } from "./ask.ts";

function isDatedAzure({ provider, model }: Target): boolean {
  return provider.type === "AzureOpenAI" && (model.apiVersion ?? provider.apiVersion ?? "v1") !== "v1";
}

/** Whether the backend sends the events that the caller understands. */
export function speaks(target: Target, form: Form): boolean {
  return target.provider.type === "OpenAI" || isDatedAzure(target) === (form === "preview");
}

/** Path and query of the socket; undefined where this backend's form has none. */
export function socketPath(target: Target, ask: Ask, callID: string | undefined): string | undefined {
  const query = new URLSearchParams(ask.rest);
  if (ask.intent !== undefined) query.set("intent", ask.intent);
  if (callID !== undefined) query.set("call_id", callID);
  else if (ask.model !== undefined) query.set(isDatedAzure(target) ? "deployment" : "model", target.upstreamModel);
  return pathOf(target, operationNamed("GET", ask.operation), ask.operation, query);
}

/** Path and query of an operation; `path` is OpenAI's below its base. Undefined where this backend's form has none. */
export function pathOf(target: Target, operation: Operation, path: string, query: URLSearchParams): string | undefined {
  const search = query.size === 0 ? "" : `?${query}`;
  const { provider, model, upstreamModel: upstream } = target;
  const where = target.dialect.path(provider, { operation, path, query: search, model, upstream });
  // The preview has another name for it: /openai/realtimeapi/sessions?api-version=2025-04-01-preview.
  return isDatedAzure(target) ? where?.replace("/openai/realtime/", "/openai/realtimeapi/") : where;
}

/** Where both forms are spoken the header decides. */
export function formHeaders(target: Target, form: Form): Record<string, string> {
  return target.provider.type === "OpenAI" && form === "preview" ? { "openai-beta": "realtime=v1" } : {};
}
