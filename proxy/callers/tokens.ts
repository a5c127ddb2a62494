/**
 * What does a token say of its bearer?
 *
 * A JWT of the operator's identity provider, verified with its public keys. It adds a fact about the caller and lets nobody
 * in. A token that does not hold is no statement at all, so its request is refused: it was sent to say where data may go.
 */
import { hash } from "node:crypto";
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey, jwtVerify } from "jose";
import { GatewayError } from "../errors.ts";
import type { TokenSettings } from "../settings.ts";
import type { KeysLine } from "./keys-line.ts";

/** Public keys only: what verifies must not be able to sign. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
/** Seconds by which clocks may differ. */
const CLOCK_TOLERANCE = 30;
const LONGEST_TOKEN = 16_384;
/** Tokens whose claim is remembered. */
const KEPT = 4096;

interface Known {
  readonly claim: string | undefined;
  /** Unix seconds. */
  readonly until: number;
}

export class Tokens {
  readonly #settings: TokenSettings;
  readonly #keys: JWTVerifyGetKey;
  /** By the token's hash. */
  readonly #known = new Map<string, Known>();

  constructor(settings: TokenSettings, line: KeysLine) {
    this.#settings = settings;
    this.#keys = createRemoteJWKSet(new URL(settings.jwksURL), { [customFetch]: line.fetch });
  }

  /** The claim's text; undefined: the token does not say. Throws or rejects with a GatewayError. */
  claimOf(value: string): string | undefined | Promise<string | undefined> {
    const token = value.replace(/^Bearer +/i, "");
    if (token.length > LONGEST_TOKEN) throw this.#refused("it is too long");
    const id = hash("sha256", token, "base64");
    const known = this.#known.get(id);
    if (known && known.until > Date.now() / 1000) return known.claim;
    this.#known.delete(id);
    return this.#verify(token, id);
  }

  async #verify(token: string, id: string): Promise<string | undefined> {
    const { issuer, audience, residencyClaim } = this.#settings;
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE,
        requiredClaims: ["exp"],
      });
      const claim = textOf(payload[residencyClaim]);
      const oldest = this.#known.keys().next();
      if (this.#known.size >= KEPT && !oldest.done) this.#known.delete(oldest.value);
      this.#known.set(id, { claim, until: (payload.exp as number) + CLOCK_TOLERANCE });
      return claim;
    } catch (error) {
      // The issuer's keys could not be had: nothing is wrong with the token.
      if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout || isFetch(error)) {
        const message = `Where the caller belongs cannot be verified now: the keys of '${issuer}' cannot be had. Ask again in a moment.`;
        throw new GatewayError("caller_unverified", message, { cause: error });
      }
      throw this.#refused(REASONS[error.code] ?? "it does not verify");
    }
  }

  #refused(why: string): GatewayError {
    const message = `The token in the header '${this.#settings.header}' is not one that says where the caller belongs: ${why}. Send a valid one, or none.`;
    return new GatewayError("invalid_caller_token", message);
  }
}

/** By jose's codes; never its own words, which repeat what the token holds. */
const REASONS: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: "it has expired",
  ERR_JWT_CLAIM_VALIDATION_FAILED: "its issuer, audience or time is not the right one",
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: "its signature does not verify",
  ERR_JWKS_NO_MATCHING_KEY: "its issuer has no such key",
  ERR_JOSE_ALG_NOT_ALLOWED: "its algorithm is not allowed",
  ERR_JWS_INVALID: "it is not a signed JWT",
  ERR_JWT_INVALID: "it is not a JWT",
};

/** jose's plain error: the answer of the keys' address was not one with keys. */
function isFetch(error: InstanceType<typeof errors.JOSEError>): boolean {
  return error.code === "ERR_JOSE_GENERIC" || error.code === "ERR_JWKS_INVALID";
}

/** Anything that is not a text is shown to be no zone. */
function textOf(claim: unknown): string | undefined {
  return claim === undefined || claim === null ? undefined : typeof claim === "string" ? claim : JSON.stringify(claim);
}
