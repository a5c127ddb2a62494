/** How do the ids of answers look? */

import { randomBytes } from "node:crypto";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const RANDOM_LENGTH = 18;
const COUNTER_LENGTH = 11;
const HEX_COUNTER_LENGTH = 8;

/** Random once per process, counted after: unique without a system call per answer. */
const base62Prefix = Array.from(randomBytes(RANDOM_LENGTH), (byte) => ALPHABET[byte % ALPHABET.length]).join("");
const hexPrefix = randomBytes(12).toString("hex");
let counted = 0;

/** `chatcmpl-` and the like: the prefix and 29 letters or digits. */
export function newId(prefix: string): string {
  counted += 1;
  return prefix + base62Prefix + counted.toString(36).padStart(COUNTER_LENGTH, "0");
}

/** 32 hexadecimal digits, as in `req_…`. */
export function newHexId(prefix: string): string {
  counted += 1;
  return prefix + hexPrefix + counted.toString(16).padStart(HEX_COUNTER_LENGTH, "0");
}

export function newUuid(): string {
  const hex = newHexId("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}
