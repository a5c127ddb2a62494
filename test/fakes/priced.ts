/** Answers by what they cost: of so many tokens, and one of a price that tests of budgets count with. */
import { type Answer, chatAnswer } from "./provider.ts";

/** A whole answer to a chat, which used so many tokens. */
export function used(prompt_tokens: number, completion_tokens: number): Answer {
  return chatAnswer("Hi", { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens });
}

/** US dollars per million tokens. */
export const PRICE = { input: "0", output: "100" };
export const pricedAnswer = used(10, 100);
/** What it costs at this price, in US dollars. */
export const COST = 0.01;
