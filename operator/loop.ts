/**
 * What does the operator do, again and again?
 *
 * Whatever changed, the whole world is compiled anew: a route's meaning depends on every provider, Secret and other
 * route. Then what differs is written: first what proxies run, then what people read. All steps can be repeated, so a
 * pass that was cut short anywhere, by a crash or another leader, is made good by the next.
 */
import { keyOf } from "../kube/objects.ts";
import { encodeTable } from "../routing/codec.ts";
import { type Identity, identityIn, versionsNeeded } from "../routing/companion.ts";
import { compile } from "../routing/compile.ts";
import type { Credentials } from "../routing/secrets.ts";
import type { RoutingTable } from "../routing/table.ts";
import type { Verdict } from "../routing/verdict.ts";
import { desiredStatus } from "./conditions.ts";
import type { Fleet } from "./fleet.ts";
import { newIdentity, ROTATE_ID_KEY, withRotation } from "./identity.ts";
import { KeptTables } from "./kept-tables.ts";
import type { SecretObject } from "./named-secrets.ts";
import type { InUse, Publication, Publisher } from "./publish.ts";
import type { Rollouts, RolloutsView } from "./rollouts.ts";
import type { ShadowSums } from "./shadows.ts";
import type { Described, StatusWriter } from "./status-writer.ts";
import type { Tables } from "./tables.ts";
import type { World } from "./world.ts";

export interface LoopParts {
  readonly world: World;
  readonly publisher: Publisher;
  readonly statuses: StatusWriter;
  readonly fleet: Fleet;
  readonly shadows: ShadowSums;
  readonly rollouts: Rollouts;
  readonly tables: Tables;
  /** Serve objects whose protecting fields have no effect yet. */
  readonly dev: boolean;
  /** What clients used, as their status shows it. */
  usage(client: string): object | undefined;
  /** A table was published. */
  onTable(table: RoutingTable): void;
  /** In the companion Secret, or undefined. */
  companion(): SecretObject | undefined;
}

/** What the objects and Secrets make, whatever proxies say. */
interface Compiled extends Omit<Publication, "proxies"> {
  readonly table: RoutingTable;
  readonly verdicts: readonly Verdict[];
  /** Keys of the clients that have limits. */
  readonly limited: ReadonlySet<string>;
  readonly rollouts: Positions;
}

type Positions = RolloutsView["positions"];

export class Loop {
  readonly #parts: LoopParts;
  readonly #kept = new KeptTables();
  #identity: Identity | undefined;
  #lastTable: RoutingTable | undefined;
  #changedAt: Date | undefined;
  #compiled: Compiled | undefined;

  constructor(parts: LoopParts) {
    this.#parts = parts;
  }

  /** The admin token of the proxies, once there is one. */
  get identity(): Identity | undefined {
    return this.#identity ?? identityIn(this.#parts.companion());
  }

  /** Something has changed: the next table is the answer to it. */
  changed(now: Date): void {
    this.#changedAt ??= now;
  }

  /** Another operator wrote meanwhile: what it published counts. */
  forget(): void {
    this.#parts.shadows.forget();
    this.#parts.rollouts.forget();
    this.#identity = undefined;
    this.#lastTable = undefined;
    this.#compiled = undefined;
  }

  /** Rejects when something could not be written. */
  async pass(now: Date): Promise<void> {
    const { world, publisher, statuses, fleet, tables } = this.#parts;
    const objects = world.objects();
    world.secrets.follow(objects);
    // A table made before a Secret was looked for would take its backends away.
    if (!world.secrets.isComplete) return;
    this.#recall();
    const held = this.#kept.held(objects, publisher.tables());
    const rollouts = await this.#parts.rollouts.look(
      objects,
      { proxies: fleet.proxies(), tables, held },
      now.getTime(),
    );
    fleet.watch(rollouts.isRunning);
    const { table, verdicts, limited, rollouts: _, ...made } = this.#compile(objects, now, rollouts.positions);

    const publication: Publication = { ...made, proxies: fleet.proxies().length };
    await publisher.publish(publication);
    this.#identity = made.identity;
    this.#lastTable = table;
    tables.remember(made.published, table);
    fleet.expect(made.published.hash);
    this.#parts.onTable(table);

    const byKey = new Map(objects.map((object) => [`${object.kind} ${keyOf(object)}`, object]));
    const proxies = fleet.proxies();
    const shadows = this.#parts.shadows.look(objects, proxies, performance.now());
    const { usage } = this.#parts;
    const view = { proxies, tables, limited, shadows, usage, rollouts: rollouts.states };
    statuses.want(
      verdicts.flatMap((verdict) => {
        const object: Described | undefined = byKey.get(`${verdict.kind} ${verdict.namespace}/${verdict.name}`);
        return object === undefined ? [] : [{ object, desired: desiredStatus(verdict, view) }];
      }),
    );
    const inUse = this.#inUse();
    if (inUse !== undefined) await publisher.prune(publication, inUse);
  }

  /** The same as before, when only proxies have something new to say. */
  #compile(objects: readonly Described[], now: Date, rollouts: Positions): Compiled {
    const isSame = this.#changedAt === undefined && this.#compiled?.rollouts === rollouts;
    if (this.#compiled !== undefined && isSame) return this.#compiled;
    const changedAt = this.#changedAt ?? now;
    this.#changedAt = undefined;
    const companion = this.#parts.companion();
    const asked = companion?.metadata?.annotations?.[ROTATE_ID_KEY];
    const identity = withRotation(this.identity ?? newIdentity(), asked);
    const secrets = this.#parts.world.secrets.describe(identity.pepper);
    const { history, pinned } = this.#kept.for(objects, this.#parts.publisher.tables());
    const input = { objects, history, secrets: secrets.map(({ facts }) => facts), dev: this.#parts.dev, rollouts };
    const { table, verdicts } = compile(input, this.#lastTable);
    const values = new Map(secrets.flatMap((secret) => secret.credentials));
    const published = encodeTable(table);
    const limited = new Set(table.clients.filter(({ limits }) => limits !== undefined).map(({ key }) => key));
    this.#compiled = {
      table,
      verdicts,
      limited,
      published,
      identity,
      credentials: onlyNeeded(table, values),
      changedAt,
      rollouts,
      pinned,
    };
    return this.#compiled;
  }

  /** After a restart: what was published lends broken routes their last form, and is what proxies run. */
  #recall(): void {
    if (this.#lastTable !== undefined) return;
    const current = this.#parts.publisher.tables().current();
    if (current === undefined) return;
    this.#lastTable = current.table;
    this.#parts.tables.remember(current.published, current.table);
  }

  /** What the proxies run; undefined when one runs, or may run, something unknown. */
  #inUse(): InUse | undefined {
    const facts = this.#parts.fleet.proxies().map(({ report }) => this.#parts.tables.get(report?.table?.hash ?? ""));
    if (facts.some((one) => one === undefined)) return undefined;
    const known = facts.filter((one) => one !== undefined);
    return {
      shards: new Set(known.flatMap(({ shards }) => shards)),
      credentials: new Set(known.flatMap((one) => one.credentials)),
    };
  }
}

function onlyNeeded(table: RoutingTable, values: Credentials): Credentials {
  return new Map(
    versionsNeeded(table).flatMap((version) => {
      const value = values.get(version);
      return value === undefined ? [] : [[version, value] as const];
    }),
  );
}
