/**
 * How does this proxy talk to the server that counts for all of them? (Redis 6 or Valkey, `settings.sharedState`)
 *
 * The one place that knows ioredis. Nothing is queued for a server that is away, and nothing waits for it longer than
 * `PATIENCE`. Whoever comes back to it says hello first: what it has forgotten is brought back before it decides again.
 */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import type { Redacted } from "../../routing/secrets.ts";
import type { Limited, Totals, Untold } from "./client-limiter.ts";
import { BRING, CORRECT, HELLO, NEWS, TAKE } from "./scripts.ts";

/** Milliseconds. A request waits no longer for the server. */
const PATIENCE = 100;
const CONNECT_TIMEOUT = 1000;
const LONGEST_RETRY = 500;
/** Between two looks at a server that does not answer. */
const LOOK_EVERY = 250;
/** A connection on which nothing came for so long is made anew. */
const DEAD_AFTER = 3000;
/**
 * In a life that has just begun proxies keep to their shares for so long: until then all of them have come back, each
 * trying at least twice a second, and brought what they know.
 */
const SETTLING = 2000;
/** How long the place of a proxy that died stays taken; the living renew theirs three times as often. */
const LEASE = 15_000;
/**
 * Between two questions for what others have taken: who has not served a client lately would know nothing of it when
 * the server goes away.
 */
const NEWS_EVERY = 100;
const MOST_NEWS = 1000;
/** Places in one message. */
const MOST_PLACES = 1000;

const PREFIX = "{tandem}:";
const WHAT: Readonly<Record<number, Limited>> = { 1: "requests", 2: "tokens", 3: "concurrent" };

export interface SharedStateOptions {
  /** `redis://` or `rediss://`. */
  readonly url: Redacted;
  /** Where these differ from the documented ones. */
  readonly patience?: number;
  readonly lease?: number;
}

export interface Limits {
  readonly requests: number | undefined;
  readonly tokens: number | undefined;
  readonly concurrent: number | undefined;
}

export interface Told extends Totals {
  /** Absent: it was let pass. */
  readonly refused?: Limited;
  readonly slot: number;
  readonly life: string;
}

/** What the server is told of, and who follows what it says. */
export interface Followers {
  /** Of every client of which something is known here; `all`: the server has forgotten everything. */
  untold(all: boolean): Iterable<readonly [client: string, untold: Untold]>;
  notTold(client: string, untold: Untold): void;
  /** From now on, the server decides for all. */
  follow(): void;
  observe(client: string, told: Totals): void;
  /** The places in use of each client that has some. */
  places(): Iterable<readonly [client: string, places: Iterable<string>]>;
  onChange(connected: boolean, problem: string): void;
}

type Scripts = Record<
  "hello" | "take" | "correct" | "bring" | "news",
  (...args: (string | number)[]) => Promise<unknown>
>;

export class SharedState {
  /** When this was last different. Unix milliseconds. */
  since = Date.now();
  readonly #url: Redacted;
  readonly #followers: Followers;
  readonly #lease: number;
  readonly #patience: number;
  /** That it is away was told. */
  #complained = false;
  #redis: (Redis & Scripts) | undefined;
  /** The server's present life, as far as it was told of everything. */
  #life = "";
  #state: "away" | "settling" | "exact" = "away";
  #joining = false;
  /** By the server's clock: what was taken before is known. */
  #newsAt = 0;
  #isAsking = false;
  #settled: NodeJS.Timeout | undefined;
  readonly #timers: NodeJS.Timeout[] = [];
  #closed = false;

  constructor({ url, lease = LEASE, patience = PATIENCE }: SharedStateOptions, followers: Followers) {
    this.#url = url;
    this.#lease = lease;
    this.#patience = patience;
    this.#followers = followers;
  }

  /** It decides; otherwise shares apply. */
  get isExact(): boolean {
    return this.#state === "exact";
  }

  get connected(): boolean {
    return this.#state !== "away";
  }

