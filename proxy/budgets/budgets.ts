/**
 * What have clients used through this proxy, and who is told?
 *
 * Whoever hands out budgets asks, over and over: it tells what each client may spend, and is answered with what has changed
 * since it asked last, at once when a client needs more and else when some seconds have passed.
 */
import type { Said } from "../../routing/budgets/entry.ts";
import { endOfMonth, monthOf } from "../../routing/budgets/money.ts";
import { Account } from "./account.ts";
import type { Question } from "./question.ts";

/** Milliseconds. */
const LONGEST_ANSWER = 5_000;
/** Who has not asked for so long is taken to be away. */
const PATIENCE = 15_000;
/** Milliseconds that the last words wait for somebody to ask. */
const LAST_WORDS = 6_000;
/** Of past months, to be told. */
const MOST_PAST = 10_000;

export interface Answer {
  readonly instance: string;
  readonly version: number;
  /** The highest number of a question so far: the next has a higher one. */
  readonly sequence: number;
  /** Nothing more will be spent. */
  readonly isLastWord: boolean;
  readonly usage: readonly Said[];
}

export interface BudgetsOptions {
  readonly instance: string;
  /** Unix milliseconds. */
  readonly clock: () => number;
}

export class Budgets {
  readonly #options: BudgetsOptions;
  readonly #startedAt = performance.now();
  #accounts = new Map<string, Account>();
  #past: Account[] = [];
  #month = "";
  #monthEnds = 0;
  #version = 0;
  #sequence = 0;
  #askedAt: number | undefined;
  #isOver = false;
  #urgent = Promise.withResolvers<void>();
  #answered = Promise.withResolvers<void>();

  constructor(options: BudgetsOptions) {
    this.#options = options;
  }

  get instance(): string {
    return this.#options.instance;
  }

  /** Of this month. */
  accountOf(client: string): Account {
    const accounts = this.#current();
    const known = accounts.get(client);
    if (known) return known;
    const account = new Account(client, this.#month, (one, isUrgent) => {
      one.version = ++this.#version;
      if (isUrgent) this.#hurry();
    });
    accounts.set(client, account);
    return account;
  }

  /** Whether somebody who hands out budgets is there, or may still come. */
  get isHeard(): boolean {
    return performance.now() - (this.#askedAt ?? this.#startedAt) < PATIENCE;
  }

  now(): number {
    return this.#options.clock();
  }

  /** What is told counts at once, if it is for this proxy and newer than what was told before. */
  tell({ instance, sequence, grants }: Question): boolean {
    if (instance !== this.#options.instance || sequence <= this.#sequence) return false;
    this.#askedAt = performance.now();
    this.#sequence = sequence;
    const accounts = this.#current();
    for (const { client, month, upTo, isLast } of grants) {
      if (month === this.#month) accounts.get(client)?.grant(upTo, isLast);
    }
    return true;
  }

  /** Resolves with what has changed, when it is worth it. `gone`: nobody waits any more. */
  async answer(question: Question, gone: AbortSignal): Promise<Answer> {
    const isTaken = this.tell(question);
    const since = isTaken ? question.since : 0;
    const isNews = question.grants.length > 0 || this.#isWaitedFor(since);
    if (isTaken && !isNews && !this.#isOver) await this.#news(gone);
    if (isTaken && this.#isOver) setImmediate(() => this.#answered.resolve());
    if (isTaken) this.#forgetPast(question.since);
    return this.report(since);
  }

  report(since: number): Answer {
    this.#current();
    const all = [...this.#past, ...this.#accounts.values()];
    const usage = all.filter(({ version }) => version > since).map((account) => account.said());
    const { instance } = this.#options;
    return { instance, version: this.#version, sequence: this.#sequence, isLastWord: this.#isOver, usage };
  }

  /** Nothing is spent any more. Resolves when that has been told, or nobody asks. */
  async close(): Promise<void> {
    this.#isOver = true;
    for (const account of this.#accounts.values()) account.wake();
    this.#hurry();
    if (this.#askedAt === undefined || !this.isHeard || this.#version === 0) return;
    const timer = setTimeout(() => this.#answered.resolve(), LAST_WORDS);
    await this.#answered.promise;
    clearTimeout(timer);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves at the next thing that cannot wait. */
  get urgent(): Promise<void> {
    return this.#urgent.promise;
  }

  #hurry(): void {
    this.#urgent.resolve();
    this.#urgent = Promise.withResolvers<void>();
  }

  async #news(gone: AbortSignal): Promise<void> {
    const waited = Promise.withResolvers<void>();
    const timer = setTimeout(waited.resolve, LONGEST_ANSWER);
    gone.addEventListener("abort", () => waited.resolve(), { once: true });
    await Promise.race([this.#urgent.promise, waited.promise]);
    clearTimeout(timer);
  }

  /** Somebody waits of whom the asker does not know. */
  #isWaitedFor(since: number): boolean {
    for (const account of this.#accounts.values()) if (account.version > since && account.said().need > 0) return true;
    return false;
  }

  #current(): Map<string, Account> {
    const now = this.#options.clock();
    if (now < this.#monthEnds && this.#month !== "") return this.#accounts;
    this.#monthEnds = endOfMonth(now);
    const month = monthOf(now);
    if (month !== this.#month) {
      for (const account of this.#accounts.values()) account.wake();
      this.#past = [...this.#past, ...this.#accounts.values()].slice(-MOST_PAST);
      this.#accounts = new Map();
      this.#month = month;
    }
    return this.#accounts;
  }

  /** What the asker knows of months that are over. */
  #forgetPast(since: number): void {
    if (this.#past.length > 0) {
      this.#past = this.#past.filter((account) => account.version > since || !account.isIdle);
    }
  }
}
