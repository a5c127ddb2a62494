/**
 * How is one interleaved run done? Rounds; in each round all targets are started afresh, then every scenario visits them one after
 * another, so that a drift of the machine meets all of them alike.
 */

import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { LoadResult } from "./caller.ts";
import type { Order } from "./load.ts";
import { cpuSeconds, foreignSeconds, memory, processTree } from "./measure.ts";
import { openFiles, Peer } from "./processes.ts";
import type { Results, Sample } from "./results.ts";
import { IDLE_STREAM_BODY, type Scenario } from "./scenarios.ts";
import { DIRECT, HEADERS, PATH, startTarget, type Target, Unavailable } from "./targets.ts";
import { type Answer, type API, PATHS, payloadSize } from "./traffic.ts";

export interface Plan {
  readonly rounds: number;
  /** Length of one sample. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly scenarios: readonly Scenario[];
  readonly targets: readonly string[];
  readonly external: readonly Target[];
  readonly headers: Readonly<Record<string, string>>;
  /** 0: leave the phase out. */
  readonly idleStreams: number;
  readonly upstreamPort: number;
  readonly profile: boolean;
  readonly folder: string;
  readonly progress: (line: string) => void;
}

/** After it is ready and before its memory is read; collectors and timers of the start have run by then. */
const IDLE_SETTLE_MS = 2_000;
/** Files that a process needs beside its connections. */
const SPARE_FILES = 200;

export async function measure(plan: Plan): Promise<Results> {
  const upstream = new Peer("upstream.ts", [String(plan.upstreamPort)]);
  const { port } = await upstream.next<{ port: number }>();
  const bench = new Bench(plan, upstream, port);
  try {
    for (let round = 1; round <= plan.rounds; round += 1) await bench.round(round);
    if (plan.idleStreams > 0) await bench.holdStreams();
    return bench.results;
  } finally {
    await bench.close();
  }
}

class Bench {
  readonly results: Results = { samples: [], starts: [], idleStreams: [], logs: [], missing: {} };
  readonly #plan: Plan;
  readonly #upstream: Peer;
  readonly #port: number;
  readonly #load = new Peer("load.ts");
  /** Right answers of each target since its start, those of warm-ups included. */
  readonly #answered = new Map<string, number>();

  constructor(plan: Plan, upstream: Peer, port: number) {
    this.#plan = plan;
    this.#upstream = upstream;
    this.#port = port;
  }

