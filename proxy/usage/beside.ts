/**
 * Does an answer cost anything that tokens at list price do not tell?
 *
 * Another tier of service (flex about half, priority about twice as much), and tools that the provider runs and charges
 * by the call. Nobody gives prices for these, so they are only found, where the provider names them in what it answered.
 * A text that mentions them has its quotes escaped and is not taken for it.
 */

/** What a model does by itself and is charged for beside its tokens, as items of the Responses API. */
const TOOLS = ["web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"].map((type) =>
  Buffer.from(`"${type}"`),
);
const TIER_KEY = '"service_tier"';
/** Tiers at list price. `auto` is what may be asked for; the answer says what came of it. */
const LISTED_TIER = /"service_tier"\s*:\s*(?:null|"(?:default|standard|auto)")/y;

/** `told`: a plain answer, or the event of a stream that told its usage. */
export function ranTools(told: Buffer): boolean {
  return TOOLS.some((type) => told.includes(type));
}

/**
 * `ending`: of a plain answer, or that event. Also where a caller's own `metadata` has such a key: then it is unpriced
 * rather than wrong.
 */
export function isOfAnotherTier(ending: string): boolean {
  for (let at = ending.indexOf(TIER_KEY); at >= 0; at = ending.indexOf(TIER_KEY, at + TIER_KEY.length)) {
    LISTED_TIER.lastIndex = at;
    if (!LISTED_TIER.test(ending)) return true;
  }
  return false;
}
