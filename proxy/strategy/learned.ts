/**
 * What do requests of a route for a model use, as far as one can tell beforehand?
 *
 * Learned from what has ended: tokens for each byte of a body, how many of them the provider had cached, tokens of an
 * answer, and how far off these are. A mean at first, then one that forgets, so that a changed prompt is learned anew within some hundred requests.
 */
import type { Usage } from "../exchange.ts";
import { BYTES_PER_TOKEN } from "../usage/bytes-per-token.ts";

/** Tokens of an answer, before one is known. */
const FIRST_OUTPUT = 250;
/** So many requests weigh in. */
const MEMORY = 200;
/** Of fewer nobody can tell how much they differ: by as much as is expected. */
const FEW = 2;

export interface Guess {
  readonly input: number;
  readonly cachedInput: number;
  /** Of one answer. */
  readonly output: number;
  /** How far off `input` and `output` usually are: standard deviations. */
  readonly inputSpread: number;
  readonly outputSpread: number;
}

export class Learned {
  #seen = 0;
  #bytes = 0;
  #input = 0;
  #cached = 0;
  #output = FIRST_OUTPUT;
  /** Means of squares. */
  #outputVariance = 0;
  #inputError = 0;
  #inputExpected = 0;

  /** `bytes` of the request's text; `choices`: answers asked for. */
  observe(bytes: number, choices: number, usage: Usage): void {
    this.#seen = Math.min(this.#seen + 1, MEMORY);
    const weight = 1 / this.#seen;
    const output = usage.output / choices;
    const error = output - this.#output;
    this.#output += error * weight;
    this.#outputVariance += (error * (output - this.#output) - this.#outputVariance) * weight;
    if (bytes <= 0 || usage.input <= 0) return;
    this.#learnInputError(bytes, usage.input, weight);
    this.#bytes += (bytes - this.#bytes) * weight;
    this.#input += (usage.input - this.#input) * weight;
    this.#cached += (usage.cachedInput - this.#cached) * weight;
  }

  #learnInputError(bytes: number, input: number, weight: number): void {
    if (this.#bytes === 0) return;
    const expected = (bytes * this.#input) / this.#bytes;
    this.#inputError += ((input - expected) ** 2 - this.#inputError) * weight;
    this.#inputExpected += (expected ** 2 - this.#inputExpected) * weight;
  }

  guess(bytes: number): Guess {
    const output = this.#output;
    const outputSpread = this.#seen < FEW ? output : Math.sqrt(this.#outputVariance);
    if (this.#bytes === 0) {
      const input = bytes / BYTES_PER_TOKEN;
      return { input, cachedInput: 0, output, inputSpread: input, outputSpread };
    }
    // Of sums, not a mean of ratios: a few short bodies, mostly frame, would spoil the ratio of all.
    const input = (bytes * this.#input) / this.#bytes;
    // Relative to what was expected, so that it fits long bodies and short ones.
    const inputSpread = this.#inputExpected === 0 ? input : input * Math.sqrt(this.#inputError / this.#inputExpected);
    return { input, cachedInput: (input * this.#cached) / this.#input, output, inputSpread, outputSpread };
  }
}
