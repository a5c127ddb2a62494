/**
 * What do strategies know from one request to the next?
 *
 * Kept over reloads, by the names of routes and models, in this proxy.
 */
import { Learned } from "./learned.ts";

/** Under `*` callers choose the names; what comes after so many shares what it knows. */
const MOST_LEARNED = 4096;

export class Strategies {
  readonly #learned = new Map<string, Learned>();
  readonly #others = new Learned();

  /** Of the route's requests for a model, by the gateway's name of it. */
  learnedOf(route: string, model: string): Learned {
    const name = `${route}\n${model}`;
    const known = this.#learned.get(name);
    if (known) return known;
    if (this.#learned.size >= MOST_LEARNED) return this.#others;
    const learned = new Learned();
    this.#learned.set(name, learned);
    return learned;
  }
}
