/**
 * What does a proxy serve that starts while the API server is away?
 *
 * The last good table, kept in a folder that outlives the container (an emptyDir), with the companion Secret that the
 * kubelet mounted: secrets are never written here. A shard is a file under its name; the index is written last.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { IndexData } from "../kube/table-objects.ts";
import { credentialsIn, type Identity, identityIn, pepperVersion } from "../routing/companion.ts";
import { type Published, readIndex } from "../routing/published.ts";
import type { Credentials } from "../routing/secrets.ts";
import type { Logger } from "./telemetry/log.ts";

export interface LastGoodTable {
  readonly published: Published;
  readonly identity: Identity;
  readonly credentials: Credentials;
  readonly keptAt: Date;
}

const INDEX_FILE = "index.json";
const SHARD_FILE = /^tandem-table-[0-9a-f]+$/;

interface Kept extends Pick<IndexData, "index" | "pepper"> {
  readonly keptAt: string;
}

export class LastGood {
  readonly #folder: string;
  readonly #companion: string;
  readonly #log: Logger;
  #writing: Promise<void> = Promise.resolve();

  /** `companion`: where the Secret is mounted, a file a key. */
  constructor(folder: string, companion: string, log: Logger) {
    this.#folder = folder;
    this.#companion = companion;
    this.#log = log;
  }

  /** `shards`: those that are new. Never rejects. */
  keep(data: IndexData, shards: Readonly<Record<string, string>>): Promise<void> {
    this.#writing = this.#writing
      .then(() => this.#write(data, shards))
      .catch((error: unknown) => {
        this.#log.warn({ err: error }, "the table in force could not be kept for a restart");
      });
    return this.#writing;
  }

  /** Undefined when nothing was kept or its Secret is not mounted. Rejects when what is there cannot be read. */
  async read(): Promise<LastGoodTable | undefined> {
    const [text, data] = await Promise.all([this.#readOrNothing(join(this.#folder, INDEX_FILE)), this.#mounted()]);
    const identity = identityIn({ data });
    if (text === undefined || identity === undefined) return undefined;
    const { index, pepper, keptAt } = JSON.parse(text) as Kept;
    if (pepperVersion(identity.pepper) !== pepper) return undefined;
    const { hash, refs } = readIndex(index);
    const shards = await Promise.all(
      refs.map(async ({ name }) => [name, await readFile(join(this.#folder, name), "utf8")] as const),
    );
    const published = { index, hash, shards: Object.fromEntries(shards) };
    return { published, identity, credentials: credentialsIn({ data }), keptAt: new Date(keptAt) };
  }

  async #write({ index, pepper }: IndexData, shards: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    for (const [name, text] of Object.entries(shards)) await writeFile(join(this.#folder, name), text);
    const draft = join(this.#folder, `.${INDEX_FILE}`);
    const kept: Kept = { index, pepper, keptAt: new Date().toISOString() };
    await writeFile(draft, JSON.stringify(kept));
    await rename(draft, join(this.#folder, INDEX_FILE));
    const used = new Set(readIndex(index).refs.map(({ name }) => name));
    for (const name of await readdir(this.#folder)) {
      if (SHARD_FILE.test(name) && !used.has(name)) await rm(join(this.#folder, name), { force: true });
    }
  }

  /** As the Secret's `data`. The kubelet's own files begin with two dots. */
  async #mounted(): Promise<Record<string, string>> {
    const names = await readdir(this.#companion).catch(() => []);
    const files = await Promise.all(
      names
        .filter((name) => !name.startsWith(".."))
        .map(async (name) => [name, await this.#readOrNothing(join(this.#companion, name))] as const),
    );
    return Object.fromEntries(
      files.flatMap(([name, value]) => (value === undefined ? [] : [[name, Buffer.from(value).toString("base64")]])),
    );
  }

  async #readOrNothing(file: string): Promise<string | undefined> {
    return await readFile(file, "utf8").catch(() => undefined);
  }
}
