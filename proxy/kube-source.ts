/**
 * Which table did the operator publish last?
 *
 * Watches the index and the companion Secret by their names, fetches the shards that are new, and puts a table in force
 * when all that it needs is there: nothing is ever half new. What cannot be used leaves the last good table in force.
 */
import type { KubeClient } from "../kube/client.ts";
import type { IndexData } from "../kube/table-objects.ts";
import { identityIn, type StoredSecret } from "../routing/companion.ts";
import { type Published, readIndex, TableError } from "../routing/published.ts";
import type { Redacted } from "../routing/secrets.ts";
import { besideTable, type InForce, isSame, NotYet } from "./complete.ts";
import type { Gateway } from "./gateway.ts";
import type { LastGood } from "./last-good.ts";
import { PublishedObjects, type Release } from "./published-objects.ts";
import { Shards } from "./shards.ts";
import type { Logger } from "./telemetry/log.ts";
import type { AppliedTable } from "./telemetry/telemetry.ts";

export interface KubeSourceOptions {
  readonly client: KubeClient;
  readonly release: Release;
  readonly gateway: Gateway;
  readonly log: Logger;
  /** Undefined: a restart needs the API server. */
  readonly lastGood: LastGood | undefined;
  /** The token of the admin port, now and whenever it changes. */
  onAdminToken(token: Redacted): void;
}

/** As `/status` shows it. */
export interface SourceStatus {
  /** ISO 8601: when the API server last said anything about the index; null: never. */
  readonly lastContact: string | null;
  /** Whether the table in force came from the state folder, and the API server has not named it yet. */
  readonly isLastGood: boolean;
  /** Why the newest table is not in force; null: it is, as far as is known. */
  readonly problem: string | null;
}

/** Milliseconds until what was kept is served, when nothing could be put in force at the start. */
const START_PATIENCE = 2_000;
/** Milliseconds: what waits for longer is told as a refusal. Secret and index come one by one. */
const PATIENCE = 2_000;
const FIRST_RETRY = 500;
const LAST_RETRY = 30_000;
const CONFIRM_INTERVAL = 1_000;

