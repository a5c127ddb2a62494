/**
 * What stands in the companion Secret?
 *
 * The pepper of the clients' keys, the token of the proxies' admin port, and the values of the credentials that the
 * tables in use name by version. Made once; whatever else happens to it is put right from memory.
 */
import { createHash } from "node:crypto";
import { type Credentials, Redacted } from "./secrets.ts";
import type { CredentialVersion, RoutingTable } from "./table.ts";

const PEPPER = "pepper";
const ADMIN_TOKEN = "admin-token";
const CREDENTIAL = "credential.";
/** Hex digits. */
const PEPPER_VERSION_LENGTH = 16;

/** Of a Secret: values in base64. */
export interface StoredSecret {
  readonly data?: Readonly<Record<string, string>> | undefined;
}

/** What is made once and kept. */
export interface Identity {
  readonly pepper: Redacted;
  readonly adminToken: Redacted;
}

/** Undefined when the Secret lacks a part. */
export function identityIn(secret: StoredSecret | undefined): Identity | undefined {
  const pepper = valueIn(secret, PEPPER);
  const adminToken = valueIn(secret, ADMIN_TOKEN);
  return pepper && adminToken && { pepper, adminToken };
}

/** Says nothing about the pepper but whether it is the same. */
export function pepperVersion(pepper: Redacted): string {
  return createHash("sha256").update(pepper.reveal()).digest("hex").slice(0, PEPPER_VERSION_LENGTH);
}

/** The versions whose values the Secret holds. */
export function versionsIn(secret: StoredSecret | undefined): ReadonlySet<CredentialVersion> {
  const keys = Object.keys(secret?.data ?? {}).filter((key) => key.startsWith(CREDENTIAL));
  return new Set(keys.map((key) => key.slice(CREDENTIAL.length)));
}

export function credentialsIn(secret: StoredSecret | undefined): Credentials {
  return new Map(
    [...versionsIn(secret)].flatMap((version) => {
      const value = valueIn(secret, CREDENTIAL + version);
      return value === undefined ? [] : [[version, value] as const];
    }),
  );
}

/** The versions that proxies need to run this table: providers' keys and authorities. Callers' keys stand in it as HMACs. */
export function versionsNeeded(table: RoutingTable): readonly CredentialVersion[] {
  const providers = Object.values(table.providers);
  return [...new Set(providers.flatMap(({ auth, tls }) => [auth.credential, ...(tls ? [tls.ca] : [])]))];
}

/** Whether the second holds no other value for any of these versions than the first. */
export function sameValues(
  one: StoredSecret | undefined,
  other: StoredSecret | undefined,
  versions: readonly CredentialVersion[],
): boolean {
  return versions.every((version) => {
    const key = CREDENTIAL + version;
    return other?.data?.[key] === undefined || one?.data?.[key] === other.data[key];
  });
}

/** The Secret's `data`. */
export function companionData(identity: Identity, credentials: Credentials): Record<string, string> {
  const encode = (value: Redacted) => Buffer.from(value.reveal()).toString("base64");
  const versions = [...credentials.keys()].sort();
  return {
    [PEPPER]: encode(identity.pepper),
    [ADMIN_TOKEN]: encode(identity.adminToken),
    ...Object.fromEntries(
      versions.map((version) => [CREDENTIAL + version, encode(credentials.get(version) as Redacted)]),
    ),
  };
}

function valueIn(secret: StoredSecret | undefined, key: string): Redacted | undefined {
  const value = secret?.data?.[key];
  return value ? new Redacted(Buffer.from(value, "base64").toString("utf8")) : undefined;
}
