/** What does a proxy keep of its providers from one request, and one table, to the next? */

import type { Credentials } from "../../routing/secrets.ts";
import type { Provider } from "../../routing/table.ts";
import type { Authorization } from "../authorization/authorization.ts";
import { Authorizations, type FailedFetch } from "../authorization/authorizations.ts";
import { Availability, type Handle, type Transition } from "./availability.ts";
import { AllPlaces } from "./concurrency.ts";
import { Connections, type ConnectionsOptions, type Dispatcher } from "./connections.ts";
import { HealthChecks, type HealthOptions } from "./health.ts";

export type AvailabilityHandle = Handle;

export interface UpstreamsOptions extends ConnectionsOptions {
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly rng?: () => number;
  readonly onTransition: (transition: Transition) => void;
  /** Entra ID gave no token. */
  readonly onTokenFailure?: (failed: FailedFetch) => void;
  /** What an active check sends. */
  readonly probe: HealthOptions["request"];
}

export class Upstreams {
  readonly connections: Connections;
  readonly availability: Availability;
  readonly authorizations: Authorizations;
  readonly places = new AllPlaces();
  readonly #checks: HealthChecks;

  constructor(options: UpstreamsOptions) {
    this.connections = new Connections(options);
    this.availability = new Availability(options.now ?? (() => performance.now()), options.onTransition);
    const { probe, onTokenFailure, env = process.env, rng = Math.random } = options;
    this.authorizations = new Authorizations({
      connections: this.connections,
      env,
      rng,
      onRecovery: (providers) => this.#checks.hurry(providers),
      ...(onTokenFailure && { onFailure: onTokenFailure }),
    });
    this.#checks = new HealthChecks({
      connections: this.connections,
      availability: this.availability,
      request: probe,
      rng,
    });
  }

  dispatcherFor(provider: Provider, credentials: Credentials): Dispatcher {
    return this.connections.dispatcherFor(provider, credentials);
  }

  authorizationOf(provider: Provider, credentials: Credentials): Authorization {
    return this.authorizations.of(provider, credentials);
  }

  /** Call when a snapshot with these providers has come into force. */
  adopt(providers: readonly Provider[], credentials: Credentials): void {
    this.availability.adopt(providers);
    this.places.adopt(providers);
    this.authorizations.adopt(providers, credentials);
    this.#checks.apply(providers, credentials);
    this.connections.retire(providers);
  }

  /** Stops the checks and waits for requests in flight; `now: true` breaks them off. */
  async close(options: { now?: boolean } = {}): Promise<void> {
    this.#checks.close();
    this.authorizations.close();
    await (options.now ? this.connections.destroy() : this.connections.close());
  }
}
