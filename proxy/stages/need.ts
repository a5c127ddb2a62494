/**
 * How many tokens does a provider take a request to need, when it lets it in?
 *
 * A guess as the providers guess: four characters are a token, and the answer may be as long as the request allows. At Azure
 * the two together (https://learn.microsoft.com/azure/foundry/openai/how-to/quota), at OpenAI the larger one
 * (https://developers.openai.com/api/docs/guides/rate-limits).
 */
import { scalarOf } from "../body/splice.ts";
import type { RequestContext } from "../context.ts";
import type { Target } from "../snapshot.ts";

const BYTES_PER_TOKEN = 4;
/** Larger bodies are pictures and files, of which the number of bytes says nothing. */
const LARGEST_TEXT_BYTES = 512 * 1024;
const LONGEST_NUMBER_BYTES = 16;
/** Fields that bound an answer, of which a request has one. */
export const ANSWER_BOUNDS = ["max_completion_tokens", "max_output_tokens", "max_tokens"];

export function tokensNeeded({ body, exchange }: RequestContext, target: Target): number {
  const bytes = exchange.requestBytes;
  const prompt = bytes > LARGEST_TEXT_BYTES ? 0 : Math.ceil(bytes / BYTES_PER_TOKEN);
  let answer = 0;
  for (const name of ANSWER_BOUNDS) {
    const bound = body && scalarOf(body.scan, body.scan.fields.get(name), LONGEST_NUMBER_BYTES);
    if (typeof bound === "number" && bound > answer) answer = bound;
  }
  return target.provider.type === "AzureOpenAI" ? prompt + answer : Math.max(prompt, answer);
}
