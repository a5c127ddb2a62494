/**
 * How does each object get its status, and no object a write that says nothing new?
 *
 * What is wanted is compared with what stands there; a few writes run side by side; what fails is tried again later.
 * The latest wish counts.
 */
import { isDeepStrictEqual } from "node:util";
import { apply } from "../kube/apply.ts";
import type { KubeClient } from "../kube/client.ts";
import { ApiError } from "../kube/client.ts";
import type { Log } from "../kube/log.ts";
import type { KubeObject } from "../kube/objects.ts";
import type { Condition } from "../routing/verdict.ts";
import type { DesiredStatus } from "./conditions.ts";
import { isNewer } from "./own-objects.ts";
import { APPLY } from "./release.ts";

export interface StoredCondition extends Condition {
  readonly observedGeneration?: number;
  readonly lastTransitionTime: string;
}

/** Of a blue-green route. */
export interface ActiveBackend {
  readonly name: string;
  readonly since: string;
  /** The one before; absent: there was none. */
  readonly previous?: string;
}

export interface Described extends KubeObject {
  readonly status?: Readonly<Record<string, unknown>> & {
    readonly observedGeneration?: number;
    readonly conditions?: readonly StoredCondition[];
    readonly activeBackend?: ActiveBackend;
  };
}

/** An object, and what its status shall be. */
export interface Wish {
  readonly object: Described;
  readonly desired: DesiredStatus;
}

export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly log: Log;
  mayWrite(): void;
  /** After a write: what stood there before, and what stands there now. */
  onWritten(before: Described, after: Described): void;
  readonly now: () => Date;
}

/** Milliseconds. */
const FIRST_RETRY = 1_000;
const LAST_RETRY = 60_000;
/** What is only passing is not written when it has passed by then. */
const PASSING = 400;
const PARALLEL_WRITES = 8;
const GONE = new Set([404, 409]);
const MAX_MESSAGE = 32_768;

interface Task {
  wish: Wish;
  failures: number;
  running: boolean;
  timer?: NodeJS.Timeout | undefined;
}

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #tasks = new Map<string, Task>();
  readonly #ready = new Set<string>();
  /** What the last own write answered, until the watch has told of it. */
  readonly #written = new Map<string, Described>();
  /** Objects that were found to hold what is wanted: both stay the same objects while nothing changes. */
  readonly #settled = new WeakMap<Described, DesiredStatus>();
  #running = 0;
  #stopped = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** Of all objects: those that are not named any more are forgotten. */
  want(wishes: readonly Wish[]): void {
    const named = new Set(wishes.map(({ object }) => idOf(object)));
    for (const id of this.#tasks.keys()) if (!named.has(id)) this.#forget(id);
    for (const id of this.#written.keys()) if (!named.has(id)) this.#written.delete(id);
    for (const wish of wishes) this.#consider(wish);
    this.#work();
  }

  /** Another operator leads now. */
  clear(): void {
    for (const id of [...this.#tasks.keys()]) this.#forget(id);
    this.#written.clear();
  }

  /** How many statuses are not as they should be yet. */
  get waiting(): number {
    return this.#tasks.size;
  }

  stop(): void {
    this.#stopped = true;
    this.clear();
  }

  /** Whether the status that the watch has told of is not the one written here. */
  isForeign(object: Described): boolean {
    const written = this.#written.get(idOf(object));
    if (written === undefined) return false;
    return !isNewer(written, object) && !isDeepStrictEqual(object.status, written.status);
  }

  #consider(wish: Wish): void {
    const id = idOf(wish.object);
    const task = this.#tasks.get(id);
    if (this.#holds(wish)) {
      if (task !== undefined && !task.running) this.#forget(id);
      else if (task !== undefined) task.wish = wish;
      return;
    }
    if (task !== undefined) {
      task.wish = wish;
      if (!task.running && task.failures === 0 && !wish.desired.isPassing) this.#makeReady(id, task);
      return;
    }
    const fresh: Task = { wish, failures: 0, running: false };
    this.#tasks.set(id, fresh);
    if (wish.desired.isPassing) this.#makeReadyIn(id, fresh, PASSING);
    else this.#ready.add(id);
  }

  #holds({ object, desired }: Wish): boolean {
    const current = this.#current(object);
    if (this.#settled.get(current) === desired) return true;
    if (!holds(current, desired)) return false;
    this.#settled.set(current, desired);
    return true;
  }

  #makeReady(id: string, task: Task): void {
    clearTimeout(task.timer);
    task.timer = undefined;
    this.#ready.add(id);
  }

  #makeReadyIn(id: string, task: Task, delay: number): void {
    clearTimeout(task.timer);
    task.timer = setTimeout(() => {
      this.#makeReady(id, task);
      this.#work();
    }, delay);
  }

  #work(): void {
    while (!this.#stopped && this.#running < PARALLEL_WRITES) {
      const [id] = this.#ready;
      if (id === undefined) return;
      this.#ready.delete(id);
      const task = this.#tasks.get(id);
      if (task === undefined || task.running) continue;
      this.#running++;
      task.running = true;
      void this.#write(id, task).finally(() => {
        this.#running--;
        this.#work();
      });
    }
  }

  async #write(id: string, task: Task): Promise<void> {
    const { wish } = task;
    const failure = await this.#writeOnce(wish).catch((error: unknown) => ({ error }));
    task.running = false;
    if (this.#tasks.get(id) !== task) return;
    if (failure === undefined || isGone(failure.error)) {
      if (task.wish === wish || this.#holds(task.wish)) this.#forget(id);
      else this.#ready.add(id);
      return;
    }
    task.failures++;
    const { kind, metadata } = wish.object;
    const delay = Math.min(FIRST_RETRY * 2 ** (task.failures - 1), LAST_RETRY);
    const object = `${kind} ${metadata.namespace}/${metadata.name}`;
    this.#options.log.warn({ err: failure.error, object, retry_in_ms: delay }, "the status could not be written");
    this.#makeReadyIn(id, task, delay);
  }

  async #writeOnce({ object, desired }: Wish): Promise<undefined> {
    const { client, now, onWritten, mayWrite } = this.#options;
    const before = this.#current(object);
    if (holds(before, desired)) return;
    const { metadata } = object;
    const activeBackend = activeSince(before, desired.activeBackend, now());
    const status = {
      ...desired.fields,
      ...(activeBackend !== undefined && { activeBackend }),
      observedGeneration: desired.observedGeneration,
      conditions: stamped(before, desired, now()),
    };
    mayWrite();
    // With its uid: another object of the same name must not get this one's status.
    const { name, namespace, uid } = metadata;
    const identity = { name, ...(namespace !== undefined && { namespace }), ...(uid !== undefined && { uid }) };
    const patch: Described = { ...typeOf(object), metadata: identity, status };
    const after = await apply<Described>(client, patch, { ...APPLY, subresource: "status" });
    this.#written.set(idOf(object), after);
    onWritten(before, after);
  }

  #current(object: Described): Described {
    const written = this.#written.get(idOf(object));
    return written !== undefined && isNewer(written, object) ? written : object;
  }

  #forget(id: string): void {
    clearTimeout(this.#tasks.get(id)?.timer);
    this.#tasks.delete(id);
    this.#ready.delete(id);
  }
}

