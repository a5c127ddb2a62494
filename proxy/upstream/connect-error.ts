/**
 * What went wrong before a byte of the request reached the provider?
 *
 * Everything that fails while a connection is being made is a `ConnectError`: safe to try again anywhere, and the only
 * kind of failure that counts for the whole provider.
 */

export type ConnectFailure = "dns" | "connect" | "tls" | "timeout" | "proxy" | "egress";

/** `message` is one clear sentence without secrets; `code` is Node's or undici's (`ECONNREFUSED`, `ENOTFOUND`…). */
export class ConnectError extends Error {
  override readonly name: string = "ConnectError";
  readonly failure: ConnectFailure;
  readonly code: string;

  constructor(failure: ConnectFailure, code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.failure = failure;
    this.code = code;
  }
}

/** The address is one that the settings do not let a request go to. */
export class EgressError extends ConnectError {
  override readonly name = "EgressError";
  readonly host: string;
  readonly address: string;

  constructor(host: string, address: string, message: string) {
    super("egress", "EGRESS_DENIED", message);
    this.host = host;
    this.address = address;
  }
}
