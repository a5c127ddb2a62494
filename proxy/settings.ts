/** What may a gateway be told that is not an object of the cluster? */

export interface GatewaySettings {
  readonly limits: LimitSettings;
  readonly egress: EgressSettings;
  /** Where this proxy runs: a name of the operator's choice. */
  readonly location: string;
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
