/**
 * What did the last tables hold?
 *
 * Proxies say which table they run by its hash. Remembered is what that says about each route, so that an edit of one
 * route changes nobody else's status.
 */
import type { Published } from "../routing/codec.ts";
import { versionsNeeded } from "../routing/companion.ts";
import { positionIn } from "../routing/compile/rollout.ts";
import type { RolloutPosition } from "../routing/rollout/memory.ts";
import type { CredentialVersion, Rollout, Route, RoutingTable } from "../routing/table.ts";

export interface TableFacts {
  /** By the routes' keys. */
  readonly generations: ReadonlyMap<string, number>;
  /** Of those that have one, by the routes' keys. */
  readonly rollouts: ReadonlyMap<string, RolloutPosition & Rollout>;
  readonly shards: readonly string[];
  readonly credentials: readonly CredentialVersion[];
}

/** A proxy that lags behind more tables than this is told to be on an unknown one. */
const KEPT = 16;

export class Tables {
  readonly #facts = new Map<string, TableFacts>();

  /** The newest last; forgets the oldest. */
  remember({ hash, shards }: Published, table: RoutingTable): void {
    this.#facts.delete(hash);
    this.#facts.set(hash, {
      generations: new Map(table.routes.map(({ key, generation }) => [key, generation])),
      rollouts: new Map(table.routes.flatMap(rolloutIn)),
      shards: Object.keys(shards),
      credentials: versionsNeeded(table),
    });
    for (const oldest of this.#facts.keys()) {
      if (this.#facts.size <= KEPT) break;
      this.#facts.delete(oldest);
    }
  }

  get(hash: string): TableFacts | undefined {
    return this.#facts.get(hash);
  }
}

function rolloutIn(route: Route): (readonly [string, RolloutPosition & Rollout])[] {
  const position = positionIn(route);
  return position === undefined || route.rollout === undefined ? [] : [[route.key, { ...position, ...route.rollout }]];
}
