/**
 * What differs between the providers on the wire?
 *
 * One face, two forms: where an operation lives, how Tandem authenticates, and whether the path names the model.
 */
import type { Redacted } from "../../routing/secrets.ts";
import type { Model, Provider } from "../../routing/table.ts";
import type { Operation } from "./operations.ts";

export interface Dialect {
  /**
   * Path and query of an operation below the provider's origin; undefined when this provider's form does not have it.
   * `path` is the caller's path below the API base, `query` begins with `?` or is empty. `upstream` is the model or
   * deployment; undefined for calls that name none.
   */
  path(provider: Provider, call: Call): string | undefined;
  /** Path of a GET below the API base, for health checks and listings. */
  apiPath(provider: Provider, path: string): string;
  /** Name and value of the header that carries the provider's key. */
  auth(key: Redacted): readonly [name: string, value: string];
  /** Whether inference operations name the deployment in their path: Azure's dated form ignores the body's `model`. */
  modelInPath(provider: Provider, model: Model): boolean;
}

export interface Call {
  readonly operation: Operation;
  readonly path: string;
  readonly query: string;
  readonly model?: Model | undefined;
  readonly upstream?: string | undefined;
}
