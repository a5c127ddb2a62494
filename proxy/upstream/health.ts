/** Does a provider answer when nobody asks it anything? */
import type { Credentials } from "../../routing/secrets.ts";
import type { Provider } from "../../routing/table.ts";
import type { Availability } from "./availability.ts";
import type { Connections } from "./connections.ts";

/** What a check sends: a GET of this path with these headers (auth included). */
export interface ProbeRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface HealthOptions {
  readonly connections: Connections;
  readonly availability: Availability;
  /** Path on the provider's host and auth headers; undefined: the credential is missing, no check is made. */
  readonly request: (provider: Provider, credentials: Credentials) => ProbeRequest | undefined;
  /** 0 ≤ x < 1, spreads the first checks. */
  readonly rng?: () => number;
}

export class HealthChecks {
  constructor(_options: HealthOptions) {}
  /** Checks exactly these providers from now on; unchanged ones keep their rhythm. */
  apply(_providers: Iterable<Provider>, _credentials: Credentials): void {}
  close(): void {}
}
