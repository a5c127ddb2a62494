/**
 * Which authorization has each provider, and what of it outlives a table?
 *
 * Sources of tokens are kept while some provider of the table in force has the same settings. A source whose secret was
 * replaced hands its token on to the provider's next one, so that a rotation, even a wrong one, fails no request.
 */
import type { Credentials } from "../../routing/secrets.ts";
import type { CredentialVersion, EntraAuth, ObjectKey, Provider } from "../../routing/table.ts";
import { dialectOf } from "../dialects/dialects.ts";
import type { Connections, Endpoint } from "../upstream/connections.ts";
import { perProvider } from "../upstream/per-provider.ts";
import type { Environment } from "../upstream/proxy-choice.ts";
import { type Authorization, KeyAuthorization, NOTHING } from "./authorization.ts";
import { fetchToken, type Proof } from "./entra.ts";
import { type TokenError, TokenSource, type TokenStatus } from "./token-source.ts";

export interface FailedFetch {
  /** Those that use the token. */
  readonly providers: readonly ObjectKey[];
  readonly authority: string;
  readonly error: TokenError;
  /** Unix milliseconds: the last token serves until then; undefined: there is none. */
  readonly validUntil: number | undefined;
}

export interface AuthorizationsOptions {
  readonly connections: Connections;
  /** Where AZURE_FEDERATED_TOKEN_FILE is read. */
  readonly env: Environment;
  readonly rng?: () => number;
  readonly onFailure?: (failed: FailedFetch) => void;
  /** These have a token again. */
  readonly onRecovery?: (providers: readonly ObjectKey[]) => void;
}

export interface ProviderToken extends TokenStatus {
  readonly provider: ObjectKey;
}

const CONNECT_TIMEOUT_MS = 5_000;

/** What one token is for, and how it is got. */
const identityOf = perProvider((auth: EntraAuth) => JSON.stringify([...applicationOf(auth), proofOf(auth)]));

function applicationOf({ authority, tenantID, clientID, scope }: EntraAuth): readonly string[] {
  return [authority, tenantID, clientID, scope];
}

function proofOf({ clientSecret, workloadIdentity }: EntraAuth): CredentialVersion | boolean | undefined {
  return clientSecret ?? workloadIdentity;
}

/** A source and the providers of the table in force that use it. */
interface Kept {
  readonly source: TokenSource;
  readonly auth: EntraAuth;
  users: readonly ObjectKey[];
}

export class Authorizations {
  readonly #options: AuthorizationsOptions;
  readonly #kept = new Map<string, Kept>();
  #live: ReadonlyMap<ObjectKey, Kept> = new Map();

  constructor(options: AuthorizationsOptions) {
    this.#options = options;
  }

  /** The same source for the same settings. */
  of(provider: Provider, credentials: Credentials): Authorization {
    const { auth } = provider;
    if (auth.kind === "EntraID") return this.#keptFor(auth, credentials)?.source ?? NOTHING;
    const key = credentials.get(auth.credential);
    return key ? new KeyAuthorization(dialectOf(provider).auth(key)) : NOTHING;
  }

  /** Call when a table with these providers has come into force: fetches what they need, forgets what they do not. */
  adopt(providers: readonly Provider[], credentials: Credentials): void {
    const before = this.#live;
    const live = new Map<ObjectKey, Kept>();
    const fresh = new Set<Kept>();
    for (const { key, auth } of providers) {
      if (auth.kind !== "EntraID") continue;
      const kept = this.#keptFor(auth, credentials);
      if (!kept) continue;
      if (kept.users.length === 0) fresh.add(kept);
      live.set(key, kept);
    }
    this.#live = live;
    this.#assignUsers();
    for (const kept of fresh) kept.source.start(predecessorOf(kept, before));
    for (const [identity, kept] of this.#kept) {
      if (kept.users.length > 0) continue;
      kept.source.stop();
      this.#kept.delete(identity);
    }
  }

  /** Of the providers of the table in force that have one. */
  status(): readonly ProviderToken[] {
    return Array.from(this.#live, ([provider, { source }]) => ({ provider, ...source.status() }));
  }

  close(): void {
    for (const { source } of this.#kept.values()) source.stop();
  }

  #assignUsers(): void {
    for (const kept of this.#kept.values()) kept.users = [];
    for (const [key, kept] of this.#live) kept.users = [...kept.users, key];
  }

  #keptFor(auth: EntraAuth, credentials: Credentials): Kept | undefined {
    const identity = identityOf(auth);
    const known = this.#kept.get(identity);
    if (known) return known;
    const proof = this.#proofFor(auth, credentials);
    if (!proof) return undefined;
    const made = this.#make(auth, proof);
    this.#kept.set(identity, made);
    return made;
  }

  #proofFor({ clientSecret }: EntraAuth, credentials: Credentials): Proof | undefined {
    if (clientSecret === undefined) return { tokenFile: this.#options.env.AZURE_FEDERATED_TOKEN_FILE };
    const value = credentials.get(clientSecret);
    return value && { clientSecret: value };
  }

  #make(auth: EntraAuth, proof: Proof): Kept {
    const { connections, rng = Math.random, onFailure, onRecovery } = this.#options;
    const endpoint: Endpoint = {
      key: auth.authority,
      endpoint: auth.authority,
      timeouts: { connect: CONNECT_TIMEOUT_MS },
    };
    const dispatcher = connections.dispatcherFor(endpoint, new Map());
    const source = new TokenSource({
      fetch: () => fetchToken(auth, proof, dispatcher),
      now: Date.now,
      rng,
      onFailure: (error, validUntil) =>
        onFailure?.({ providers: kept.users, authority: auth.authority, error, validUntil }),
      onRecovery: () => onRecovery?.(kept.users),
    });
    const kept: Kept = { source, auth, users: [] };
    return kept;
  }
}

/**
 * What one of its providers used before for the same application. Only from secret to secret: a workload identity's token
 * goes to Azure's own hosts, which the table holds of no provider with a client secret.
 */
function predecessorOf({ users, auth }: Kept, before: ReadonlyMap<ObjectKey, Kept>): TokenSource | undefined {
  if (auth.clientSecret === undefined) return undefined;
  const application = applicationOf(auth).join("\n");
  const [found] = users
    .flatMap((key) => before.get(key) ?? [])
    .filter((old) => old.auth.clientSecret !== undefined && applicationOf(old.auth).join("\n") === application);
  return found?.source;
}
