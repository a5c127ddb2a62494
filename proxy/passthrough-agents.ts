/**
 * Over which Node agent does a piped request reach its provider?
 *
 * The same rules as for the requests of the attempt loop: `--connect-to`, the egress guard on the resolved address,
 * the provider's own CA, forward proxies. http-proxy-middleware speaks through Node's http module, so they are said
 * here once more in its terms.
 */
import type { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent, type AgentOptions as HttpsAgentOptions } from "node:https";
import type { Credentials } from "../routing/secrets.ts";
import type { Provider } from "../routing/table.ts";
import { Agent } from "./node-http.ts";
import type { EgressSettings } from "./settings.ts";
import { ConnectError } from "./upstream/connect-error.ts";
import { connectedInstead } from "./upstream/connect-to.ts";
import { trusting } from "./upstream/connectors.ts";
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
  /** Why nothing may be sent this way. */
  readonly refused: ConnectError | undefined;
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
    const instead = connectedInstead(endpoint, this.#options.connectTo);
    const origin = instead ?? new URL(endpoint.origin);
    const common = { keepAlive: true, maxFreeSockets: MAX_IDLE_SOCKETS, timeout: IDLE_SOCKET_MS };
    try {
      const refused = instead ? undefined : this.#guard.checkLiteral(endpoint);
      if (refused) throw refused;
      const agent = makeAgent(origin, {
        ...common,
        ...trustOf(provider, credentials),
        ...(instead ? {} : this.#straightOrProxied(endpoint)),
      });
      return { origin, host: endpoint.host, agent, refused: undefined };
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      return { origin, host: endpoint.host, agent: makeAgent(origin, {}), refused: error };
    }
  }

  /** A proxy resolves the provider's name itself; its own address is the operator's choice. */
  #straightOrProxied(endpoint: URL): HttpsAgentOptions {
    const { egress, env } = this.#options;
    const proxy = chosenProxy(endpoint, egress.proxyURL, env ?? process.env);
    if (proxy) return { proxyEnv: { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } };
    return { lookup: this.#guard.lookup() };
  }
}

function makeAgent(origin: URL, options: HttpsAgentOptions): HttpAgent {
  return origin.protocol === "https:" ? new HttpsAgent(options) : new Agent(options);
}

function chosenProxy(url: URL, proxyURL: string, env: Environment): URL | undefined {
  try {
    return forwardProxyFor(url, proxyURL, env);
  } catch (error) {
    throw new ConnectError("proxy", "PROXY_INVALID", (error as Error).message, { cause: error });
  }
}

/** Never without the CA that the provider names: its absence would silently trust everybody's. */
function trustOf(provider: Provider, credentials: Credentials): HttpsAgentOptions {
  if (!provider.tls) return {};
  const source = `tls.caSecretRef of AIProvider ${provider.key}`;
  const ca = credentials.get(provider.tls.ca);
  if (ca === undefined) throw new ConnectError("tls", "CA_MISSING", `${source} has no value`);
  return { secureContext: trusting(ca.reveal(), source) };
}
