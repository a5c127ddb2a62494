/**
 * How is one connection to a provider made: straight, to another address, or through a forward proxy?
 *
 * A connector is undici's: asked for a host, it calls back with a socket that is ready for HTTP. Whatever fails on the
 * way is a `ConnectError`.
 */

import { X509Certificate } from "node:crypto";
import type { LookupFunction, Socket } from "node:net";
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import { buildConnector, Pool } from "undici";
import { ConnectError, connectErrorOf } from "./connect-error.ts";
import { withoutBrackets } from "./egress.ts";

export type Connector = buildConnector.connector;
type Target = buildConnector.Options;
/** Calls back once; gives up when the signal says so. */
export type Step = (
  target: Target,
  callback: (error: Error | null, socket?: Socket) => void,
  signal: AbortSignal,
) => void;

/** How long one address of several is tried before the next one joins (RFC 8305); Node's own 250 ms is less than some round trips. */
const NEXT_ADDRESS_AFTER_MS = 500;

export interface SocketOptions {
  readonly lookup?: LookupFunction;
  /** Certificates trusted beside the default ones, PEM. A function, so that they are read once, when first needed. */
  readonly secureContext?: () => SecureContext;
}

/** The default certificates and these. Throws a ConnectError when the text holds no certificate. */
export function trusting(pem: string, source: string): SecureContext {
  try {
    new X509Certificate(pem);
    return createSecureContext({ ca: [...getCACertificates("default"), pem] });
  } catch (error) {
    const message = `${source} does not hold a certificate in PEM form`;
    throw new ConnectError("tls", "CA_INVALID", message, { cause: error });
  }
}

/** A TCP connection, with TLS for https. */
export function socketStep(options: SocketOptions): Step {
  let connect: Connector | undefined;
  return (target, callback, signal) => {
    connect ??= buildConnector({
      allowH2: false,
      // The deadline is kept by `connector`: undici's timer is coarse and does not see a tunnel.
      timeout: 0,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS,
      ...(options.lookup && { lookup: options.lookup }),
      ...(options.secureContext && { secureContext: options.secureContext() }),
    } as buildConnector.BuildOptions);
    // undici returns the socket, which its types do not say.
    const socket = connect(target, (error, socket) => callback(error, socket ?? undefined)) as unknown as Socket;
    signal.addEventListener("abort", () => socket.destroy());
  };
}

/** Goes to another address; Host header and TLS server name stay. */
export function redirected(step: Step, to: URL): Step {
  const address = { protocol: to.protocol, hostname: withoutBrackets(to.hostname), port: to.port };
  return (target, callback, signal) => step({ ...target, ...address }, callback, signal);
}

/** Fails at once. */
export function failing(error: Error): Step {
  return (_target, callback) => callback(error);
}

/** Through a tunnel that the proxy opens on CONNECT (RFC 9110, 9.3.6). `step` makes what goes through it. */
export function tunnelled(step: Step, proxy: URL): Step {
  const pool = new Pool(proxy.origin, { connect: connector(socketStep({}), 0), allowH2: false, headersTimeout: 0 });
  const authorization = proxyAuthorization(proxy);
  return (target, callback, signal) => {
    const authority = `${target.host?.replace(/:\d+$/, "") ?? target.hostname}:${target.port || defaultPort(target)}`;
    const headers = { host: authority, ...authorization };
    pool.connect({ path: authority, headers, signal }, (error, answer) => {
      if (error) return callback(proxyError(proxy, error instanceof ConnectError ? error.code : "no answer", error));
      if (answer.statusCode !== 200) {
        answer.socket.on("error", () => {}).destroy();
        return callback(proxyError(proxy, `it answered CONNECT with ${answer.statusCode}`));
      }
      return step({ ...target, httpSocket: answer.socket as Socket }, callback, signal);
    });
  };
}

function proxyError(proxy: URL, what: string, cause?: Error): ConnectError {
  return new ConnectError("proxy", "PROXY_FAILED", `the forward proxy ${proxy.host} gave no tunnel: ${what}`, {
    cause,
  });
}

/** What a proxy's URL with user and password makes of `proxy-authorization`. */
export function proxyAuthorization(proxy: URL): { "proxy-authorization"?: string } {
  if (proxy.username === "" && proxy.password === "") return {};
  const text = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(text).toString("base64")}` };
}

function defaultPort(target: Target): string {
  return target.protocol === "https:" ? "443" : "80";
}

/**
 * The step as undici wants it: with a deadline over everything from the name's resolution to the TLS handshake
 * (0: none), and errors that say what they are.
 */
export function connector(step: Step, timeoutMs: number): Connector {
  return (target, callback) => {
    const deadline = new AbortController();
    let done = false;
    const finish = (error: unknown, socket?: Socket): void => {
      if (done) {
        socket?.destroy();
        return;
      }
      done = true;
      clearTimeout(timer);
      if (socket) callback(null, socket);
      else callback(connectErrorOf(error, target), null);
    };
    const expire = (): void => {
      finish(new ConnectError("timeout", "CONNECT_TIMEOUT", `no connection to ${target.host} within ${timeoutMs} ms`));
      deadline.abort();
    };
    const timer = timeoutMs > 0 ? setTimeout(expire, timeoutMs) : undefined;
    // Never from inside undici's dispatch: it is not made for connectors that fail at once.
    queueMicrotask(() => {
      try {
        step(target, finish, deadline.signal);
      } catch (error) {
        finish(error);
      }
    });
  };
}
