/** Which files and responses does the simulated provider hold for its callers? */

export interface StoredFile {
  readonly id: string;
  readonly filename: string;
  readonly purpose: string;
  readonly content: Buffer;
  /** Unix seconds. */
  readonly createdAt: number;
}

const MOST_KEPT = 1_000;

/** In memory, per simulator; the oldest goes when it is full. */
export class Shelf {
  readonly files = new Map<string, StoredFile>();
  readonly responses = new Map<string, object>();

  putFile(file: StoredFile): void {
    dropOldest(this.files);
    this.files.set(file.id, file);
  }

  putResponse(id: string, response: object): void {
    dropOldest(this.responses);
    this.responses.set(id, response);
  }

  reset(): void {
    this.files.clear();
    this.responses.clear();
  }
}

function dropOldest(kept: Map<string, unknown>): void {
  if (kept.size < MOST_KEPT) return;
  const oldest = kept.keys().next();
  if (!oldest.done) kept.delete(oldest.value);
}
