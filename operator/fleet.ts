/**
 * What do the serving proxies say: which table do they run, and how do they see the providers?
 *
 * Each is asked over its admin port, often while a new table spreads and seldom when all run it.
 */
import { z } from "zod";
import type { KubeObject } from "../kube/objects.ts";
import { LAST_BUCKET } from "../routing/rollout/histogram.ts";
import type { Redacted } from "../routing/secrets.ts";
import { boundedText } from "./bounded-text.ts";

export interface Pod extends KubeObject {
  readonly spec?: {
    readonly containers?: readonly {
      readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
    }[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

const text = z.string().max(4096);
const amount = z.number().nonnegative();
/** Buckets of a histogram are numbered from 0 (routing/rollout/histogram.ts). */
const histogram = z
  .record(z.string().regex(/^\d{1,3}$/), amount)
  .refine((counts) => Object.keys(counts).every((bucket) => Number(bucket) <= LAST_BUCKET), "has a bucket too many");
const measured = z.object({
  route: text,
  backend: text,
  arm: z.enum(["live", "shadow"]),
  requests: amount,
  errors: amount,
  rateLimited: amount,
  refusals: amount,
  truncated: amount,
  schemaChecked: amount,
  schemaFailed: amount,
  priced: amount,
  nanoUsd: amount,
  nanoUsdSquared: amount,
  outputTokens: amount,
  generationMilliseconds: amount,
  latency: histogram,
  firstToken: histogram,
  speed: histogram,
});
const count = z.number().int().nonnegative();
const reportSchema = z.object({
  /** Another one after each start of the proxy. */
  instance: text.default(""),
  table: z.object({ hash: text }).nullable(),
  rejected: z.object({ hash: text.optional(), message: text }).nullable(),
  providers: z
    .array(
      z.object({ provider: text, healthy: z.boolean().nullable(), reason: text.optional(), message: text.optional() }),
    )
    .max(10_000)
    .default([]),
  faults: z
    .array(
      z.object({
        provider: text,
        model: text,
        status: z.number(),
        code: text.nullish(),
        at: text,
        requestID: text.nullish(),
      }),
    )
    .max(1_000)
    .default([]),
  /** Of both sides of rollouts; only grows while the instance is the same. */
  measures: z.array(measured).max(1_000).default([]),
  circuits: z
    .array(
      z.object({
        at: text,
        provider: text,
        model: text.nullish(),
        state: z.enum(["open", "closed"]),
        detail: text,
        causes: z
          .array(z.object({ detail: text, requestId: text.optional(), providerRequestId: text.optional() }))
          .max(100)
          .default([]),
      }),
    )
    .max(1_000)
    .default([]),
  /** Today's and yesterday's; the numbers only grow while `instance` stays the same. */
  shadows: z
    .array(
      z.object({
        route: text,
        backend: text,
        date: z.string().max(10),
        copied: count,
        dropped: count,
        compared: count,
        different: count,
        noiseCompared: count,
        noiseDifferent: count,
        tokens: count,
        wins: count.default(0),
        ties: count.default(0),
        losses: count.default(0),
      }),
    )
    .max(20_000)
    .default([]),
  /** Whether the server that counts clients' limits for all proxies answers this one; null: it has none. */
  sharedState: z.object({ connected: z.boolean() }).nullable().default(null),
});

/** What one proxy says of itself. */
export type Report = z.infer<typeof reportSchema>;
export type Fault = Report["faults"][number];
export type CircuitChange = Report["circuits"][number];

export interface ProxyState {
  readonly pod: string;
  /** Undefined: it did not answer yet, or not for some time. */
  readonly report: Report | undefined;
}

export interface FleetOptions {
  readonly pods: () => readonly Pod[];
  /** Undefined while there is none. */
  readonly adminToken: () => Redacted | undefined;
  /** Another proxy serves, or one says something else. */
  onChange(): void;
}

/** Milliseconds. */
const FIRST_INTERVAL = 40;
const SPREADING_INTERVAL = 1_000;
const QUIET_INTERVAL = 5_000;
const ANSWER_TIMEOUT = 2_000;
/** For so long a proxy that does not answer is taken to be as it was. */
const PATIENCE = 10_000;
const ADMIN_PORT = 9090;
const ADMIN_PORT_NAME = "admin";
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

interface Member {
  readonly pod: Pod;
  state: ProxyState;
  answeredAt: number;
  interval: number;
  timer?: NodeJS.Timeout;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #members = new Map<string, Member>();
  #wanted: string | undefined;
  #isWatched = false;
  #stopped = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** The proxies that serve, in the order of their names. */
  proxies(): readonly ProxyState[] {
    return [...this.#members.values()].map(({ state }) => state).sort((a, b) => (a.pod < b.pod ? -1 : 1));
  }

  /** Pods came, went, or changed. */
  follow(): void {
    const serving = new Map(
      this.#options
        .pods()
        .filter(isServing)
        .map((pod) => [idOf(pod), pod]),
    );
    let changed = false;
    for (const [id, member] of this.#members) {
      if (serving.has(id)) continue;
      clearTimeout(member.timer);
      this.#members.delete(id);
      changed = true;
    }
    for (const [id, pod] of serving) {
      if (this.#members.has(id)) continue;
      const member: Member = {
        pod,
        state: { pod: pod.metadata.name, report: undefined },
        answeredAt: performance.now(),
        interval: FIRST_INTERVAL,
      };
      this.#members.set(id, member);
      this.#askIn(member, 0);
      changed = true;
    }
    if (changed) this.#options.onChange();
  }

  /** A table was published: until it runs everywhere, proxies are asked often. */
  expect(hash: string): void {
    if (hash === this.#wanted) return;
    this.#wanted = hash;
    for (const member of this.#members.values()) {
      member.interval = FIRST_INTERVAL;
      this.#askIn(member, FIRST_INTERVAL);
    }
  }

  /** Whether what they measure is waited for. */
  watch(isWatched: boolean): void {
    if (isWatched === this.#isWatched) return;
    this.#isWatched = isWatched;
    if (!isWatched) return;
    for (const member of this.#members.values()) this.#askIn(member, FIRST_INTERVAL);
  }

  stop(): void {
    this.#stopped = true;
    for (const { timer } of this.#members.values()) clearTimeout(timer);
  }

  #askIn(member: Member, delay: number): void {
    clearTimeout(member.timer);
    if (this.#stopped) return;
    member.timer = setTimeout(() => void this.#ask(member), delay);
  }

  async #ask(member: Member): Promise<void> {
    const report = await this.#reportOf(member.pod).catch(() => undefined);
    if (this.#members.get(idOf(member.pod)) !== member) return;
    const now = performance.now();
    if (report !== undefined) member.answeredAt = now;
    if (report !== undefined || now - member.answeredAt > PATIENCE) {
      const isNews = newsIn(report) !== newsIn(member.state.report);
      member.state = { ...member.state, report };
      if (isNews) this.#options.onChange();
    }
    const isSettled = report?.table?.hash === this.#wanted;
    const settled = this.#isWatched ? SPREADING_INTERVAL : QUIET_INTERVAL;
    this.#askIn(member, isSettled ? settled : member.interval);
    member.interval = isSettled ? FIRST_INTERVAL : Math.min(member.interval * 2, SPREADING_INTERVAL);
  }

  async #reportOf(pod: Pod): Promise<Report | undefined> {
    const token = this.#options.adminToken();
    if (token === undefined) return undefined;
    const response = await fetch(`${adminOrigin(pod)}/status/summary`, {
      headers: { authorization: `Bearer ${token.reveal()}` },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT),
      redirect: "error",
    });
    const body = await boundedText(response, "a proxy's answer", MAX_ANSWER_BYTES);
    return response.ok ? reportSchema.parse(JSON.parse(body)) : undefined;
  }
}

/** What is measured changes with every request, and is looked at when a window ends. */
function newsIn(report: Report | undefined): string {
  return JSON.stringify({ ...report, measures: undefined });
}

/** Ready, or on its way out and still answering. */
export function isServing({ metadata, status }: Pod): boolean {
  if (status?.podIP === undefined || status.podIP === "") return false;
  if (metadata.deletionTimestamp !== undefined) return status.phase === "Running";
  return status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false;
}

/** Where its admin port is. */
export function adminOrigin({ spec, status }: Pod): string {
  const ports = spec?.containers?.flatMap((container) => container.ports ?? []) ?? [];
  const port = ports.find(({ name }) => name === ADMIN_PORT_NAME)?.containerPort ?? ADMIN_PORT;
  const host = status?.podIP?.includes(":") ? `[${status.podIP}]` : status?.podIP;
  return `http://${host}:${port}`;
}

export function idOf({ metadata }: Pod): string {
  return metadata.uid ?? metadata.name;
}
