/**
 * Over which Node agent does a piped request reach its provider?
 *
 * The same rules as for the requests of the attempt loop: `--connect-to`, the egress guard on the resolved address,
 * the provider's own CA, forward proxies. http-proxy-middleware speaks through Node's http module, so they are said
 * here once more in its terms.
 */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";
import type { Credentials } from "../routing/secrets.ts";
import type { Provider } from "../routing/table.ts";
import type { EgressSettings } from "./settings.ts";
import type { EgressError } from "./upstream/connect-error.ts";
import { EgressGuard } from "./upstream/egress.ts";
import { type Environment, forwardProxyFor } from "./upstream/proxy-choice.ts";

export interface AgentsOptions {
  readonly egress: EgressSettings;
  /** From `host` or `host:port` to the URL that is connected to instead. */
  readonly connectTo: ReadonlyMap<string, string>;
  /** Where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read. */
  readonly env?: Environment;
}

/** How one provider is reached. */
export interface Way {
  /** Scheme, host and port to connect to. */
  readonly origin: URL;
  /** As the provider's endpoint names it: for the Host header. */
  readonly host: string;
  readonly agent: HttpAgent;
  /** The endpoint is an address that requests may not go to. */
  readonly refused: EgressError | undefined;
}

/** Ways kept; a deleted provider's is replaced in time. */
const MAX_WAYS = 256;
/** Milliseconds: below the idle timeouts of both providers' front ends. */
const IDLE_SOCKET_MS = 30_000;
const MAX_IDLE_SOCKETS = 64;

export class Agents {
  readonly #options: AgentsOptions;
  readonly #guard: EgressGuard;
  readonly #ways = new Map<string, Way>();

  constructor(options: AgentsOptions) {
    this.#options = options;
    this.#guard = new EgressGuard(options.egress);
  }

  /** Throws when the proxy's URL cannot be read. */
  wayTo(provider: Provider, credentials: Credentials): Way {
    const key = `${provider.endpoint} ${provider.tls?.ca ?? ""}`;
    const known = this.#ways.get(key);
    if (known) return known;
    const way = this.#open(provider, credentials);
    const oldest = this.#ways.keys().next();
    if (this.#ways.size >= MAX_WAYS && !oldest.done) {
      this.#ways.get(oldest.value)?.agent.destroy();
      this.#ways.delete(oldest.value);
    }
    this.#ways.set(key, way);
    return way;
  }

  /** Breaks off what is in flight. */
  close(): void {
    for (const { agent } of this.#ways.values()) agent.destroy();
    this.#ways.clear();
  }

  #open(provider: Provider, credentials: Credentials): Way {
    const endpoint = new URL(provider.endpoint);
    const { host } = endpoint;
    const replaced = this.#options.connectTo.get(host) ?? this.#options.connectTo.get(endpoint.hostname);
    const origin = new URL(replaced ?? endpoint.origin);
    const proxy = replaced
      ? undefined
      : forwardProxyFor(origin, this.#options.egress.proxyURL, this.#options.env ?? {});
    const ca = provider.tls && credentials.get(provider.tls.ca)?.reveal();
    const options = {
      keepAlive: true,
      maxFreeSockets: MAX_IDLE_SOCKETS,
      timeout: IDLE_SOCKET_MS,
      // A proxy resolves the provider's name itself; its own address is the operator's choice.
      ...(replaced || proxy ? {} : { lookup: this.#guard.lookup() }),
      ...(proxy ? { proxyEnv: { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } } : {}),
      ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
    };
    const agent = origin.protocol === "https:" ? new HttpsAgent(options) : new HttpAgent(options);
    return { origin, host, agent, refused: replaced ? undefined : this.#refusal(endpoint) };
  }

  /** An address in the endpoint itself is never looked up, so that the guard has to see it here. */
  #refusal(endpoint: URL): EgressError | undefined {
    const address = endpoint.hostname.replace(/^\[|\]$/g, "");
    return isIP(address) === 0 ? undefined : this.#guard.check(address, address);
  }
}
