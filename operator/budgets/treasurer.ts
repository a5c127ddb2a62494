/**
 * Who keeps the clients' budgets?
 *
 * The operator that leads. It counts what proxies say, remembers it, and only then tells them what they may spend: so no
 * restart, of whatever, makes money spendable twice.
 */
import { ApiError } from "../../kube/client.ts";
import type { Log } from "../../kube/log.ts";
import { Book, type Budget, type Usage } from "../../routing/budgets/book.ts";
import { nanoOf } from "../../routing/budgets/money.ts";
import type { Redacted } from "../../routing/secrets.ts";
import type { Client } from "../../routing/table.ts";
import { idOf, isServing, type Pod } from "../fleet.ts";
import type { Described } from "../status-writer.ts";
import { type Answer, Collector } from "./collector.ts";
import type { UsageStore } from "./usage-store.ts";

export interface TreasurerOptions {
  readonly store: UsageStore;
  readonly log: Log;
  /** All pods of proxies, whatever they do. */
  pods(): readonly Pod[];
  adminToken(): Redacted | undefined;
  /** Tandem's objects, for what their status says. */
  objects(): readonly Described[];
  isLeader(): boolean;
  /** Something was counted. */
  onCount(): void;
  /** Unix milliseconds. */
  now(): number;
}

/** Milliseconds for which counts may wait to be remembered, when nothing is told that depends on them. */
const WRITE_INTERVAL = 5_000;
const RETRY = 1_000;
const CONFLICT = 409;
const OVER = new Set(["Failed", "Succeeded"]);