/** A condition keeps the time of its last transition as long as its status stays. */
function stamped(before: Described, { conditions, observedGeneration }: DesiredStatus, now: Date): StoredCondition[] {
  return conditions.map((condition) => {
    const former = before.status?.conditions?.find(({ type }) => type === condition.type);
    const stays = former?.status === condition.status;
    const lastTransitionTime = stays ? former.lastTransitionTime : toSeconds(now);
    return { ...shortened(condition), observedGeneration, lastTransitionTime };
  });
}

/** Of what stays, the time when it began stays too. */
function activeSince(before: Described, name: string | undefined, now: Date): ActiveBackend | undefined {
  const former = before.status?.activeBackend;
  if (name === undefined || former?.name === name) return name === undefined ? undefined : former;
  return { name, since: toSeconds(now), ...(former !== undefined && { previous: former.name }) };
}

/** As Kubernetes writes times. */
function toSeconds(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}

function shortened(condition: Condition): Condition {
  const { message } = condition;
  return message.length <= MAX_MESSAGE ? condition : { ...condition, message: `${message.slice(0, MAX_MESSAGE - 1)}…` };
}

function holds(
  { status }: Described,
  { observedGeneration, conditions, fields, activeBackend }: DesiredStatus,
): boolean {
  if (status?.observedGeneration !== observedGeneration || status.activeBackend?.name !== activeBackend) return false;
  const fieldsHold = Object.entries(fields).every(([name, value]) => isDeepStrictEqual(status[name], value));
  return (
    fieldsHold &&
    conditions.every((wanted) => status.conditions?.some((one) => isCondition(one, wanted, observedGeneration)))
  );
}

function isCondition(one: StoredCondition, wanted: Condition, generation: number): boolean {
  const { type, status, reason, message } = shortened(wanted);
  const isEqual = one.status === status && one.reason === reason && one.message === message;
  return one.type === type && isEqual && one.observedGeneration === generation;
}

function typeOf({ apiVersion, kind }: KubeObject): Pick<KubeObject, "apiVersion" | "kind"> {
  return { ...(apiVersion !== undefined && { apiVersion }), ...(kind !== undefined && { kind }) };
}

/** It was deleted, or made anew under its name: the watch tells. */
function isGone(error: unknown): boolean {
  return error instanceof ApiError && GONE.has(error.status);
}

function idOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace}/${metadata.name} ${metadata.uid}`;
}
