/**
 * How does Tandem put something into a client's hands that only Tandem can read?
 *
 * What is sealed is encrypted and authenticated (AES-256-GCM, a fresh nonce each time), so a client can neither read
 * it nor change it, and every replica with the same key opens it: no database is needed.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { Redacted } from "../../routing/secrets.ts";

export interface Signer {
  /** The text is base64url: fit for a header, a path and a WebSocket subprotocol. */
  seal(payload: Buffer): string;
  /** Undefined: not sealed by one of the keys, or changed since. */
  open(text: string): Buffer | undefined;
}

const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
/** NIST SP 800-38D, 8.2: the nonce that GCM is made for. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const TEXT = /^[\w-]+$/;
/** What is longer was never sealed here. Characters. */
const LONGEST_TEXT = 4096;

/** Seals with the first key, opens with any: during a rotation there are two. Keys of 32 bytes. */
export function signerOf(keys: readonly Buffer[]): Signer {
  return {
    seal(payload) {
      const [key] = keys;
      if (!key) throw new Error("there is no key to seal with");
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, key, nonce);
      const sealed = [nonce, cipher.update(payload), cipher.final()];
      return Buffer.concat([...sealed, cipher.getAuthTag()]).toString("base64url");
    },
    open(text) {
      if (text.length > LONGEST_TEXT || !TEXT.test(text)) return undefined;
      const bytes = Buffer.from(text, "base64url");
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
      for (const key of keys) {
        const payload = opened(bytes, key);
        if (payload) return payload;
      }
      return undefined;
    },
  };
}

function opened(bytes: Buffer, key: Buffer): Buffer | undefined {
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  const payload = decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES));
  try {
    return Buffer.concat([payload, decipher.final()]);
  } catch {
    return undefined;
  }
}

/** A key of its own made of a secret that all replicas share (RFC 5869). */
export function keyFrom(secret: Redacted, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret.reveal(), "", purpose, KEY_BYTES));
}