export class KubeSource {
  readonly #options: KubeSourceOptions;
  readonly #objects: PublishedObjects;
  readonly #shards: Shards;
  /** Resolves when something is in force, or nothing will be. */
  readonly #begun = Promise.withResolvers<void>();
  #inForce: InForce | undefined;
  #isLastGood = false;
  /** The index's data when it was found to be in force. */
  #confirmed: IndexData | undefined;
  #confirmedAt = 0;
  #running: Promise<void> | undefined;
  #again = false;
  #reading: Promise<void> = Promise.resolve();
  #failures = 0;
  #problem: { readonly message: string; readonly since: number } | undefined;
  #told: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  #confirming: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: KubeSourceOptions) {
    const { client, log, release } = options;
    this.#options = options;
    this.#shards = new Shards(client, release);
    this.#objects = new PublishedObjects({ client, log, release, onChange: () => this.#onChange() });
  }

  /** Resolves when something is in force, or nothing can be for now. */
  async start(): Promise<void> {
    this.#objects.start();
    this.#confirming = setInterval(() => this.#confirm(), CONFIRM_INTERVAL).unref();
    const timer = setTimeout(() => void this.#serveLastGood().finally(this.#begun.resolve), START_PATIENCE);
    await this.#begun.promise;
    clearTimeout(timer);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearInterval(this.#confirming);
    this.#begun.resolve();
    await Promise.all([this.#objects.stop(), this.#running, this.#reading]);
    await this.#options.lastGood?.close();
  }

  status(): SourceStatus {
    const { lastContact } = this.#objects;
    return {
      lastContact: lastContact === 0 ? null : new Date(lastContact).toISOString(),
      isLastGood: this.#isLastGood,
      problem: this.#problem?.message ?? null,
    };
  }

  #onChange(): void {
    this.#takeAdminToken(this.#objects.secret);
    this.#share(this.#objects.index);
    this.#look();
  }

  /** One look at a time; what changed meanwhile is looked at in one more. */
  #look(): void {
    if (this.#stopped) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#retry);
    this.#again = false;
    this.#running = this.#lookOnce().finally(() => {
      this.#running = undefined;
      if (this.#again) this.#look();
    });
  }

  async #lookOnce(): Promise<void> {
    const index = this.#objects.index;
    try {
      // Before the operator's first table there is nothing to do, and without an index nothing to do better.
      if (index !== undefined) await this.#apply(index);
      this.#failures = 0;
      this.#problem = undefined;
      this.#told = undefined;
    } catch (error) {
      // What has changed meanwhile is looked at now: that is the answer, not what is past.
      if (this.#again) return;
      this.#report(error, index?.index);
      const wait = Math.min(FIRST_RETRY * 2 ** this.#failures++, LAST_RETRY);
      if (!this.#stopped) this.#retry = setTimeout(() => this.#look(), wait);
    }
  }

  async #apply(data: IndexData): Promise<void> {
    const { gateway, lastGood } = this.#options;
    const { hash } = readIndex(data.index);
    if (this.#inForce === undefined || !isSame(this.#inForce, hash, data.pepper, this.#objects.secret)) {
      const shards = await this.#shards.fetch(gateway.missingShards(data.index));
      lastGood?.hold(shards);
      await this.#enforce({ index: data.index, hash, shards }, data.pepper, () => this.#objects.secret, {
        changedAt: monotonic(Date.parse(data["changed-at"])),
      });
      this.#shards.forget();
      // Nobody waits for the disk.
      lastGood?.keep(data);
    }
    this.#isLastGood = false;
    this.#confirmed = data;
    this.#confirmedAt = 0;
    this.#confirm();
  }

  /** Whoever comes first is first: an older table is never put over a newer one, and none is read beside another. */
  #enforce(
    published: Published,
    pepper: string,
    secretNow: () => StoredSecret | undefined,
    times: Pick<AppliedTable, "changedAt" | "newestAt">,
    isWanted = () => true,
  ): Promise<boolean> {
    const { gateway } = this.#options;
    const read = this.#reading.then(async () => {
      if (!isWanted()) return false;
      const prepared = await gateway.prepare(published);
      const secret = secretNow();
      const { table } = prepared.index;
      gateway.enforce(prepared, { ...besideTable(table, pepper, secret), ...times });
      this.#inForce = { hash: published.hash, table, pepper, secret };
      this.#isLastGood = times.newestAt !== undefined;
      this.#begun.resolve();
      return true;
    });
    this.#reading = read.then(
      () => {},
      () => {},
    );
    return read;
  }

  async #serveLastGood(): Promise<void> {
    const { log, lastGood } = this.#options;
    const what = "nothing came from the API server";
    try {
      const kept = await lastGood?.read();
      if (kept === undefined) return void log.warn({}, `${what}, and no last good table was kept: nothing is served`);
      const { published, pepper, secret, newestAt } = kept;
      const times = { newestAt: monotonic(newestAt.getTime()) };
      const isServed = await this.#enforce(
        published,
        pepper,
        () => secret,
        times,
        () => this.#inForce === undefined,
      );
      if (!isServed) return;
      if (this.#objects.secret === undefined) this.#takeAdminToken(secret);
      log.warn({ hash: published.hash }, `${what}: the last good table is served`);
    } catch (err) {
      log.warn({ err }, `${what}, and the last good table cannot be used: nothing is served`);
    }
  }

  #report(error: unknown, index: string | undefined): void {
    const message = sentenceOf(error);
    const since = this.#problem?.since ?? performance.now();
    this.#problem = { message, since };
    if (error instanceof TableError) this.#shards.forget();
    else if (performance.now() - since < PATIENCE) return;
    // Tried again and again, and told once.
    if (this.#told === message) return;
    this.#told = message;
    this.#options.gateway.reportConfigError({ message, hash: hashOf(index) });
  }

  /** As long as the watch hears something, what it told last is the newest. */
  #confirm(): void {
    const { lastContact, index } = this.#objects;
    if (index === undefined || index !== this.#confirmed || lastContact === this.#confirmedAt) return;
    this.#confirmedAt = lastContact;
    this.#options.gateway.confirm(monotonic(lastContact));
    this.#options.lastGood?.confirm(lastContact);
  }

  /** Each proxy fills its share of limits and commitments. */
  #share(index: IndexData | undefined): void {
    const proxies = Number(index?.proxies);
    if (Number.isSafeInteger(proxies)) this.#options.gateway.shareAmong(Math.max(1, proxies));
  }

  #takeAdminToken(secret: StoredSecret | undefined): void {
    const identity = identityIn(secret);
    if (identity !== undefined) this.#options.onAdminToken(identity.adminToken);
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof TableError || error instanceof NotYet) return error.message;
  return `The published table could not be fetched: ${(error as Error).message}`;
}

/** On the clock of `performance.now()`; undefined for what is no time. */
function monotonic(unixMs: number): number | undefined {
  return Number.isFinite(unixMs) ? performance.now() - (Date.now() - unixMs) : undefined;
}

function hashOf(index: string | undefined): string | undefined {
  try {
    return index === undefined ? undefined : readIndex(index).hash;
  } catch {
    return undefined;
  }
}
