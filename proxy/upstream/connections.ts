/**
 * Over which connection does a request reach its provider?
 *
 * The one place that knows undici.
 */
import type { Dispatcher as Undici } from "undici";
import type { Credentials } from "../../routing/secrets.ts";
import type { Provider } from "../../routing/table.ts";
import type { EgressSettings } from "../settings.ts";

/** Sends requests to one provider. `dispatch` is undici's; the origin is fixed, so options need only a path. */
export interface Dispatcher {
  dispatch(options: DispatchOptions, handler: DispatchHandler): boolean;
}
export type DispatchOptions = Undici.DispatchOptions;
export type DispatchHandler = Undici.DispatchHandler;
export type DispatchController = Undici.DispatchController;

export interface ConnectionsOptions {
  readonly egress: EgressSettings;
  /** From `host` or `host:port` to the URL that is connected to instead. */
  readonly connectTo: ReadonlyMap<string, string>;
  /** Where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are read. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export class Connections {
  constructor(_options: ConnectionsOptions) {
    throw new Error("not built yet");
  }
  /** Constant time and without allocation once the provider object has been seen. Never throws for a provider of a valid table. */
  dispatcherFor(_provider: Provider, _credentials: Credentials): Dispatcher {
    throw new Error("not built yet");
  }
  /** Closes, once their requests have ended, the connections that no live provider uses. */
  retire(_liveProviders: Iterable<Provider>): void {}
  /** Waits for requests in flight. */
  async close(): Promise<void> {}
}
