/** Where in an object is a field, from its path as people and the API server write it? */

export type Step = string | number;

/** The field that a sentence names: `spec.backends[0].weight: Invalid value` and `unknown field "spec.complience"`. */
const NAMED_FIELD = /\b(?:spec|metadata)\b(?:\.[A-Za-z0-9_-]+|\[[^\]\s]*\])*/;
const STEP = /\[([^\]]*)\]|([^.[\]]+)/g;
const INDEX = /^\d+$/;

/** `spec.backends[0].weight` as its steps. A text in brackets is a key, or the name of an item of a list. */
export function stepsOf(field: string): Step[] {
  return [...field.matchAll(STEP)].map(([, inBrackets, key]) => {
    if (inBrackets === undefined) return key ?? "";
    return INDEX.test(inBrackets) ? Number(inBrackets) : inBrackets.replace(/^(["'])(.*)\1$/, "$2");
  });
}

export function fieldOf(steps: readonly Step[]): string {
  return steps
    .map((step, i) => (typeof step === "number" || /[.[\]]/.test(step) ? `[${step}]` : i === 0 ? step : `.${step}`))
    .join("");
}

export function fieldNamedIn(sentence: string): string | undefined {
  return NAMED_FIELD.exec(sentence)?.[0];
}
