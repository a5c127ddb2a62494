/**
 * What went wrong before a byte of the request reached the provider?
 *
 * Everything that fails while a connection is being made is a `ConnectError`: safe to try again anywhere, and the only
 * kind of failure that counts for the whole provider.
 */

export type ConnectFailure = "dns" | "connect" | "tls" | "timeout" | "proxy" | "egress";

/**
 * `message` is one clear sentence without secrets. `code` is Node's (`ECONNREFUSED`, `ENOTFOUND`…) or one of
 * CONNECT_TIMEOUT, PROXY_FAILED, PROXY_INVALID, CA_INVALID, CA_MISSING, EGRESS_DENIED.
 */
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

/** OpenSSL's verification results and Node's own TLS errors. */
const TLS_CODE = /^(?:ERR_TLS|ERR_SSL|CERT_|CRL_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|HOSTNAME_MISMATCH|INVALID_|EPROTO)/;

/** The error that Node gave while a connection to `target` was made. */
export function connectErrorOf(error: unknown, target: { readonly host?: string; readonly hostname: string }): Error {
  if (error instanceof ConnectError) return error;
  const where = target.host ?? target.hostname;
  const code = codeOf(error);
  const cause = { cause: error };
  if ((error as NodeJS.ErrnoException).syscall?.startsWith("getaddrinfo") || code === "ENOTFOUND") {
    return new ConnectError("dns", code, `the name of ${where} could not be resolved (${code})`, cause);
  }
  if (TLS_CODE.test(code)) {
    const reason = error instanceof Error ? `${code}: ${error.message}` : code;
    return new ConnectError("tls", code, `TLS with ${where} failed (${reason})`, cause);
  }
  if (code === "ETIMEDOUT") return new ConnectError("timeout", code, `no connection to ${where} (${code})`, cause);
  return new ConnectError("connect", code, `no connection to ${where} (${code})`, cause);
}

/** Where every address of a name failed, Node joins their errors; the first code stands for all. */
function codeOf(error: unknown): string {
  const { code, errors } = error as { code?: unknown; errors?: readonly unknown[] };
  if (typeof code === "string" && code !== "") return code;
  return errors?.[0] === undefined ? "unknown error" : codeOf(errors[0]);
}
