/**
 * What do requests of a route for a model use, as far as one can tell beforehand?
 *
 * Learned from what has ended: tokens for each byte of a body, how many of them the provider had cached, tokens of an
 * answer. A mean at first, then one that forgets, so that a changed prompt is learned anew within some hundred requests.
 */
import type { Usage } from "../exchange.ts";
import { BYTES_PER_TOKEN } from "../usage/bytes-per-token.ts";

/** Tokens of an answer, before one is known. */
const FIRST_OUTPUT = 250;
/** So many requests weigh in. */
const MEMORY = 200;

export interface Guess {
  readonly input: number;
  readonly cachedInput: number;
  /** Of one answer. */
  readonly output: number;
}

export class Learned {
  #seen = 0;
  #bytes = 0;
  #input = 0;
  #cached = 0;
  #output = FIRST_OUTPUT;

  /** `bytes` of the request's text; `choices`: answers asked for. */
  observe(bytes: number, choices: number, usage: Usage): void {
    this.#seen = Math.min(this.#seen + 1, MEMORY);
    const weight = 1 / this.#seen;
    this.#output += (usage.output / choices - this.#output) * weight;
    if (bytes <= 0 || usage.input <= 0) return;
    this.#bytes += (bytes - this.#bytes) * weight;
    this.#input += (usage.input - this.#input) * weight;
    this.#cached += (usage.cachedInput - this.#cached) * weight;
  }

  guess(bytes: number): Guess {
    if (this.#bytes === 0) return { input: bytes / BYTES_PER_TOKEN, cachedInput: 0, output: this.#output };
    // Of sums, not a mean of ratios: a few short bodies, mostly frame, would spoil the ratio of all.
    const input = (bytes * this.#input) / this.#bytes;
    return { input, cachedInput: (input * this.#cached) / this.#input, output: this.#output };
  }
}
