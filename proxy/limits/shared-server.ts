/**
 * How does this proxy talk to the server that counts for all of them? (Redis 6 or Valkey, `settings.sharedState`)
 *
 * The one place that knows ioredis, and the names of keys. Nothing is queued for a server that is away. What is known of
 * clients belongs to a life of the server, and is gone with it.
 */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import type { Redacted } from "../../routing/secrets.ts";
import type { Untold } from "./client-limiter.ts";
import { BRING, CORRECT, HELLO, NEWS, TAKE } from "./scripts.ts";

/** Milliseconds. */
const CONNECT_TIMEOUT = 1000;
/** Between two tries to connect. */
export const LONGEST_RETRY = 500;
/** A connection on which nothing came for so long is made anew. */
const DEAD_AFTER = 3000;
const MOST_NEWS = 1000;
/** Places in one message. */
const MOST_PLACES = 1000;

const PREFIX = "{tandem}:";
const LIFE = `${PREFIX}life`;

export interface Limits {
  readonly requests: number | undefined;
  readonly tokens: number | undefined;
  readonly concurrent: number | undefined;
}

/** Who hears of the connection. */
export interface Watcher {
  ready(): void;
  /** `problem` has no address in it. */
  lost(problem: string): void;
}

type Scripts = Record<
  "hello" | "take" | "correct" | "bring" | "news",
  (...args: (string | number)[]) => Promise<unknown>
>;

/** Not connected yet. Loaded only where there is one: ioredis costs a start time and memory. */
export async function openServer(url: Redacted, lease: number, watcher: Watcher): Promise<SharedServer> {
  const { Redis: Client } = await import("ioredis");
  const redis = new Client(url.reveal(), {
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
  redis.on("error", (error: Error) => watcher.lost(reasonOf(error)));
  redis.on("close", () => watcher.lost("the connection was closed"));
  redis.on("ready", () => watcher.ready());
  return new SharedServer(redis, lease);
}

/** Promises reject when the server is away. */
export class SharedServer {
  readonly #redis: Redis & Scripts;
  readonly #lease: number;

  /** `lease`: milliseconds for which a place stays taken that nobody renews. */
  constructor(redis: Redis & Scripts, lease: number) {
    this.#redis = redis;
    this.#lease = lease;
  }

  /** From now on, and again and again. */
  connect(): void {
    this.#redis.connect().catch(() => undefined);
  }

  get isReady(): boolean {
    return this.#redis.status === "ready";
  }

  /** Its life, and milliseconds since that began. */
  hello(): Promise<[life: string, age: number]> {
    return this.#redis.hello(LIFE, randomUUID()) as Promise<[string, number]>;
  }

  /** Why not (0: taken, -1: in another life), requests and tokens within the minute, and the slot. */
  take(life: string, client: string, limits: Limits, tokens: number, place: string): Promise<number[]> {
    return this.#redis.take(
      ...keysOf(life, client),
      recentOf(life),
      life,
      limits.requests ?? -1,
      limits.tokens ?? -1,
      limits.concurrent ?? -1,
      tokens,
      place,
      this.#lease,
      client,
    ) as Promise<number[]>;
  }

  /** In the background. */
  correct(life: string, client: string, slot: number, requests: number, tokens: number): void {
    const [current, counts] = keysOf(life, client);
    ignore(this.#redis.correct(current, counts, life, slot, requests, tokens));
  }

  /** In the background. */
  leave(life: string, client: string, place: string): void {
    ignore(this.#redis.zrem(keysOf(life, client)[2], place));
  }

  /** Tells what was taken of it, and what is in use. Requests and tokens within the minute; less than 0: in another life. */
  bring(life: string, client: string, untold: Untold): Promise<[requests: number, tokens: number]> {
    const entries = merged(untold);
    const [first = [], ...more] = inParts(untold.places);
    const keys = keysOf(life, client);
    const answer = this.#redis.bring(...keys, life, this.#lease, entries.length / 3, ...entries, ...first);
    for (const places of more) ignore(this.#redis.bring(...keys, life, this.#lease, 0, ...places));
    return answer as Promise<[number, number]>;
  }

  /** In the background. */
  renew(life: string, client: string, places: readonly string[]): void {
    for (const part of inParts(places)) {
      ignore(this.#redis.bring(...keysOf(life, client), life, this.#lease, 0, ...part));
    }
  }

  /** Its time (-1: in another life), then client, requests and tokens of each that has taken something since. */
  news(life: string, since: number): Promise<(string | number)[]> {
    const asked = this.#redis.news(LIFE, recentOf(life), life, since, MOST_NEWS, `${PREFIX}${life}:counts:`);
    return asked as Promise<(string | number)[]>;
  }

  close(): void {
    this.#redis.disconnect();
  }
}

function keysOf(life: string, client: string): [life: string, counts: string, places: string] {
  const here = `${PREFIX}${life}:`;
  return [LIFE, `${here}counts:${client}`, `${here}places:${client}`];
}

function recentOf(life: string): string {
  return `${PREFIX}${life}:recent`;
}

function ignore(answer: Promise<unknown>): void {
  answer.catch(() => undefined);
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