export class Treasurer {
  readonly #options: TreasurerOptions;
  readonly #collectors = new Map<string, Collector>();
  /** Proxies whose last word was counted, and the pods that they are in. */
  readonly #ended = new Map<string, string>();
  #book = new Book();
  #clients: readonly Client[] = [];
  #isOpen = false;
  #term = 0;
  #writtenAt = 0;
  #round: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TreasurerOptions) {
    this.#options = options;
  }

  /** Reads the book and begins to ask. */
  begin(): void {
    this.stop();
    void this.#open(++this.#term);
  }

  /** Another operator leads, or this one ends. */
  stop(): void {
    this.#term++;
    this.#isOpen = false;
    clearTimeout(this.#timer);
    for (const collector of this.#collectors.values()) collector.stop();
    this.#collectors.clear();
  }

  /** Remembers what has been counted. */
  async close(): Promise<void> {
    if (this.#isOpen && this.#book.isDirty) await this.#write().catch(() => undefined);
    this.stop();
  }

  /** A table was published: these are its clients. */
  follow(clients: readonly Client[]): void {
    if (clients === this.#clients) return;
    this.#clients = clients;
    this.#book.setBudgets(clients);
    if (this.#isOpen) void this.#decide();
  }

  /** Pods came, went, or changed. */
  followPods(): void {
    if (!this.#isOpen) return;
    const pods = this.#options.pods().filter((pod) => !OVER.has(pod.status?.phase ?? ""));
    const there = new Set(pods.map(idOf));
    for (const [id, collector] of this.#collectors) {
      if (there.has(id)) continue;
      collector.stop();
      this.#collectors.delete(id);
    }
    for (const [instance, pod] of this.#ended) if (!there.has(pod)) this.#ended.delete(instance);
    let isNews = false;
    for (const [instance, pod] of [...this.#book.pods]) {
      if (there.has(pod)) continue;
      this.#book.end(instance, false);
      isNews = true;
    }
    for (const pod of pods) if (isAsked(pod) && !this.#collectors.has(idOf(pod))) this.#ask(pod);
    if (isNews) void this.#decide();
  }

  usage(): Usage[] {
    return this.#isOpen ? this.#book.usage() : [];
  }

  budgetOf(client: string): Budget | undefined {
    return this.#book.budgetOf(client);
  }

  /** Clients with a budget, in nano-dollars: for the metrics. */
  budgets(): { client: string; spent: number; limit: number }[] {
    return this.usage().flatMap(({ client, nanoUsd }) => {
      const budget = this.#book.budgetOf(client);
      return budget === undefined ? [] : [{ client, spent: nanoUsd, limit: budget.nanoUsd }];
    });
  }

  /** The budget's percentage that the client's owner was told last, and how it is told anew. */
  toldOf(client: string): number {
    return this.#book.toldOf(client);
  }

  tell(client: string, percent: number): void {
    this.#book.tell(client, percent);
    void this.#decide();
  }

  async #open(term: number): Promise<void> {
    try {
      const texts = await this.#options.store.read();
      if (term !== this.#term) return;
      const book = new Book();
      const now = this.#options.now();
      book.setBudgets(this.#clients);
      book.read(texts, now);
      for (const object of this.#options.objects()) recall(book, object, now);
      this.#book = book;
      this.#isOpen = true;
      this.followPods();
      this.#options.onCount();
    } catch (err) {
      if (term !== this.#term) return;
      this.#options.log.error({ err }, "the usage of clients cannot be read: no budget is handed out");
      this.#timer = setTimeout(() => void this.#open(term), RETRY);
    }
  }

  #ask(pod: Pod): void {
    const { adminToken, isLeader } = this.#options;
    const collector = new Collector({
      pod,
      adminToken,
      grants: (instance) => this.#book.grantsFor(instance),
      onSend: (instance, grants) => {
        if (!isLeader()) throw new Error("another operator leads");
        this.#book.sent(instance, grants);
      },
      onAnswer: (answer) => this.#take(idOf(pod), answer),
      onEnd: (instance) => {
        this.#book.end(instance, false);
        void this.#decide();
      },
    });
    this.#collectors.set(idOf(pod), collector);
  }

  async #take(pod: string, answer: Answer): Promise<void> {
    const { instance, usage, isLastWord } = answer;
    if (this.#ended.has(instance)) return pause(RETRY);
    this.#book.take(instance, pod, usage, this.#options.now());
    if (isLastWord) {
      this.#book.end(instance, true);
      this.#ended.set(instance, pod);
    }
    if (usage.length > 0) this.#options.onCount();
    await this.#decide();
  }

  /** Resolves when all that is known now has been decided upon. One at a time. */
  #decide(): Promise<void> {
    if (this.#round === undefined) {
      this.#round = this.#decideOnce().finally(() => {
        this.#round = undefined;
      });
      return this.#round;
    }
    this.#next ??= this.#round.then(() => {
      this.#next = undefined;
      return this.#decide();
    });
    return this.#next;
  }

  async #decideOnce(): Promise<void> {
    if (!this.#isOpen) return;
    const isMore = this.#book.divide(this.#options.now());
    clearTimeout(this.#timer);
    if (this.#book.isDirty) {
      const wait = isMore ? 0 : this.#writtenAt + WRITE_INTERVAL - performance.now();
      if (wait <= 0) await this.#write().catch((error: unknown) => this.#onFailure(error));
      else this.#timer = setTimeout(() => void this.#decide(), wait);
    }
    for (const collector of this.#collectors.values()) collector.wake();
  }

  async #write(): Promise<void> {
    const book = this.#book;
    const pages = book.pages();
    this.#writtenAt = performance.now();
    try {
      await this.#options.store.write(pages);
      book.written(pages);
    } catch (error) {
      book.failed(pages);
      throw error;
    }
  }

  #onFailure(error: unknown): void {
    const { log, isLeader } = this.#options;
    if (!isLeader()) return;
    if (error instanceof ApiError && error.status === CONFLICT) {
      // Somebody else has written: what stands there counts.
      this.begin();
      return;
    }
    log.warn({ err: error }, "the usage of clients could not be written: no more of their budgets is handed out");
    this.#timer = setTimeout(() => void this.#decide(), RETRY);
  }
}

/** Also one that is not ready: what it spent counts. */
function isAsked(pod: Pod): boolean {
  return isServing(pod) || (pod.status?.phase === "Running" && (pod.status.podIP ?? "") !== "");
}

/** The status is the memory that remains when nothing else does. */
function recall(book: Book, { kind, metadata, status }: Described, now: number): void {
  if (kind !== "AIClient") return;
  const { month, usd, requests, tokens } = (status?.usage ?? {}) as Partial<Record<string, unknown>>;
  if (typeof month !== "string" || typeof usd !== "string") return;
  const sum = { nanoUsd: nanoOf(usd), requests: Number(requests ?? 0), tokens: Number(tokens ?? 0) };
  if (Object.values(sum).every(Number.isFinite)) book.recall(`${metadata.namespace}/${metadata.name}`, month, sum, now);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
