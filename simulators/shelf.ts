/** What does the simulated provider hold for its callers, and for how many? */

import type { Batch } from "./operations/batches.ts";
import type { Spoken } from "./operations/chat-audio.ts";
import type { Container } from "./operations/containers.ts";
import type { Conversation } from "./operations/conversations.ts";
import type { TrainingJob } from "./operations/fine-tuning.ts";
import type { StoredResponse } from "./operations/response-shape.ts";
import type { StoredCompletion } from "./operations/stored-completions.ts";
import type { Upload } from "./operations/uploads.ts";
import type { VectorStore } from "./operations/vector-store-shape.ts";

const MOST_KEPT = 1_000;
const MOST_SHELVES = 200;
const MOST_FILE_BYTES = 256 * 1024 * 1024;

export interface StoredFile {
  readonly id: string;
  readonly filename: string;
  readonly purpose: string;
  readonly content: Buffer;
  /** Unix seconds. */
  readonly createdAt: number;
  /** Unix seconds. */
  readonly expiresAt?: number;
}

/** In order of making; the oldest goes when there are too many, or too much with `sizeOf`. */
export class Drawer<T> {
  readonly #kept = new Map<string, T>();
  readonly #sizeOf: (value: T) => number;
  #size = 0;

  constructor(sizeOf: (value: T) => number = () => 0) {
    this.#sizeOf = sizeOf;
  }

  get(id: string): T | undefined {
    return this.#kept.get(id);
  }

  has(id: string): boolean {
    return this.#kept.has(id);
  }

  /** Oldest first. */
  values(): readonly T[] {
    return [...this.#kept.values()];
  }

  put(id: string, value: T): void {
    const replaced = this.#kept.get(id);
    this.#size += this.#sizeOf(value) - (replaced === undefined ? 0 : this.#sizeOf(replaced));
    this.#kept.set(id, value);
    while (this.#kept.size > 1 && (this.#kept.size > MOST_KEPT || this.#size > MOST_FILE_BYTES)) this.#dropOldest();
  }

  delete(id: string): boolean {
    const value = this.#kept.get(id);
    if (value === undefined) return false;
    this.#size -= this.#sizeOf(value);
    return this.#kept.delete(id);
  }

  #dropOldest(): void {
    const oldest = this.#kept.keys().next();
    if (!oldest.done) this.delete(oldest.value);
  }
}

/** All that belongs to one account (OpenAI) or one resource (Azure). */
export class Shelf {
  readonly files = new Drawer<StoredFile>((file) => file.content.length);
  readonly uploads = new Drawer<Upload>((upload) => upload.bytes);
  readonly responses = new Drawer<StoredResponse>();
  readonly conversations = new Drawer<Conversation>();
  readonly completions = new Drawer<StoredCompletion>();
  readonly spoken = new Drawer<Spoken>();
  readonly batches = new Drawer<Batch>();
  readonly jobs = new Drawer<TrainingJob>();
  readonly vectorStores = new Drawer<VectorStore>();
  readonly containers = new Drawer<Container>();
}

/** One shelf an owner: nothing that one of them holds can be seen by another. */
export class Shelves {
  readonly #byOwner = new Map<string, Shelf>();

  of(owner: string): Shelf {
    let shelf = this.#byOwner.get(owner);
    if (!shelf) {
      shelf = new Shelf();
      const oldest = this.#byOwner.keys().next();
      if (this.#byOwner.size >= MOST_SHELVES && !oldest.done) this.#byOwner.delete(oldest.value);
      this.#byOwner.set(owner, shelf);
    }
    return shelf;
  }

  reset(): void {
    this.#byOwner.clear();
  }
}
