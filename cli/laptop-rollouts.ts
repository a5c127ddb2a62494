/**
 * How do rollouts go on without a cluster?
 *
 * By the operator's machine, with this gateway as the only proxy. What moves is written to the state folder before it is
 * put in force. Metrics of a Prometheus server are asked by an operator only: here they are inconclusive.
 */
import type { Update } from "../manifests/source.ts";
import type { Gateway } from "../proxy/gateway.ts";
import { positionIn } from "../routing/compile/rollout.ts";
import { validSpec } from "../routing/compile/validate.ts";
import type { AIRouteSpec } from "../routing/objects.generated.ts";
import { type Move, RolloutDriver } from "../routing/rollout/driver.ts";
import { PROMOTED_STEP } from "../routing/rollout/machine.ts";
import { type Memory, positionOf, type RolloutPosition } from "../routing/rollout/memory.ts";
import { type RolloutSpec, rolloutSpec } from "../routing/rollout/spec.ts";
import { totalsOf } from "../routing/rollout/totals.ts";
import type { ObjectKey } from "../routing/table.ts";
import type { KeptRollouts } from "./kept-rollouts.ts";

export interface LaptopRolloutsOptions {
  readonly gateway: Pick<Gateway, "comparisons" | "hash" | "measures">;
  readonly kept: KeptRollouts;
  /** What has moved is to be compiled. */
  onMove(): void;
  tell(line: string): void;
}

interface Written {
  readonly kind: string;
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

interface Followed {
  readonly spec: RolloutSpec;
  readonly promotedStep: string | undefined;
}

/** Milliseconds. */
const SHORTEST_SLEEP = 20;
const LONGEST_SLEEP = 3_600_000;
const RETRY = 1_000;

export class LaptopRollouts {
  readonly #options: LaptopRolloutsOptions;
  readonly #driver = new RolloutDriver();
  readonly #followed = new Map<ObjectKey, Followed>();
  /** All that is remembered, of routes that are gone as well. */
  #memories: ReadonlyMap<ObjectKey, Memory> = new Map();
  #positions: ReadonlyMap<ObjectKey, RolloutPosition> = new Map();
  #update: Update | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: LaptopRolloutsOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#memories = await this.#options.kept.read();
    for (const [key, memory] of this.#memories) this.#driver.recall(key, memory);
    this.#positions = new Map([...this.#memories].map(([key, memory]) => [key, positionOf(memory)] as const));
  }

  get positions(): ReadonlyMap<ObjectKey, RolloutPosition> {
    return this.#positions;
  }

  /** For `/status`. */
  status(): object {
    return Object.fromEntries(
      [...this.#followed].map(([key, { spec }]) => [key, { spec, status: this.#memories.get(key) ?? null }]),
    );
  }

  /** In force. */
  follow(update: Update): void {
    this.#update = update;
    for (const key of this.#followed.keys()) {
      if (!update.table.routes.some((route) => route.key === key)) this.#followed.delete(key);
    }
    for (const object of update.loaded.objects as readonly Written[]) {
      if (object.kind !== "AIRoute") continue;
      const spec = validSpec(object) as AIRouteSpec | undefined;
      const key = `${object.metadata.namespace}/${object.metadata.name}`;
      const promotedStep = object.metadata.annotations?.[PROMOTED_STEP];
      if (spec?.rollout) this.#followed.set(key, { spec: rolloutSpec(spec.rollout), promotedStep });
      else if (spec) this.#followed.delete(key);
    }
    this.#look();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #look(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    if (this.#looking !== undefined) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#looking = this.#lookOnce()
      .catch((error: Error) => {
        this.#options.tell(`warning: rollouts stand still, what they remember cannot be written: ${error.message}`);
        this.#sleep(RETRY);
      })
      .finally(() => {
        this.#looking = undefined;
        if (this.#again) this.#look();
      });
  }

  async #lookOnce(): Promise<void> {
    const now = Date.now();
    const moves = [...this.#followed].map(([key, followed]) => this.#move(key, followed, now));
    const news = moves.filter(({ isNews }) => isNews);
    const dropped = [...this.#memories.keys()].filter((key) => this.#isDropped(key));
    if (news.length > 0 || dropped.length > 0) {
      const memories = new Map(this.#memories);
      for (const key of dropped) memories.delete(key);
      for (const { key, memory } of news) memories.set(key, memory);
      await this.#options.kept.write(memories);
      this.#memories = memories;
    }
    for (const key of dropped) this.#driver.drop(key);
    for (const move of moves) {
      this.#driver.keep(move);
      for (const { note } of move.events) this.#options.tell(`rollout ${move.key}: ${note}`);
    }
    this.#positions = new Map([...this.#memories].map(([key, memory]) => [key, positionOf(memory)] as const));
    const wakes = moves.flatMap(({ wakeAt }) => (wakeAt === undefined ? [] : [wakeAt]));
    if (wakes.length > 0) this.#sleep(Math.min(...wakes) - now);
    if (news.length > 0 && !this.#closed) this.#options.onMove();
  }

  #move(key: ObjectKey, { spec, promotedStep }: Followed, now: number): Move {
    const { gateway } = this.#options;
    const rows = { measures: gateway.measures(), shadows: gateway.comparisons() };
    const totals = totalsOf([rows], key, spec);
    const route = { key, spec, promotedStep, remembered: undefined };
    return this.#driver.move(route, { now, inForce: this.#inForce(key, spec), totals });
  }

  #inForce(key: ObjectKey, { stable, candidate }: RolloutSpec): RolloutPosition | undefined {
    if (this.#update === undefined || this.#options.gateway.hash !== this.#update.published.hash) return undefined;
    const route = this.#update.table.routes.find((one) => one.key === key);
    const isSame = route?.rollout?.stable === stable && route.rollout.candidate === candidate;
    return route !== undefined && isSame ? positionIn(route) : undefined;
  }

  /** The route is there and has no rollout any more. */
  #isDropped(key: ObjectKey): boolean {
    const route = this.#update?.table.routes.find((one) => one.key === key);
    return route !== undefined && route.rollout === undefined && !this.#followed.has(key);
  }

  #sleep(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const delay = Math.min(Math.max(milliseconds, SHORTEST_SLEEP), LONGEST_SLEEP);
    this.#timer = setTimeout(() => this.#look(), delay);
  }
}
