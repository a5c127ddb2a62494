/**
 * Which table did the operator publish last?
 *
 * Watches the index and the companion Secret by their names, fetches the shards that are new, and puts a table in force
 * when all that it needs is there: nothing is ever half new. What cannot be used leaves the last good table in force.
 */
import { ApiError, type KubeClient } from "../kube/client.ts";
import type { KubeObject } from "../kube/objects.ts";
import { Reflector } from "../kube/reflector.ts";
import {
  type ConfigMap,
  companionName,
  type IndexData,
  indexName,
  SHARD_KEY,
  shardObjectName,
} from "../kube/table-objects.ts";
import { credentialsIn, identityIn, pepperVersion, versionsNeeded } from "../routing/companion.ts";
import { readIndex, TableError } from "../routing/published.ts";
import type { Redacted } from "../routing/secrets.ts";
import type { Gateway } from "./gateway.ts";
import type { LastGood } from "./last-good.ts";
import type { Logger } from "./telemetry/log.ts";

interface Secret extends KubeObject {
  /** Values in base64. */
  readonly data?: Readonly<Record<string, string>>;
}

export interface KubeSourceOptions {
  readonly client: KubeClient;
  readonly release: { readonly name: string; readonly namespace: string };
  readonly gateway: Gateway;
  readonly log: Logger;
  /** Undefined: a restart needs the API server. */
  readonly lastGood: LastGood | undefined;
  /** The token of the admin port, now and whenever it changes. */
  onAdminToken(token: Redacted): void;
}

/** Milliseconds until what is kept here is served instead, when the API server does not answer at the start. */
const START_PATIENCE = 2_000;
/** Milliseconds: what is missing for longer than this is told. */
const PATIENCE = 5_000;
const FIRST_RETRY = 500;
const LAST_RETRY = 30_000;
const CONFIRM_INTERVAL = 5_000;
const PARALLEL_FETCHES = 8;
const NOT_FOUND = 404;

/** Something belongs to this table that has not come yet. */
class NotYet extends Error {
  override readonly name = "NotYet";
}

export class KubeSource {
  readonly #options: KubeSourceOptions;
  readonly #index: Reflector<ConfigMap>;
  readonly #companion: Reflector<Secret>;
  /** Fetched for a table that is not in force yet. */
  #fetched: Record<string, string> = {};
  /** Of the table in force. */
  #applied: { readonly hash: string; readonly pepper: string } | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #failures = 0;
  #waitingSince: number | undefined;
  #retry: NodeJS.Timeout | undefined;
  #confirming: NodeJS.Timeout | undefined;
  #confirmedAt = 0;
  #stopped = false;

