/**
 * How do rollouts go on in a cluster?
 *
 * With every pass the machine is told what the proxies run and have measured. Where it moves, that is written down before
 * any weight is: a pass cut short in between is made good by the next, and none begins anew.
 */

import { isDeepStrictEqual } from "node:util";
import { type KubeObject, keyOf } from "../kube/objects.ts";
import { validSpec } from "../routing/compile/validate.ts";
import type { AIRouteSpec } from "../routing/objects.generated.ts";
import { type Move, RolloutDriver } from "../routing/rollout/driver.ts";
import type { RolloutEvent } from "../routing/rollout/machine.ts";
import { PROMOTED_STEP } from "../routing/rollout/machine.ts";
import { type Memory, positionOf, type RolloutPosition, readMemory } from "../routing/rollout/memory.ts";
import { type Analysis, type RolloutSpec, rolloutSpec } from "../routing/rollout/spec.ts";
import type { ObjectKey } from "../routing/table.ts";
import type { ProxyState } from "./fleet.ts";
import { Measured } from "./measured.ts";
import type { Remembered, RolloutStore, WrittenRollout } from "./rollout-store.ts";
import type { Tables } from "./tables.ts";

export interface RolloutsOptions {
  readonly store: RolloutStore;
  tell(about: KubeObject, event: RolloutEvent): void;
  /** What a namespace's metrics gave that are queries to Prometheus, by their names. */
  queried(namespace: string, metrics: Analysis["metrics"]): ReadonlyMap<string, number>;
}

/** Of one route. */
export interface RolloutState {
  readonly spec: RolloutSpec;
  readonly memory: Memory;
  /** The route is held at a former table: the rollout stands still. */
  readonly isHeld: boolean;
}

/** What is the case outside. */
export interface InForce {
  readonly proxies: readonly ProxyState[];
  readonly tables: Tables;
  /** Keys of routes that are held at a former table. */
  readonly held: ReadonlySet<ObjectKey>;
}

export interface RolloutsView {
  /** The same object while nothing moves. */
  readonly positions: ReadonlyMap<ObjectKey, RolloutPosition>;
  readonly states: ReadonlyMap<ObjectKey, RolloutState>;
  /** Unix milliseconds. */
  readonly wakeAt: number | undefined;
  /** Whether proxies have something to say that counts. */
  readonly isRunning: boolean;
}

interface RouteObject extends KubeObject {
  readonly status?: { readonly rollout?: unknown };
}

export const NO_ROLLOUTS: RolloutsView = {
  positions: new Map(),
  states: new Map(),
  wakeAt: undefined,
  isRunning: false,
};

export class Rollouts {
  readonly #options: RolloutsOptions;
  readonly #driver = new RolloutDriver();
  readonly #measured = new Measured();
  /** The last that were valid: a broken edit must not keep a bad candidate from going back. */
  readonly #specs = new Map<ObjectKey, RolloutSpec>();
  /** The same as they were written. */
  readonly #written = new Map<ObjectKey, WrittenRollout>();
  /** What of them is kept beside the table. */
  readonly #kept = new Map<ObjectKey, WrittenRollout>();
  #hasRecalled = false;
  #view = NO_ROLLOUTS;

  constructor(options: RolloutsOptions) {
    this.#options = options;
  }

  /** Another operator drove meanwhile: what it wrote counts. */
  forget(): void {
    this.#driver.forget();
    this.#specs.clear();
    this.#written.clear();
    this.#kept.clear();
    this.#hasRecalled = false;
    this.#view = NO_ROLLOUTS;
  }

  get view(): RolloutsView {
    return this.#view;
  }

