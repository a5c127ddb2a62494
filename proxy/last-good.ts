/**
 * What does a proxy serve that starts while the API server is away?
 *
 * The last good table, kept in a folder that outlives the container (an emptyDir), with the companion Secret that the
 * kubelet mounted: secrets are never written here. A shard is a file under its name. The index is written last and
 * replaced whole, so what it names is there; its time says when the table was last known to be the newest.
 */
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { IndexData } from "../kube/table-objects.ts";
import type { StoredSecret } from "../routing/companion.ts";
import { type Published, readIndex } from "../routing/published.ts";
import type { Logger } from "./telemetry/log.ts";

export interface LastGoodTable {
  readonly published: Published;
  readonly pepper: string;
  /** As mounted: perhaps not all that this table needs. */
  readonly secret: StoredSecret;
  readonly newestAt: Date;
}

const INDEX_FILE = "index.json";
const SHARD_FILE = /^tandem-table-[0-9a-f]+$/;
const ONLY_MINE = 0o600;
/** Milliseconds between two notes that the table is still the newest. */
const CONFIRM_INTERVAL = 30_000;

type Kept = Pick<IndexData, "index" | "pepper">;

export class LastGood {
  readonly #folder: string;
  readonly #companion: string;
  readonly #log: Logger;
  /** Shards that are not written yet. */
  readonly #held = new Map<string, string>();
  #next: Kept | undefined;
  #writing: Promise<void> | undefined;
  #confirmedAt = 0;

  /** `companion`: where the Secret is mounted, a file a key. */
  constructor(folder: string, companion: string, log: Logger) {
    this.#folder = folder;
    this.#companion = companion;
    this.#log = log;
  }

  /** Shards that came, for this table or one after it. */
  hold(shards: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(shards)) this.#held.set(name, text);
  }

  /** This table is in force. One writer at a time; the last table wins. */
  keep({ index, pepper }: IndexData): void {
    const used = namesIn(index);
    for (const name of this.#held.keys()) if (!used.has(name)) this.#held.delete(name);
    this.#next = { index, pepper };
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** The table that was kept was still the newest then, Unix milliseconds. */
  confirm(at: number): void {
    if (this.#writing !== undefined || at - this.#confirmedAt < CONFIRM_INTERVAL) return;
    this.#confirmedAt = at;
    const seconds = at / 1000;
    // Without it the table only looks older than it is.
    utimes(join(this.#folder, INDEX_FILE), seconds, seconds).catch(() => {});
  }

  /** What is being written is written to its end. */
  async close(): Promise<void> {
    await this.#writing;
  }

  /** Undefined when nothing was kept. Rejects when what is there cannot be read. */
  async read(): Promise<LastGoodTable | undefined> {
    const file = join(this.#folder, INDEX_FILE);
    const text = await readFile(file, "utf8").catch(nothingWhenAbsent);
    if (text === undefined) return undefined;
    const { index, pepper } = JSON.parse(text) as Kept;
    const { hash, refs } = readIndex(index);
    const read = async ({ name }: { name: string }) => {
      const shard = await readFile(join(this.#folder, name), "utf8").catch(nothingWhenAbsent);
      return shard === undefined ? [] : [[name, shard] as const];
    };
    const shards = (await Promise.all(refs.map(read))).flat();
    const { mtime } = await stat(file);
    const published = { index, hash, shards: Object.fromEntries(shards) };
    return { published, pepper, secret: await this.#mounted(), newestAt: mtime };
  }

  async #write(): Promise<void> {
    while (this.#next) {
      const kept = this.#next;
      this.#next = undefined;
      await this.#replace(kept).catch((err: unknown) => {
        this.#log.warn({ err }, "the table in force could not be kept for a restart");
      });
    }
  }

  async #replace(kept: Kept): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const used = namesIn(kept.index);
    for (const [name, text] of this.#held) {
      if (!used.has(name)) continue;
      await writeFile(join(this.#folder, name), text, { mode: ONLY_MINE });
      if (this.#held.get(name) === text) this.#held.delete(name);
    }
    const there = await readdir(this.#folder);
    const lost = [...used].find((name) => !there.includes(name));
    if (lost !== undefined) throw new Error(`${lost} is gone from ${this.#folder}`);
    const draft = join(this.#folder, `.${INDEX_FILE}`);
    await writeFile(draft, JSON.stringify(kept), { mode: ONLY_MINE });
    await rename(draft, join(this.#folder, INDEX_FILE));
    for (const name of there) {
      if (SHARD_FILE.test(name) && !used.has(name)) await rm(join(this.#folder, name), { force: true });
    }
  }

  /** The kubelet's own files begin with two dots. */
  async #mounted(): Promise<StoredSecret> {
    const names = this.#companion === "" ? [] : await readdir(this.#companion).catch(() => []);
    const read = async (name: string) => {
      const value = await readFile(join(this.#companion, name)).catch(() => undefined);
      return value === undefined ? [] : [[name, value.toString("base64")] as const];
    };
    const files = await Promise.all(names.filter((name) => !name.startsWith("..")).map(read));
    return { data: Object.fromEntries(files.flat()) };
  }
}

function namesIn(index: string): ReadonlySet<string> {
  return new Set(readIndex(index).refs.map(({ name }) => name));
}

function nothingWhenAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
