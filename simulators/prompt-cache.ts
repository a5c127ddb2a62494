/** Which part of a prompt has the provider seen before, so that it costs less? */

import { hash } from "node:crypto";

/** Both vendors cache prefixes from 1,024 tokens, in steps of 128. */
export const CACHE_FROM_TOKENS = 1_024;
const CACHE_STEP_TOKENS = 128;
const REMEMBERED_PREFIXES = 5_000;

/** Remembers whole messages at the start of conversations. */
export class PromptCache {
  readonly #seen = new Map<string, number>();

  /** Cached tokens of this prompt; then remembers it. `counts[i]` are the tokens of `messages[i]`. */
  look(model: string, messages: readonly unknown[], counts: readonly number[]): number {
    let cached = 0;
    let tokens = 0;
    let digest = model;
    for (const [at, message] of messages.entries()) {
      digest = hash("sha256", digest + JSON.stringify(message), "hex");
      tokens += counts[at] ?? 0;
      if (this.#seen.has(digest)) cached = tokens;
      else this.#remember(digest, tokens);
    }
    return cached < CACHE_FROM_TOKENS ? 0 : Math.floor(cached / CACHE_STEP_TOKENS) * CACHE_STEP_TOKENS;
  }

  reset(): void {
    this.#seen.clear();
  }

  #remember(digest: string, tokens: number): void {
    if (this.#seen.size >= REMEMBERED_PREFIXES) this.#seen.clear();
    this.#seen.set(digest, tokens);
  }
}