  /** Rejects when what moved could not be written down: then nothing has moved. */
  async look(objects: readonly KubeObject[], inForce: InForce, now: number): Promise<RolloutsView> {
    this.#measured.hear(inForce.proxies);
    if (!this.#hasRecalled) {
      for (const [key, { memory, spec }] of this.#options.store.read()) {
        this.#driver.recall(key, memory);
        if (spec === undefined) continue;
        this.#kept.set(key, spec);
        this.#wants(key, spec);
      }
      this.#hasRecalled = true;
    }
    const routes = new Map(objects.filter(({ kind }) => kind === "AIRoute").map((route) => [keyOf(route), route]));
    const dropped = this.#follow(routes);
    const moves = [...this.#specs].flatMap(([key, spec]) => {
      const route = routes.get(key) as RouteObject | undefined;
      return route === undefined ? [] : [{ route, spec, move: this.#move(key, spec, route, inForce, now) }];
    });
    const changes = new Map<ObjectKey, Remembered | undefined>(dropped.map((key) => [key, undefined]));
    for (const { move } of moves) {
      const spec = this.#written.get(move.key);
      if (move.isNews || !isDeepStrictEqual(spec, this.#kept.get(move.key))) {
        changes.set(move.key, { memory: move.memory, spec });
      }
    }
    if (changes.size > 0) await this.#options.store.write(changes, (key) => routes.has(key));
    for (const key of dropped) this.#driver.drop(key);
    for (const [key, remembered] of changes) {
      if (remembered?.spec === undefined) this.#kept.delete(key);
      else this.#kept.set(key, remembered.spec);
    }
    for (const { route, move } of moves) {
      this.#driver.keep(move);
      for (const event of move.events) this.#options.tell(route, event);
    }
    this.#view = this.#viewOf(moves, inForce.held);
    return this.#view;
  }

  /** Keys of routes that have a memory and no rollout any more. */
  #follow(routes: ReadonlyMap<ObjectKey, KubeObject>): ObjectKey[] {
    for (const key of this.#specs.keys()) if (!routes.has(key)) this.#wants(key, undefined);
    const dropped: ObjectKey[] = [];
    for (const [key, route] of routes) {
      const spec = validSpec(route) as AIRouteSpec | undefined;
      if (spec === undefined) continue;
      if (spec.rollout !== undefined) this.#wants(key, spec.rollout);
      else {
        this.#wants(key, undefined);
        if (this.#driver.memory(key) !== undefined) dropped.push(key);
      }
    }
    return dropped;
  }

  #wants(key: ObjectKey, written: WrittenRollout | undefined): void {
    if (written === undefined) {
      this.#specs.delete(key);
      this.#written.delete(key);
    } else {
      this.#specs.set(key, specOf(written));
      this.#written.set(key, written);
    }
  }

  #move(
    key: ObjectKey,
    spec: RolloutSpec,
    { metadata, status }: RouteObject,
    { proxies, tables, held }: InForce,
    now: number,
  ): Move {
    const route = {
      key,
      spec,
      promotedStep: metadata.annotations?.[PROMOTED_STEP],
      remembered: readMemory(status?.rollout),
    };
    const totals = this.#measured.totals(key, spec);
    const isJudged = spec.analysis !== undefined && this.#driver.memory(key)?.outcome === undefined;
    const values = isJudged
      ? this.#options.queried(metadata.namespace ?? "default", spec.analysis?.metrics ?? [])
      : undefined;
    const position = inForce(key, spec, proxies, tables);
    return this.#driver.move(route, { now, inForce: position, isHeld: held.has(key), totals, values });
  }

  #viewOf(moves: readonly { readonly spec: RolloutSpec; readonly move: Move }[], held: InForce["held"]): RolloutsView {
    const wakes = moves.flatMap(({ move }) => (move.wakeAt === undefined ? [] : [move.wakeAt]));
    const positions = new Map(moves.map(({ move }) => [move.key, positionOf(move.memory)] as const));
    return {
      positions: isDeepStrictEqual(positions, this.#view.positions) ? this.#view.positions : positions,
      states: new Map(
        moves.map(({ spec, move }) => [move.key, { spec, memory: move.memory, isHeld: held.has(move.key) }] as const),
      ),
      wakeAt: wakes.length === 0 ? undefined : Math.min(...wakes),
      isRunning: moves.some(({ move }) => move.memory.outcome === undefined),
    };
  }
}

const specsBefore = new WeakMap<object, RolloutSpec>();

function specOf(written: NonNullable<AIRouteSpec["rollout"]>): RolloutSpec {
  const before = specsBefore.get(written);
  if (before !== undefined) return before;
  const spec = rolloutSpec(written);
  specsBefore.set(written, spec);
  return spec;
}

/** Where every serving proxy has put it. */
function inForce(
  key: ObjectKey,
  { stable, candidate }: RolloutSpec,
  proxies: readonly ProxyState[],
  tables: Tables,
): RolloutPosition | undefined {
  const [first, ...others] = proxies.map(({ report }) => tables.get(report?.table?.hash ?? "")?.rollouts.get(key));
  if (first === undefined || first.stable !== stable || first.candidate !== candidate) return undefined;
  const isSame = others.every(
    (other) =>
      other?.stable === stable &&
      other.candidate === candidate &&
      other.weight === first.weight &&
      other.shadowPercent === first.shadowPercent,
  );
  return isSame ? positionOf(first) : undefined;
}
