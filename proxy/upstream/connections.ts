/**
 * Over which connection does a request reach its provider?
 *
 * undici is known in this folder only. Providers with the same endpoint, CA and connect timeout share their
 * connections; a reload keeps them. Redirects are never followed: undici's dispatcher does not, and nothing here does.
 */
import type { Dispatcher as Undici } from "undici";
import type { Credentials } from "../../routing/secrets.ts";
import type { Provider, Timeouts } from "../../routing/table.ts";
import type { EgressSettings } from "../settings.ts";
import { makeBackbone } from "./backbone.ts";
import type { Backbone } from "./client-pool.ts";
import { EgressGuard, type Lookup } from "./egress.ts";
import { perProvider } from "./per-provider.ts";
import type { Environment } from "./proxy-choice.ts";

/**
 * Sends requests to one provider. `dispatch` is undici's; the origin is fixed, so options need only a path. The Host
 * header must be the endpoint's, on every request: undici takes another one for another TLS server name and closes
 * the connection.
 */
export interface Dispatcher {
  dispatch(options: DispatchOptions, handler: DispatchHandler): boolean;
}
export type DispatchOptions = Undici.DispatchOptions;
export interface DispatchHandler extends Undici.DispatchHandler {
  /** Told first when the request goes over a connection that has been used: its provider may be closing it just now. */
  onUsedConnection?(): void;
}
export type DispatchController = Undici.DispatchController;

/** What connections are made to: a provider, or a token service. */
export interface Endpoint extends Pick<Provider, "key" | "endpoint" | "tls"> {
  readonly timeouts: Pick<Timeouts, "connect">;
}

export interface ConnectionsOptions {
  readonly egress: EgressSettings;
  /** From `host` or `host:port` to the URL that is connected to instead. */
  readonly connectTo: ReadonlyMap<string, string>;
  /** Where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read; the process's when absent. */
  readonly env?: Environment;
  /** `dns.lookup` when absent. */
  readonly lookup?: Lookup;
}

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #guard: EgressGuard;
  readonly #byProvider = new WeakMap<Endpoint, Link>();
  readonly #links = new Map<string, Link>();
  /** Links that hold connections, also those that only requests of an older table still use. */
  readonly #open = new Set<Link>();
  readonly #closing = new Set<Promise<void>>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#guard = new EgressGuard(options.egress);
  }

  /**
   * One look-up once the provider object has been seen. Never throws for a provider of a valid table: what is wrong
   * with it (egress, CA, proxy) fails its requests with a ConnectError.
   */
  dispatcherFor(provider: Endpoint, credentials: Credentials): Dispatcher {
    return this.#byProvider.get(provider) ?? this.#linkOf(provider, credentials);
  }

  #linkOf(provider: Endpoint, credentials: Credentials): Link {
    const key = keyOf(provider);
    const ca = provider.tls && credentials.get(provider.tls.ca);
    const link =
      this.#links.get(key) ?? new Link(key, () => makeBackbone(provider, ca, this.#options, this.#guard), this.#open);
    this.#links.set(key, link);
    this.#byProvider.set(provider, link);
    return link;
  }

  /**
   * Call when a table has come into force: closes, once their requests have ended, the connections that its providers
   * do not use. A request of an older table that comes after that opens its own again.
   */
  retire(liveProviders: Iterable<Endpoint>): void {
    const live = new Set(Array.from(liveProviders, keyOf));
    for (const key of this.#links.keys()) if (!live.has(key)) this.#links.delete(key);
    for (const link of this.#open) if (!live.has(link.key)) this.#closed(link.retire());
  }

  /** Takes no more requests and waits for those in flight. */
  async close(): Promise<void> {
    for (const link of this.#open) this.#closed(link.close());
    await Promise.all(this.#closing);
  }

  /** Breaks off what is in flight. */
  async destroy(): Promise<void> {
    await Promise.all(Array.from(this.#open, (link) => link.destroy()));
  }

  #closed(closing: Promise<void>): void {
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }
}

const keyOf = perProvider(
  ({ endpoint, tls, timeouts }: Endpoint) => `${endpoint}\n${tls?.ca ?? ""}\n${timeouts.connect}`,
);

/** What a snapshot holds of a provider's connections. They come and go behind it. */
class Link implements Dispatcher {
  readonly key: string;
  readonly #connect: () => Backbone;
  readonly #open: Set<Link>;
  #backbone: Backbone | undefined;

  constructor(key: string, connect: () => Backbone, open: Set<Link>) {
    this.key = key;
    this.#connect = connect;
    this.#open = open;
  }

  dispatch(options: DispatchOptions, handler: DispatchHandler): boolean {
    return (this.#backbone ?? this.#begin()).dispatch(options, handler);
  }

  #begin(): Backbone {
    this.#backbone = this.#connect();
    this.#open.add(this);
    return this.#backbone;
  }

  async retire(): Promise<void> {
    const backbone = this.#backbone;
    this.#backbone = undefined;
    this.#open.delete(this);
    await backbone?.close();
  }

  async close(): Promise<void> {
    await this.#backbone?.close();
  }

  async destroy(): Promise<void> {
    await this.#backbone?.destroy();
  }
}
