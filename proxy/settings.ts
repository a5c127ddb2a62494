/** What may a gateway be told that is not an object of the cluster? */
import type { Zone } from "../routing/zones.ts";

export interface GatewaySettings {
  readonly limits: LimitSettings;
  readonly egress: EgressSettings;
  /** Where this proxy runs: a name of the operator's choice. */
  readonly location: string;
  /** Where a caller belongs, when its AIClient does not say. Absent: then nothing is known of it. */
  readonly callers?: CallerSettings | undefined;
  /** Redis or Valkey, where clients' limits are counted for all proxies. Absent: each proxy has its share. */
  readonly sharedState?: SharedStateSettings | undefined;
}

export interface SharedStateSettings {
  /** Where its address stands; the chart gives it to the process as TANDEM_SHARED_STATE_URL. */
  readonly urlSecretRef: { readonly name: string; readonly key: string };
}

/** In the order in which they are asked: token, header, address. */
export interface CallerSettings {
  readonly jwt?: TokenSettings | undefined;
  /** Networks of proxies whose headers count: `residencyHeader` and X-Forwarded-For. */
  readonly trustedProxies: readonly string[];
  /** In lower case. */
  readonly residencyHeader?: string | undefined;
  /** The longest prefix that has the address says what it says. */
  readonly cidrs: readonly AddressRange[];
  /** A MaxMind database with countries. Asked for what no range says. */
  readonly maxmindPath?: string | undefined;
}

export interface AddressRange {
  readonly cidr: string;
  readonly residency?: Zone | undefined;
  readonly location?: string | undefined;
}

/** A token that says where its bearer belongs. It lets nobody in. */
export interface TokenSettings {
  /** The header with the token, in lower case; `Bearer ` in front of it is left out. */
  readonly header: string;
  readonly issuer: string;
  readonly audience: string;
  /** Where the issuer's public keys are. */
  readonly jwksURL: string;
  /** The claim with a zone or a country's code. */
  readonly residencyClaim: string;
}

/** Bytes. */
export interface LimitSettings {
  /** Largest request body. */
  readonly requestBytes: number;
  /** Kept bodies of all requests together. */
  readonly replayBytes: number;
  /** All headers of a request together. */
  readonly headerBytes: number;
}

export interface EgressSettings {
  /** Exceptions: addresses that are allowed although they are private, loopback, link-local or the cluster's. */
  readonly allowedCIDRs: readonly string[];
  /** The cluster's own ranges: never a provider's. */
  readonly clusterCIDRs: readonly string[];
  /** Empty: `HTTPS_PROXY` and `NO_PROXY` of the environment. */
  readonly proxyURL: string;
}

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;

/** What is not said. */
export const DEFAULT_SETTINGS: GatewaySettings = {
  limits: { requestBytes: 32 * MEBIBYTE, replayBytes: 256 * MEBIBYTE, headerBytes: 64 * KIBIBYTE },
  egress: { allowedCIDRs: [], clusterCIDRs: [], proxyURL: "" },
  location: "",
};
