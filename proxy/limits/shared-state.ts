/**
 * Does the server that counts for all proxies decide now, and what has it to be told before?
 *
 * Nothing waits for it longer than `PATIENCE`. Whoever comes back to it says hello first: what it has forgotten is brought
 * back before it decides again.
 */
import type { Redacted } from "../../routing/secrets.ts";
import type { Limited, Totals, Untold } from "./client-limiter.ts";
import { type Limits, LONGEST_RETRY, openServer, type SharedServer } from "./shared-server.ts";

/** Milliseconds. A request waits no longer for the server. */
const PATIENCE = 100;
/** Between two looks at a server that does not answer. */
const LOOK_EVERY = 250;
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

const WHAT: Readonly<Record<number, Limited>> = { 1: "requests", 2: "tokens", 3: "concurrent" };

export interface SharedStateOptions {
  /** `redis://` or `rediss://`. */
  readonly url: Redacted;
  /** Where these differ from the documented ones. */
  readonly patience?: number;
  readonly lease?: number;
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

export class SharedState {
  /** When this was last different. Unix milliseconds. */
  since = Date.now();
  readonly #url: Redacted;
  readonly #followers: Followers;
  readonly #lease: number;
  readonly #patience: number;
  /** That it is away was told. */
  #complained = false;
  #server: SharedServer | undefined;
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

  async start(): Promise<void> {
    const server = await openServer(this.#url, this.#lease, {
      ready: () => void this.#join(),
      lost: (problem) => this.#lost(problem),
    });
    if (this.#closed) return;
    this.#server = server;
    server.connect();
    this.#timers.push(setInterval(() => this.#look(), LOOK_EVERY).unref());
    this.#timers.push(setInterval(() => this.#renew(), this.#lease / 3).unref());
    this.#timers.push(setInterval(() => void this.#askNews(), NEWS_EVERY).unref());
  }

  /** Undefined: it did not say in time. What it took then is given back. */
  async take(client: string, limits: Limits, tokens: number, place: string): Promise<Told | undefined> {
    const server = this.#server;
    const life = this.#life;
    if (!server || this.#state !== "exact") return undefined;
    const answer = server.take(life, client, limits, tokens, place);
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
    // What it took in another life was told anew with all the rest, or is gone.
    if (!this.#server?.isReady || at.life !== this.#life) return false;
    this.#server.correct(at.life, client, at.slot, requests, tokens);
    return true;
  }

  /** In the background. If it cannot be told, the place comes back when its lease ends. */
  leave(client: string, place: string): void {
    if (this.#server?.isReady) this.#server.leave(this.#life, client, place);
  }

  /** The same of what was taken so many slots ago, by whichever clock. */
  correctLately(client: string, age: number, tokens: number): boolean {
    return this.isExact && this.correct(client, { slot: -1 - age, life: this.#life }, 0, tokens);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#settled);
    for (const timer of this.#timers) clearInterval(timer);
    this.#server?.close();
  }

  /** It is there, perhaps again: what it does not know is told, and after a while it decides. */
  async #join(): Promise<void> {
    const server = this.#server;
    if (!server || this.#joining || this.#state !== "away" || this.#closed) return;
    this.#joining = true;
    try {
      const told = await within(this.#patience, server.hello());
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
    const server = this.#server;
    const answers: [string, Promise<[number, number]>][] = [];
    if (!server) return answers;
    for (const [client, untold] of this.#followers.untold(all)) {
      const answer = server.bring(this.#life, client, untold);
      answer.catch(() => this.#followers.notTold(client, untold));
      answers.push([client, answer]);
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
    if (this.#server?.isReady && this.#state === "away") void this.#join();
  }

  async #askNews(): Promise<void> {
    const server = this.#server;
    if (!server?.isReady || this.#state !== "exact" || this.#isAsking) return;
    this.#isAsking = true;
    const life = this.#life;
    const news = await server.news(life, this.#newsAt).catch(() => undefined);
    this.#isAsking = false;
    if (news === undefined || life !== this.#life || news[0] === -1) return;
    this.#newsAt = Number(news[0]);
    if (!this.isExact) return;
    for (let i = 1; i + 2 < news.length; i += 3) {
      this.#followers.observe(String(news[i]), { requests: Number(news[i + 1]), tokens: Number(news[i + 2]) });
    }
  }

  #renew(): void {
    const server = this.#server;
    if (!server?.isReady || this.#life === "") return;
    for (const [client, places] of this.#followers.places()) server.renew(this.#life, client, [...places]);
  }
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
