/** Which files of which stores have words in common with a question? */

import type { Shelf, StoredFile } from "../shelf.ts";
import type { VectorStoreFile } from "./vector-store-shape.ts";

const SHOWN_CHARACTERS = 400;

export interface Found {
  readonly file: StoredFile;
  /** 0 to 1: the part of the question's words that the file has. */
  readonly score: number;
  readonly text: string;
  readonly attributes: VectorStoreFile["attributes"];
}

/** Best first. Files that are still being read, or are gone, are not found. */
export function searchStores(shelf: Shelf, storeIds: readonly string[], question: string): readonly Found[] {
  const asked = wordsOf(question);
  const found = storeIds
    .flatMap((id) => shelf.vectorStores.get(id)?.files.values() ?? [])
    .flatMap((entry) => {
      const file = shelf.files.get(entry.id);
      return file && entry.status === "completed" ? [judge(file, entry, asked)] : [];
    });
  return found.filter(({ score }) => score > 0).sort((one, other) => other.score - one.score);
}

function judge(file: StoredFile, entry: VectorStoreFile, asked: ReadonlySet<string>): Found {
  const text = file.content.toString();
  const known = wordsOf(text);
  const common = [...asked].filter((word) => known.has(word)).length;
  const score = asked.size === 0 ? 0 : common / asked.size;
  return { file, score, text: text.slice(0, SHOWN_CHARACTERS), attributes: entry.attributes };
}

function wordsOf(text: string): ReadonlySet<string> {
  return new Set(text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []);
}
