/**
 * Which changes does the owner of an object read in `kubectl describe`?
 *
 * Conditions that became false or true again, every generation that reached all proxies, and traffic that moved. Events come from the
 * operator alone; they are told, not relied on: when the API server takes none, the oldest go.
 */
import { randomUUID } from "node:crypto";
import type { KubeClient } from "../kube/client.ts";
import type { Log } from "../kube/log.ts";
import type { KubeObject } from "../kube/objects.ts";
import { ROLLOUT_CONDITIONS } from "./rollout-status.ts";
import type { Described, StoredCondition } from "./status-writer.ts";

export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** CamelCase, one word. */
  readonly reason: string;
  /** What was done. */
  readonly action: string;
  /** For people. */
  readonly note: string;
}

export interface EventsOptions {
  readonly client: KubeClient;
  readonly log: Log;
  /** Who tells: the operator's pod. */
  readonly instance: string;
  readonly now: () => Date;
}

/** Waiting to be sent. */
const MOST_WAITING = 1_000;
/** Of the API. Characters. */
const MAX_NOTE = 1_024;
const CONTROLLER = "tandem.dev/operator";

export class Events {
  readonly #options: EventsOptions;
  readonly #queue: object[] = [];
  #sending = false;
  #dropped = 0;

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  /** Never waits and never throws. */
  tell(about: KubeObject, { type, reason, action, note }: EventNote): void {
    const { instance, now } = this.#options;
    const { apiVersion, kind, metadata } = about;
    const { name, namespace = "default", uid } = metadata;
    this.#queue.push({
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name: `${name}.${randomUUID().slice(0, 13)}`, namespace },
      // The API takes microseconds.
      eventTime: now().toISOString().replace("Z", "000Z"),
      reportingController: CONTROLLER,
      reportingInstance: instance.slice(0, 128),
      regarding: { apiVersion, kind, name, namespace, uid },
      type,
      reason,
      action,
      note: note.length <= MAX_NOTE ? note : `${note.slice(0, MAX_NOTE - 1)}…`,
    });
    if (this.#queue.length > MOST_WAITING) {
      this.#queue.shift();
      this.#dropped++;
    }
    if (!this.#sending) void this.#send();
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Waits for what is on its way, and lets the rest go. */
  async stop(): Promise<void> {
    this.#queue.length = 0;
  }

  async #send(): Promise<void> {
    this.#sending = true;
    for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift()) {
      const { namespace } = (event as KubeObject).metadata;
      await this.#options.client
        .request("POST", `/apis/events.k8s.io/v1/namespaces/${namespace}/events`, { body: event })
        .catch((error: unknown) => {
          this.#dropped++;
          this.#options.log.warn({ err: error }, "an event could not be told");
        });
    }
    this.#sending = false;
  }
}

/** Of what matters to somebody, between two statuses of one object. */
export function notesOf(before: Described, after: Described): EventNote[] {
  return [...conditionNotes(before, after), ...trafficNotes(before.status, after.status)];
}

/** Traffic that moves by a changed spec, a hold, or a backend that went. */
function trafficNotes(before: Described["status"], after: Described["status"]): EventNote[] {
  const [from, to] = [before?.activeBackend, after?.activeBackend];
  if (from !== undefined && to !== undefined && from.name !== to.name) {
    const note = `All traffic goes to ${to.name} now; before it went to ${from.name}.`;
    return [{ type: "Normal", reason: "ActiveBackendSwitched", action: "Publish", note }];
  }
  // A rollout tells its own story.
  if (after?.rollout !== undefined) return [];
  const [former, now] = [before?.weights, after?.weights];
  if (typeof former !== "string" || typeof now !== "string" || former === "" || former === now) return [];
  const note = `Weights in force: ${now || "none"}; before: ${former}.`;
  return [{ type: "Normal", reason: "WeightsChanged", action: "Publish", note }];
}

function conditionNotes(before: Described, after: Described): EventNote[] {
  const conditions = after.status?.conditions ?? [];
  const notes = conditions.flatMap((condition) => {
    const former = before.status?.conditions?.find(({ type }) => type === condition.type);
    const note = UNTOLD.has(condition.type) ? undefined : noteOf(former, condition);
    return note === undefined ? [] : [note];
  });
  const wasHeld = before.status?.conditions?.some(({ type, status }) => type === "Pinned" && status === "True");
  if (!wasHeld || conditions.some(({ type }) => type === "Pinned")) return notes;
  return [...notes, { type: "Normal", reason: "Released", action: "Compile", note: "The spec is in force again." }];
}

function noteOf(former: StoredCondition | undefined, now: StoredCondition): EventNote | undefined {
  const action = ACTIONS[now.type] ?? "Observe";
  const isNews = former?.status !== now.status || former.reason !== now.reason;
  if (now.status === "False" && isNews && now.reason !== "Pending" && now.reason !== "NotAccepted") {
    return { type: "Warning", reason: now.reason, action, note: now.message };
  }
  if (now.status !== "True") return undefined;
  if (now.type === "Programmed") {
    const isNewGeneration = former?.status !== "True" || former.observedGeneration !== now.observedGeneration;
    const note = `Generation ${now.observedGeneration}: ${now.message}`;
    return isNewGeneration ? { type: "Normal", reason: "Programmed", action, note } : undefined;
  }
  if (now.type === "Pinned") {
    const isHeld = former?.status !== "True" || former.message !== now.message;
    return isHeld ? { type: "Normal", reason: "RolledBack", action, note: now.message } : undefined;
  }
  if (former?.status !== "False") return undefined;
  return { type: "Normal", reason: now.type, action, note: now.message || `${now.type} again.` };
}

/** Ready repeats another; a rollout tells its story itself. */
const UNTOLD: ReadonlySet<string> = new Set(["Ready", ...ROLLOUT_CONDITIONS]);

const ACTIONS: Readonly<Record<string, string>> = {
  Accepted: "Compile",
  ResolvedRefs: "Compile",
  Pinned: "Compile",
  Programmed: "Publish",
  Healthy: "Observe",
};
