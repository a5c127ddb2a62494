/**
 * Which kind of model is it?
 *
 * By exact name, never by what a name looks like: a deployment called `o3-team` may serve anything. Here stands only
 * what a rule asks for, and a model that does not stand here is treated as unknown: nothing is changed for it. Sources:
 * the models of OpenAI's and Azure's price lists (2026-11) that both vendors call reasoning models and that answer
 * chat/completions (Azure: foundry/openai/how-to/reasoning.md, "API & feature support"; OpenAI: guides/reasoning).
 * `gpt-5-chat` and the `-chat-latest` aliases are missing on purpose: what they take has changed with what they stand for.
 */

export type ModelKind = "reasoning";

// biome-ignore format: a list of names
const REASONING = [
  "o1", "o1-mini", "o1-preview", "o3", "o3-mini", "o4-mini",
  "gpt-5", "gpt-5-mini", "gpt-5-nano",
  "gpt-5.1", "gpt-5.2", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano", "gpt-5.5",
  "gpt-5.6", "gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna",
  "gpt-6-astra", "gpt-6-sol", "gpt-6-luna", "gpt-6.1-sol", "gpt-6.1-terra",
];

const KINDS: ReadonlyMap<string, ModelKind> = new Map(REASONING.map((name) => [name, "reasoning"]));

/** How both vendors name a snapshot: `gpt-5-2025-08-07` is `gpt-5`. */
const SNAPSHOT = /-\d{4}-\d{2}-\d{2}$/;

/** The kind of a model by its own name or a snapshot's; undefined for one that is not known here. */
export function kindOf(baseModel: string): ModelKind | undefined {
  return KINDS.get(baseModel.replace(SNAPSHOT, ""));
}
