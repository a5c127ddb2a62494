/**
 * Of which kind are an operation's event streams?
 *
 * `chat`: chunks of `choices`, each with a `finish_reason`, then `[DONE]`. `typed`: events that carry their `type`, the
 * last of which says so; `[DONE]` need not come.
 */
export type StreamProfile = "chat" | "typed";

const CHAT = new Set(["chat/completions", "completions"]);

export function streamProfileOf(operation: string | undefined): StreamProfile {
  return operation === undefined || CHAT.has(operation) ? "chat" : "typed";
}