  /** Loaded only where there is one: ioredis costs a start time and memory. */
  async start(): Promise<void> {
    const { Redis: Client } = await import("ioredis");
    if (this.#closed) return;
    const redis = new Client(this.#url.reveal(), {
      lazyConnect: true,
      protocol: 2,
      connectTimeout: CONNECT_TIMEOUT,
      socketTimeout: DEAD_AFTER,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (times) => Math.min(times * 50, LONGEST_RETRY),
      connectionName: "tandem",
      scripts: {
        hello: { lua: HELLO, numberOfKeys: 1 },
        take: { lua: TAKE, numberOfKeys: 4 },
        news: { lua: NEWS, numberOfKeys: 2 },
        correct: { lua: CORRECT, numberOfKeys: 2 },
        bring: { lua: BRING, numberOfKeys: 3 },
      },
    }) as Redis & Scripts;
    this.#redis = redis;
    redis.on("error", (error: Error) => this.#lost(reasonOf(error)));
    redis.on("close", () => this.#lost("the connection was closed"));
    redis.on("ready", () => void this.#join());
    redis.connect().catch(() => undefined);
    this.#timers.push(setInterval(() => this.#look(), LOOK_EVERY).unref());
    this.#timers.push(setInterval(() => this.#renew(), this.#lease / 3).unref());
    this.#timers.push(setInterval(() => void this.#askNews(), NEWS_EVERY).unref());
  }

  /** Undefined: it did not say in time. What it took then is given back. */
  async take(client: string, limits: Limits, tokens: number, place: string): Promise<Told | undefined> {
    const redis = this.#redis;
    const life = this.#life;
    if (!redis || this.#state !== "exact") return undefined;
    const answer = redis.take(
      ...this.#keys(client),
      `${PREFIX}${life}:recent`,
      life,
      limits.requests ?? -1,
      limits.tokens ?? -1,
      limits.concurrent ?? -1,
      tokens,
      place,
      this.#lease,
      client,
    ) as Promise<number[]>;
    const told = await within(this.#patience, answer);
    if (told === undefined) {
      this.#lost("no answer in time");
      answer.then(
        ([code, , , slot = -1]) => {
          if (code !== 0) return;
          this.correct(client, { slot, life }, -1, -tokens);
          this.leave(client, place);
        },
        () => undefined,
      );
      return undefined;
    }
    const [code = -1, requests = 0, taken = 0, slot = -1] = told;
    if (code === -1) {
      this.#lost("it was emptied");
      return undefined;
    }
    const refused = WHAT[code];
    return { ...(refused && { refused }), requests, tokens: taken, slot, life };
  }

  /** In the background: more or less was taken than was told. False: it cannot be told now. */
  correct(
    client: string,
    at: { readonly slot: number; readonly life: string },
    requests: number,
    tokens: number,
  ): boolean {
    const redis = this.#redis;
    // What it took in another life was told anew with all the rest, or is gone.
    if (!redis || at.life !== this.#life || redis.status !== "ready") return false;
    const [life, counts] = this.#keys(client);
    ignore(redis.correct(life, counts, at.life, at.slot, requests, tokens));
    return true;
  }

  /** In the background. If it cannot be told, the place comes back when its lease ends. */
  leave(client: string, place: string): void {
    const redis = this.#redis;
    if (redis?.status === "ready") ignore(redis.zrem(this.#keys(client)[2], place));
  }

  /** The same of what was taken so many slots ago, by whichever clock. */
  correctLately(client: string, age: number, tokens: number): boolean {
    return this.isExact && this.correct(client, { slot: -1 - age, life: this.#life }, 0, tokens);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#settled);
    for (const timer of this.#timers) clearInterval(timer);
    this.#redis?.disconnect();
  }

  #keys(client: string): [string, string, string] {
    const here = `${PREFIX}${this.#life}:`;
    return [`${PREFIX}life`, `${here}counts:${client}`, `${here}places:${client}`];
  }

  /** It is there, perhaps again: what it does not know is told, and after a while it decides. */
  async #join(): Promise<void> {
    const redis = this.#redis;
    if (!redis || this.#joining || this.#state !== "away" || this.#closed) return;
    this.#joining = true;
    try {
      const hello = redis.hello(`${PREFIX}life`, randomUUID()) as Promise<[string, number]>;
      const told = await within(this.#patience, hello);
      if (told === undefined || this.#closed) return;
      const [life, age] = told;
      const isAnother = life !== this.#life;
      const isFirst = this.#life === "";
      this.#life = life;
      this.#newsAt = 0;
      this.#become("settling", "");
      this.#tell(isAnother);
      // Who comes to a running count for the first time has nothing to wait for.
      const left = isFirst || isAnother ? SETTLING - age : LONGEST_RETRY;
      if (left <= 0) this.#decide();
      else this.#settled = setTimeout(() => this.#decide(), left);
    } finally {
      this.#joining = false;
    }
  }

  #decide(): void {
    if (this.#state !== "settling") return;
    const followed = this.#tell(false);
    this.#followers.follow();
    // What is asked from now on is asked behind what was told.
    this.#become("exact", "");
    for (const [client, answer] of followed) {
      answer.then(
        ([requests, tokens]) => {
          if (requests >= 0 && this.isExact) this.#followers.observe(client, { requests, tokens });
        },
        () => undefined,
      );
    }
  }

  #tell(all: boolean): [client: string, answer: Promise<[number, number]>][] {
    const redis = this.#redis;
    const answers: [string, Promise<[number, number]>][] = [];
    if (!redis) return answers;
    for (const [client, untold] of this.#followers.untold(all)) {
      const entries = merged(untold);
      const [first = [], ...more] = inParts(untold.places);
      const keys = this.#keys(client);
      const answer = redis.bring(...keys, this.#life, this.#lease, entries.length / 3, ...entries, ...first);
      answer.catch(() => this.#followers.notTold(client, untold));
      for (const places of more) ignore(redis.bring(...keys, this.#life, this.#lease, 0, ...places));
      answers.push([client, answer as Promise<[number, number]>]);
    }
    return answers;
  }

  #lost(problem: string): void {
    if (this.#closed) return;
    clearTimeout(this.#settled);
    if (this.#state !== "away") this.#become("away", problem);
    else if (!this.#complained) this.#followers.onChange(false, problem);
    this.#complained = true;
  }

  #become(state: "away" | "settling" | "exact", problem: string): void {
    const was = this.connected;
    this.#state = state;
    this.#complained = false;
    if (was === this.connected) return;
    this.since = Date.now();
    this.#followers.onChange(this.connected, problem);
  }

  /** A server that is connected and silent is asked again and again. */
  #look(): void {
    const redis = this.#redis;
    if (redis?.status === "ready" && this.#state === "away") void this.#join();
  }

  async #askNews(): Promise<void> {
    const redis = this.#redis;
    if (redis?.status !== "ready" || this.#state !== "exact" || this.#isAsking) return;
    this.#isAsking = true;
    const life = this.#life;
    const here = `${PREFIX}${life}:`;
    const asked = redis.news(`${PREFIX}life`, `${here}recent`, life, this.#newsAt, MOST_NEWS, `${here}counts:`);
    const news = (await asked.catch(() => undefined)) as (string | number)[] | undefined;
    this.#isAsking = false;
    if (news === undefined || life !== this.#life || news[0] === -1) return;
    this.#newsAt = Number(news[0]);
    if (!this.isExact) return;
    for (let i = 1; i + 2 < news.length; i += 3) {
      this.#followers.observe(String(news[i]), { requests: Number(news[i + 1]), tokens: Number(news[i + 2]) });
    }
  }

  #renew(): void {
    const redis = this.#redis;
    if (redis?.status !== "ready" || this.#life === "") return;
    for (const [client, places] of this.#followers.places()) {
      for (const part of inParts([...places])) {
        ignore(redis.bring(...this.#keys(client), this.#life, this.#lease, 0, ...part));
      }
    }
  }
}

function ignore(answer: Promise<unknown>): void {
  answer.catch(() => undefined);
}

/** Undefined: not in time, or not at all. */
function within<T>(milliseconds: number, answer: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    // What has come while this process was busy is read first.
    const timer = setTimeout(() => setImmediate(resolve, undefined), milliseconds);
    const end = (value: T | undefined) => {
      clearTimeout(timer);
      resolve(value);
    };
    answer.then(end, () => end(undefined));
  });
}

/** A code: a message may have the address in it. Of the server's own errors their first word is one. */
function reasonOf(error: NodeJS.ErrnoException): string {
  return error.code ?? (error.name === "ReplyError" ? error.message.split(" ", 1).join() : error.name);
}

/** Flat: age, requests, tokens. */
function merged({ requests, tokens }: Untold): number[] {
  const byAge = new Map<number, [number, number]>();
  for (const { age, amount } of requests) byAge.set(age, [amount, 0]);
  for (const { age, amount } of tokens) byAge.set(age, [byAge.get(age)?.[0] ?? 0, amount]);
  return [...byAge].flatMap(([age, [taken, used]]) => [age, taken, used]);
}

function inParts(places: readonly string[]): string[][] {
  const parts: string[][] = [];
  for (let i = 0; i < places.length; i += MOST_PLACES) parts.push(places.slice(i, i + MOST_PLACES));
  return parts;
}
