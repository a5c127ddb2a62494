/** What do the tests of rollouts in a cluster share: traffic that is measured, and looks at what is remembered? */
import assert from "node:assert/strict";
import { bucketOf } from "../../routing/rollout/histogram.ts";
import { NOTHING_MEASURED } from "../../routing/rollout/measures.ts";
import type { Memory } from "../../routing/rollout/memory.ts";
import { waitFor } from "../cli/tandem.ts";
import { pathOf } from "../control-plane/tandem-api.ts";
import { route, type Stage } from "./harness.ts";
import type { PlayedProxy } from "./played-proxy.ts";

/** Milliseconds: several windows, on a loaded machine. */
export const IN_TIME = 60_000;

export interface Rates {
  readonly errors: number;
}

export const GOOD: Rates = { errors: 0 };
/** Of 100. */
export const BAD: Rates = { errors: 10 };

export type Shown = Memory & { readonly step: string };

/** Proxies that measure: so much with every look. One that is added counts from nothing. */
export class Traffic {
  readonly proxies: PlayedProxy[];
  readonly #route: string;
  readonly #timer: NodeJS.Timeout;
  readonly #counts = new WeakMap<PlayedProxy, { rounds: number; errors: number }>();
  #instances = 0;
  candidate: Rates;

  constructor(stage: Stage, proxies: readonly PlayedProxy[], candidate: Rates) {
    this.proxies = [...proxies];
    this.#route = `${stage.namespace}/gpt-4o`;
    this.candidate = candidate;
    this.#tick();
    this.#timer = setInterval(() => this.#tick(), 200).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    for (const proxy of this.proxies) {
      const { rounds, errors } = this.#counts.get(proxy) ?? { rounds: 0, errors: 0 };
      const counts = { rounds: rounds + 1, errors: errors + this.candidate.errors };
      this.#counts.set(proxy, counts);
      proxy.instance ||= `instance-${this.#instances++}`;
      proxy.measures = [
        this.#row("openai", "live", counts.rounds * 200, 0),
        this.#row("other", "live", counts.rounds * 100, counts.errors),
        this.#row("other", "shadow", counts.rounds * 100, counts.errors),
      ];
    }
  }

  #row(backend: string, arm: string, requests: number, errors: number): object {
    const latency = { [bucketOf(800)]: requests - errors };
    return { route: this.#route, backend, arm, ...NOTHING_MEASURED, requests, errors, latency };
  }
}

export const ANALYSIS = {
  interval: "1s",
  failureLimit: 1,
  minRequests: 20,
  metrics: [{ name: "ErrorPercent", max: "2.0" }],
};

export function rollout(steps: readonly object[], changes: object = {}) {
  const written = { stable: "openai", candidate: "other", steps, analysis: ANALYSIS, ...changes };
  return route("gpt-4o", { openai: 1, other: 1 }, { rollout: written });
}

export async function memoryOf(stage: Stage): Promise<Shown | undefined> {
  const { status } = (await stage.get("AIRoute", "gpt-4o")) as { status?: { rollout?: Shown } };
  return status?.rollout;
}

export async function untilRollout(stage: Stage, what: string, is: (memory: Shown) => boolean): Promise<Shown> {
  let seen: Shown | undefined;
  await waitFor(what, IN_TIME, async () => {
    seen = await memoryOf(stage);
    return seen !== undefined && is(seen);
  }).catch((error: Error) => {
    throw new Error(`${error.message}; it is ${JSON.stringify(seen)}`);
  });
  return seen as Shown;
}

/** Null takes it away. */
export async function annotate(stage: Stage, value: string | null, name = "promoted-step"): Promise<void> {
  const body = { metadata: { annotations: { [`tandem.dev/${name}`]: value } } };
  const path = pathOf("AIRoute", stage.namespace, "gpt-4o");
  const answer = await stage.server.call("PATCH", path, body, { contentType: "application/merge-patch+json" });
  assert.equal(answer.status, 200);
}

export async function weightsOf(stage: Stage): Promise<string> {
  const { status } = (await stage.get("AIRoute", "gpt-4o")) as { status?: { weights?: string } };
  return status?.weights ?? "";
}