  constructor(options: KubeSourceOptions) {
    const { client, log, release } = options;
    const own = `/api/v1/namespaces/${release.namespace}`;
    const onChange = () => this.#converge();
    this.#options = options;
    this.#index = new Reflector<ConfigMap>({
      ...{ client, log, onChange },
      path: `${own}/configmaps`,
      fieldSelector: `metadata.name=${indexName(release.name)}`,
    });
    this.#companion = new Reflector<Secret>({
      ...{ client, log, onChange },
      path: `${own}/secrets`,
      fieldSelector: `metadata.name=${companionName(release.name)}`,
    });
  }

  /** Resolves when it is known what is to be served first, be it nothing yet. */
  async start(): Promise<void> {
    const synced = Promise.all(
      [this.#index, this.#companion].map((reflector) => {
        reflector.start();
        return reflector.whenSynced();
      }),
    );
    this.#confirming = setInterval(() => this.#confirm(), CONFIRM_INTERVAL).unref();
    const patience = Promise.withResolvers<"silent">();
    const timer = setTimeout(() => patience.resolve("silent"), START_PATIENCE);
    const answered = await Promise.race([synced, patience.promise]);
    clearTimeout(timer);
    if (answered === "silent" && this.#applied === undefined) await this.#serveLastGood();
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearInterval(this.#confirming);
    await Promise.all([this.#index.stop(), this.#companion.stop(), this.#running]);
  }

  /** One at a time; what changed meanwhile is looked at in one more. */
  #converge(): void {
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#retry);
    this.#again = false;
    this.#running = this.#convergeOnce().finally(() => {
      this.#running = undefined;
      if (this.#again && !this.#stopped) this.#converge();
    });
  }

  async #convergeOnce(): Promise<void> {
    try {
      await this.#apply();
      this.#failures = 0;
      this.#waitingSince = undefined;
    } catch (error) {
      this.#report(error);
      const wait = Math.min(FIRST_RETRY * 2 ** this.#failures++, LAST_RETRY);
      if (!this.#stopped) this.#retry = setTimeout(() => this.#converge(), wait);
    }
  }

  async #apply(): Promise<void> {
    const { gateway, release, lastGood } = this.#options;
    const secret = this.#companion.get(`${release.namespace}/${companionName(release.name)}`);
    const identity = identityIn(secret);
    if (identity !== undefined) this.#options.onAdminToken(identity.adminToken);
    const data = this.#index.get(`${release.namespace}/${indexName(release.name)}`)?.data as IndexData | undefined;
    // Before the operator's first table there is nothing to do.
    if (data?.index === undefined) return;
    const { hash } = readIndex(data.index);
    if (this.#applied?.hash === hash && this.#applied.pepper === data.pepper) {
      gateway.confirm();
      return;
    }
    await this.#fetch(gateway.missingShards(data.index));
    const shards = this.#fetched;
    const prepared = await gateway.prepare({ index: data.index, hash, shards });
    if (identity === undefined || pepperVersion(identity.pepper) !== data.pepper) {
      throw new NotYet("the companion Secret with the pepper of this table");
    }
    const credentials = credentialsIn(secret);
    const missing = versionsNeeded(prepared.index.table).filter((version) => !credentials.has(version));
    if (missing.length > 0) throw new NotYet(`${missing.length} of this table's credentials in the companion Secret`);
    const changedAt = performance.now() - (Date.now() - Date.parse(data["changed-at"]));
    gateway.enforce(prepared, {
      credentials,
      pepper: identity.pepper,
      ...(Number.isFinite(changedAt) && { changedAt }),
    });
    this.#applied = { hash, pepper: data.pepper };
    this.#fetched = {};
    // Nobody waits for the disk.
    void lastGood?.keep(data, shards);
  }

  async #fetch(names: readonly string[]): Promise<void> {
    const { client, release } = this.#options;
    const rest = names[Symbol.iterator]();
    const work = async () => {
      for (const name of rest) {
        const path = `/api/v1/namespaces/${release.namespace}/configmaps/${shardObjectName(release.name, name)}`;
        const shard = await client.request<ConfigMap>("GET", path).catch((error: unknown) => {
          // The reader says which one is missing.
          if (error instanceof ApiError && error.status === NOT_FOUND) return undefined;
          throw error;
        });
        const text = shard?.data?.[SHARD_KEY];
        if (text !== undefined) this.#fetched[name] = text;
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_FETCHES }, work));
  }

  #report(error: unknown): void {
    const { gateway, log } = this.#options;
    if (error instanceof TableError) {
      gateway.reportConfigError({ message: error.message, hash: this.#wantedHash() });
      return;
    }
    this.#waitingSince ??= performance.now();
    const isPatient = performance.now() - this.#waitingSince < PATIENCE;
    if (!(error instanceof NotYet)) log.warn({ err: error }, "the published table could not be fetched yet");
    else if (!isPatient) {
      gateway.reportConfigError({ message: `The table waits for ${error.message}.`, hash: this.#wantedHash() });
    }
  }

  #wantedHash(): string | undefined {
    const { release } = this.#options;
    const index = this.#index.get(`${release.namespace}/${indexName(release.name)}`)?.data?.index;
    try {
      return index === undefined ? undefined : readIndex(index).hash;
    } catch {
      return undefined;
    }
  }

  async #serveLastGood(): Promise<void> {
    const { gateway, log, lastGood, onAdminToken } = this.#options;
    try {
      const found = await lastGood?.read();
      if (found === undefined || this.#applied !== undefined) return;
      onAdminToken(found.identity.adminToken);
      const prepared = await gateway.prepare(found.published);
      const newestAt = performance.now() - (Date.now() - found.keptAt.getTime());
      gateway.enforce(prepared, { credentials: found.credentials, pepper: found.identity.pepper, newestAt });
      this.#applied = { hash: found.published.hash, pepper: pepperVersion(found.identity.pepper) };
      log.warn({ hash: found.published.hash }, "the API server does not answer: the last good table is served");
    } catch (error) {
      log.warn({ err: error }, "the API server does not answer, and there is no last good table to serve");
    }
  }

  /** As long as the watch hears something, the table in force is the newest one. */
  #confirm(): void {
    const { lastContact } = this.#index;
    if (lastContact === this.#confirmedAt || this.#applied?.hash !== this.#wantedHash()) return;
    this.#confirmedAt = lastContact;
    this.#options.gateway.confirm();
  }
}
