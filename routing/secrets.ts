/**
 * How are secret values kept out of everything but the request that needs them?
 *
 * The compiler sees `SecretFacts`: whether a key exists and is usable, and an opaque version. Values live in
 * `Credentials`, wrapped in `Redacted`, which prints `[redacted]` wherever it ends up.
 */
import { createHmac } from "node:crypto";
import type { CredentialVersion } from "./table.ts";

const REDACTED = "[redacted]";
const inspect = Symbol.for("nodejs.util.inspect.custom");

/** A value that does not print. `reveal()` is called only where bytes leave for the provider. */
export class Redacted {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return REDACTED;
  }
  toJSON(): string {
    return REDACTED;
  }
  [inspect](): string {
    return REDACTED;
  }
}

/** What somebody else wrote, who may repeat a secret that was sent. */
export function withoutSecret(text: string, secret: string | undefined): string {
  return secret === undefined || secret === "" ? text : text.replaceAll(secret, REDACTED);
}

/** Values by their version: what travels beside a table. */
export type Credentials = ReadonlyMap<CredentialVersion, Redacted>;

export type SecretState = "Usable" | "Empty" | "Placeholder";

export interface SecretKeyFacts {
  readonly state: SecretState;
  readonly version: CredentialVersion;
  /** HMAC-SHA-256 of the value under the pepper, lower-case hex: how a client's key stands in the table. */
  readonly hmac: string;
  /** Printable ASCII without spaces: what can be sent as a key in a header. A certificate is not. */
  readonly isToken: boolean;
  /** Length of the value in characters: a short client key gets a warning. */
  readonly length: number;
}

/** What the compiler may know of one Secret. */
export interface SecretFacts {
  readonly namespace: string;
  readonly name: string;
  readonly keys: Readonly<Record<string, SecretKeyFacts>>;
}

export interface SecretValues {
  readonly namespace: string;
  readonly name: string;
  readonly values: Readonly<Record<string, Redacted>>;
}

const TOKEN = /^[\x21-\x7e]+$/;
const PLACEHOLDER = /^\s*\$\{[^}]*\}\s*$/;

/** HMAC-SHA-256 in lower-case hex. */
export function hmacOf(pepper: Redacted, value: string): string {
  return createHmac("sha256", pepper.reveal()).update(value).digest("hex");
}

/** The facts of a Secret, and its usable values by version. Trailing line ends of a value are not part of it. */
export function describeSecret(
  secret: SecretValues,
  pepper: Redacted,
): { facts: SecretFacts; credentials: [CredentialVersion, Redacted][] } {
  const keys: Record<string, SecretKeyFacts> = {};
  const credentials: [CredentialVersion, Redacted][] = [];
  for (const [key, redacted] of Object.entries(secret.values)) {
    const value = redacted.reveal().replace(/[\r\n]+$/, "");
    const state = value.trim() === "" ? "Empty" : PLACEHOLDER.test(value) ? "Placeholder" : "Usable";
    const version = hmacOf(pepper, `version\n${secret.namespace}/${secret.name}/${key}\n${value}`).slice(0, 32);
    keys[key] = { state, version, hmac: hmacOf(pepper, value), isToken: TOKEN.test(value), length: value.length };
    if (state === "Usable") credentials.push([version, new Redacted(value)]);
  }
  return { facts: { namespace: secret.namespace, name: secret.name, keys }, credentials };
}