  async close(): Promise<void> {
    await Promise.all([this.#load.stop(), this.#upstream.stop()]);
  }

  async round(round: number): Promise<void> {
    await this.#upstream.ask({ kind: "json" } satisfies Answer);
    const targets = await this.#startAll(round);
    try {
      for (const scenario of this.#plan.scenarios) {
        await this.#upstream.ask(scenario.answer);
        // Another one goes first in each round, so that no target always follows the same one.
        const turn = round % targets.length;
        for (const target of [...targets.slice(turn), ...targets.slice(0, turn)]) {
          const sample = await this.#sample(round, scenario, target);
          this.results.samples.push(sample);
          this.#plan.progress(progressLine(sample));
        }
      }
    } finally {
      for (const target of targets) await this.#end(target, round);
    }
  }

  async #end(target: Target, round: number): Promise<void> {
    await target.close();
    const { name, accessLog } = target;
    if (accessLog === undefined) return;
    const lines = Number(execFileSync("wc", ["-l", accessLog]).toString().split(" ", 1)[0]);
    this.results.logs.push({ target: name, round, requests: this.#answered.get(name) ?? 0, lines });
    this.#answered.delete(name);
    rmSync(accessLog);
  }

  async #startAll(round: number): Promise<Target[]> {
    const direct: Target = {
      name: DIRECT,
      host: "127.0.0.1",
      port: this.#port,
      path: PATH,
      pids: [],
      readySeconds: undefined,
      accessLog: undefined,
      close: async () => {},
    };
    const started = this.#plan.targets.includes(DIRECT) ? [direct] : [];
    for (const name of this.#plan.targets.filter((name) => name !== DIRECT)) {
      const target = await this.#tryToStart(name, `round-${round}`);
      if (target === undefined) continue;
      started.push(target);
      await sleep(IDLE_SETTLE_MS);
      this.results.starts.push({
        round,
        target: name,
        readySeconds: target.readySeconds as number,
        idle: memory(target.pids),
      });
    }
    return [...started, ...this.#plan.external];
  }

  async #tryToStart(name: string, place: string): Promise<Target | undefined> {
    if (this.results.missing[name] !== undefined) return undefined;
    try {
      return await startTarget(name, join(this.#plan.folder, place, name), this.#port, this.#plan.profile);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      this.results.missing[name] = error.message;
      this.#plan.progress(`${name}: ${error.message}`);
      return undefined;
    }
  }

  async #sample(round: number, scenario: Scenario, target: Target): Promise<Sample> {
    const order = (seconds: number): Order => ({
      ...this.#orderFor(target, scenario.body.api),
      body: scenario.body,
      payload: payloadSize(scenario.answer),
      pattern: { ...scenario.pattern, seconds },
    });
    if (this.#plan.warmUpSeconds > 0) await this.#run(target, order(this.#plan.warmUpSeconds));
    const own = [process.pid, this.#load.pid, this.#upstream.pid, ...target.pids];
    const before = { target: cpuSeconds(target.pids), foreign: foreignSeconds(own), at: performance.now() };
    const result = await this.#run(target, order(this.#plan.seconds));
    const seconds = (performance.now() - before.at) / 1000;
    const used = cpuSeconds(target.pids) - before.target;
    const foreign = foreignSeconds(own) - before.foreign;
    const known = target.pids.length > 0 && result.requests > 0;
    return {
      ...result,
      round,
      scenario: scenario.name,
      target: target.name,
      cpuMicros: known ? (used * 1e6) / result.requests : undefined,
      cpuShare: known ? used / seconds : undefined,
      foreignCores: foreign / seconds,
      memory: known ? memory(target.pids) : undefined,
    };
  }

  async #run(target: Target, order: Order): Promise<LoadResult> {
    const result = await this.#load.ask<LoadResult>(order);
    this.#answered.set(target.name, (this.#answered.get(target.name) ?? 0) + result.requests);
    return result;
  }

  #orderFor(target: Target, api: API = "chat"): Pick<Order, "host" | "port" | "path" | "headers"> {
    const path = target.path === PATH ? PATHS[api] : target.path;
    return { host: target.host, port: target.port, path, headers: { ...HEADERS, ...this.#plan.headers } };
  }

  /** Each target alone, on a fresh process. */
  async holdStreams(): Promise<void> {
    // A proxy has two connections for each stream.
    const possible = Math.floor((openFiles() - SPARE_FILES) / 2);
    const streams = Math.min(this.#plan.idleStreams, possible);
    if (streams < this.#plan.idleStreams) {
      this.#plan.progress(`only ${streams} idle streams: the limit of open files (ulimit -n) is ${openFiles()}`);
    }
    for (const name of this.#plan.targets.filter((name) => name !== DIRECT)) {
      await this.#upstream.ask({ kind: "json" } satisfies Answer);
      const target = await this.#tryToStart(name, "idle-streams");
      if (target === undefined) continue;
      await this.#upstream.ask({ kind: "idle" } satisfies Answer);
      const pattern = { kind: "hold", streams } as const;
      const order: Order = { ...this.#orderFor(target), body: IDLE_STREAM_BODY, payload: undefined, pattern };
      const held = await this.#load.ask<LoadResult>(order);
      const used = memory(processTree(target.pids[0] as number));
      this.results.idleStreams.push({ target: name, streams: held.requests, memory: used, error: held.firstError });
      this.#plan.progress(`idle streams, ${name}: ${held.requests} held, ${Math.round(used.rss / 1e6)} MB RSS`);
      await target.close();
    }
  }
}

function progressLine(sample: Sample): string {
  const cpu = sample.cpuMicros === undefined ? "" : `, ${sample.cpuMicros.toFixed(1)} µs CPU`;
  const errors = sample.errors > 0 ? `, ${sample.errors} ERRORS: ${sample.firstError}` : "";
  const rate = (sample.requests / sample.seconds).toFixed(0);
  return `round ${sample.round}, ${sample.scenario}, ${sample.target}: ${rate}/s${cpu}, p50 ${sample.p50.toFixed(3)} ms, foreign ${sample.foreignCores.toFixed(2)}${errors}`;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
