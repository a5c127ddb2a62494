/**
 * What have the clients used this month, on a laptop?
 *
 * The file plays the operator's memory: what the gateway may spend is written before it is told, a hundredth of a budget at
 * a time, so that a process that is killed loses no more than that of it, and nothing is spent twice.
 */
import { readFile } from "node:fs/promises";
import type { Budgets } from "../proxy/budgets/budgets.ts";
import { Book } from "../routing/budgets/book.ts";
import type { Client } from "../routing/table.ts";
import { replaceFile, stateFile } from "./state-file.ts";

/** Of a budget. */
const MOST_HELD = 0.01;
/** Milliseconds for which counts may wait to be written, when nothing is told that depends on them. */
const WRITE_INTERVAL = 5_000;
/** Milliseconds after a write that failed. */
const RETRY = 1_000;
const HERE = "here";

export interface UsageFileOptions {
  readonly folder: string;
  /** Other manifests have another memory in the same folder. */
  readonly manifests: readonly string[];
  readonly budgets: Budgets;
  /** Unix milliseconds. */
  readonly clock: () => number;
  onProblem(message: string): void;
}

export class UsageFile {
  readonly #options: UsageFileOptions;
  readonly #file: string;
  readonly #book = new Book({ mostHeld: MOST_HELD });
  readonly #texts = new Map<number, string>();
  #asking = new AbortController();
  #isOver = false;
  #running: Promise<void> = Promise.resolve();
  #writtenAt = 0;
  #complained = false;

  constructor(options: UsageFileOptions) {
    this.#options = options;
    this.#file = stateFile(options.folder, "usage", options.manifests);
  }

  /** A budget that is not read would be spent again: rejects when there is a file that cannot be. */
  async start(): Promise<void> {
    await this.#read();
    this.#running = this.#run();
  }

  /** A table is in force: these are its clients. */
  follow(clients: readonly Client[]): void {
    this.#book.setBudgets(clients);
    this.#asking.abort();
  }

  /** After the gateway has ended. */
  async close(): Promise<void> {
    this.#isOver = true;
    this.#asking.abort();
    await this.#running;
  }

  async #read(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    try {
      this.#book.read(JSON.parse(text) as string[], this.#options.clock());
    } catch (error) {
      const why = (error as Error).message;
      throw new Error(
        `${this.#file}, which holds what clients have spent, cannot be read (${why}). Mend it, or delete it to begin anew.`,
      );
    }
  }

  async #run(): Promise<void> {
    const { budgets, clock, onProblem } = this.#options;
    const { instance } = budgets;
    let sequence = 0;
    let since = 0;
    let isLastWord = false;
    while (!isLastWord && !this.#isOver) {
      const grants = this.#book.grantsFor(instance);
      this.#book.sent(instance, grants);
      this.#asking = new AbortController();
      const answer = await budgets.answer({ instance, sequence: ++sequence, since, grants }, this.#asking.signal);
      isLastWord = answer.isLastWord;
      since = answer.version;
      // Whoever ran before is over: what it may have spent counts.
      for (const one of [...this.#book.pods.keys()]) if (one !== instance) this.#book.end(one, false);
      this.#book.take(instance, HERE, answer.usage, clock());
      if (isLastWord) this.#book.end(instance, true);
      const isMore = this.#book.divide(clock());
      const isDue = isMore || isLastWord || performance.now() - this.#writtenAt > WRITE_INTERVAL;
      if (!isDue || !this.#book.isDirty) continue;
      await this.#write().catch(async (error: Error) => {
        if (!this.#complained) onProblem(`what clients have spent cannot be written down: ${error.message}`);
        this.#complained = true;
        if (!isLastWord) await new Promise((resolve) => setTimeout(resolve, RETRY));
      });
    }
  }

  async #write(): Promise<void> {
    const pages = this.#book.pages();
    try {
      for (const { number, text } of pages) {
        if (text === undefined) this.#texts.delete(number);
        else this.#texts.set(number, text);
      }
      await replaceFile(this.#file, JSON.stringify([...this.#texts.values()]));
      this.#book.written(pages);
      this.#writtenAt = performance.now();
    } catch (error) {
      this.#book.failed(pages);
      throw error;
    }
  }
}
