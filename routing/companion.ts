/**
 * What stands in the companion Secret?
 *
 * The pepper of the clients' keys, the token of the proxies' admin port, the keys that sign ids, and the values of the
 * credentials that the tables in use name by version. Made once; whatever else happens to it is put right from memory.
 */
import { createHash, createHmac } from "node:crypto";
import { type Credentials, Redacted } from "./secrets.ts";
import type { CredentialVersion, ProviderAuth, RoutingTable } from "./table.ts";

const PEPPER = "pepper";
const ADMIN_TOKEN = "admin-token";
const ID_KEY = "id-key";
const PREVIOUS_ID_KEY = "id-key-previous";
const ID_KEY_ROTATION = "id-key-rotation";
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
  /** Sign ids of things at providers: the first signs, a second one is the one before, still good to read. */
  readonly idKeys: readonly Redacted[];
  /** What was asked for when the first of them was made: asked for something else, the next one is. */
  readonly idKeyRotation?: string | undefined;
}

/** Undefined when the Secret lacks a part. */
export function identityIn(secret: StoredSecret | undefined): Identity | undefined {
  const pepper = valueIn(secret, PEPPER);
  const adminToken = valueIn(secret, ADMIN_TOKEN);
  if (!pepper || !adminToken) return undefined;
  const idKeys = [valueIn(secret, ID_KEY) ?? firstIDKey(pepper), valueIn(secret, PREVIOUS_ID_KEY)];
  return {
    pepper,
    adminToken,
    idKeys: idKeys.filter((key) => key !== undefined),
    idKeyRotation: valueIn(secret, ID_KEY_ROTATION)?.reveal(),
  };
}

/** Before the first rotation: operator and proxies agree on it also while one of them is of an older release. */
export function firstIDKey(pepper: Redacted): Redacted {
  return new Redacted(createHmac("sha256", pepper.reveal()).update("id key").digest("base64url"));
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

/** The versions that proxies need to run this table: providers' keys, client secrets and authorities, tokens of judges. Callers' keys stand in it as HMACs. */
export function versionsNeeded(table: RoutingTable): readonly CredentialVersion[] {
  const providers = Object.values(table.providers);
  const ofProviders = providers.flatMap(({ auth, tls }) => [...versionsOf(auth), ...(tls ? [tls.ca] : [])]);
  const ofJudges = table.routes.map(({ shadow }) => shadow?.judge?.credential).filter((one) => one !== undefined);
  return [...new Set([...ofProviders, ...ofJudges])];
}

function versionsOf(auth: ProviderAuth): readonly CredentialVersion[] {
  if (auth.kind === "ApiKey") return [auth.credential];
  return auth.clientSecret === undefined ? [] : [auth.clientSecret];
}

/** Whether the second holds no other keys for ids, and no other value for any of these versions, than the first. */
export function sameValues(
  one: StoredSecret | undefined,
  other: StoredSecret | undefined,
  versions: readonly CredentialVersion[],
): boolean {
  if ([ID_KEY, PREVIOUS_ID_KEY].some((key) => one?.data?.[key] !== other?.data?.[key])) return false;
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
    ...idKeyData(identity, encode),
    ...Object.fromEntries(
      versions.map((version) => [CREDENTIAL + version, encode(credentials.get(version) as Redacted)]),
    ),
  };
}

function idKeyData({ idKeys, idKeyRotation }: Identity, encode: (value: Redacted) => string): Record<string, string> {
  const [current, previous] = idKeys;
  return {
    ...(current && { [ID_KEY]: encode(current) }),
    ...(previous && { [PREVIOUS_ID_KEY]: encode(previous) }),
    ...(idKeyRotation !== undefined && { [ID_KEY_ROTATION]: encode(new Redacted(idKeyRotation)) }),
  };
}

function valueIn(secret: StoredSecret | undefined, key: string): Redacted | undefined {
  const value = secret?.data?.[key];
  return value ? new Redacted(Buffer.from(value, "base64").toString("utf8")) : undefined;
}
