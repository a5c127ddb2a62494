/**
 * Does the gateway lose nothing, double nothing and keep nothing, while providers fail, objects change and callers leave?
 *
 * In phases: one of the providers fails at random or altogether, the other is well, and they change places. So every caller
 * must get one whole answer. Between phases everything comes to rest, and the process is asked what it holds.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunningSimulator } from "../../simulators/main.ts";
import { type Held, Inside } from "./inside.ts";
import { type Asked, askOnce, randomFrom } from "./soak-traffic.ts";
import { MOST_ATTEMPTS, type SoakWorld, startSoakWorld } from "./soak-world.ts";

export interface SoakOptions {
  readonly ms: number;
  readonly seed: number;
  readonly callers: number;
  /** Milliseconds. */
  readonly phase: number;
  readonly editEvery: number;
}

const MEBIBYTE = 1024 ** 2;
/** What may happen to each request at the provider whose turn it is: one in so many gets each. */
const FAULTS = [
  ...["500", "502", "503", "503-html", "408", "429;retry-after-ms=100", "429-capacity;retry-after-ms=100", "404"],
  ...["empty", "wrong-content-type", "reset", "slow-first-byte;ms=300", "slow-first-token;ms=300"],
  ...["cut;after=1", "cut;after=20", "clean-end;after=7", "no-done", "error-event;after=0"],
];
const PROBABILITY = 0.02;
/** What only a time limit ends. */
const SILENCES = ["silence", "stall;after=5"];
const SILENT = 0.002;
/** Every so many phases the provider fails altogether. */
const OUTAGE_EVERY = 4;
const REST_WITHIN = 60_000;

export async function soak(t: TestContext, options: SoakOptions): Promise<void> {
  const world = await startSoakWorld();
  const inside = await Inside.of(world.gateway);
  const ledger = new Ledger();
  const held: Held[] = [];
  const began = performance.now();
  for (let phase = 0; performance.now() - began < options.ms; phase++) {
    const { openai, azure } = world.simulators;
    const failing = phase % 2 === 0 ? openai : azure;
    makeFail(failing, phase, options.seed);
    await askFor(world, ledger, phase, options);
    for (const simulator of [openai, azure]) ledger.read(simulator);
    await fetch(`${failing.url}/_sim/faults`, { method: "DELETE" });
    await rest(world);
    held.push(await inside.held());
  }
  inside.close();
  ledger.tell(t, performance.now() - began);
  for (const [n, one] of held.entries()) if (n % Math.ceil(held.length / 20) === 0) t.diagnostic(lineOf(one));
  if (held.length > 0) t.diagnostic(`at the end: ${lineOf(held.at(-1) as Held)}`);
  ledger.assertClean(world.gateway.stdout());
  assertFlat(held);
}

function makeFail(simulator: RunningSimulator, phase: number, seed: number): void {
  const match = { operation: "chat.completions" };
  if (phase % OUTAGE_EVERY === OUTAGE_EVERY - 1) {
    simulator.fault({ match, fault: "reset" });
    return;
  }
  for (const [n, fault] of [...FAULTS, ...SILENCES].entries()) {
    const probability = SILENCES.includes(fault) ? SILENT : PROBABILITY;
    simulator.fault({ match, fault, probability, seed: seed + phase * 100 + n });
  }
}

async function askFor(world: SoakWorld, ledger: Ledger, phase: number, options: SoakOptions): Promise<void> {
  const until = performance.now() + options.phase;
  const callers = Array.from({ length: options.callers }, async (_, caller) => {
    const random = randomFrom(options.seed + phase * 1000 + caller);
    for (let n = 0; performance.now() < until; n++) {
      ledger.asked(await askOnce(world, `soak-${phase}-${caller}-${n}.`, random));
    }
  });
  const edits = (async () => {
    while (performance.now() + options.editEvery < until) {
      await sleep(options.editEvery);
      await world.edit();
    }
  })();
  const reading = setInterval(() => {
    for (const simulator of [world.simulators.openai, world.simulators.azure]) ledger.read(simulator);
  }, 500);
  await Promise.all([...callers, edits]);
  clearInterval(reading);
}

/** Nothing is in flight, and breakers and rate limits have had their time. */
async function rest({ gateway }: SoakWorld): Promise<void> {
  const began = performance.now();
  for (;;) {
    const { inFlight } = (await (await fetch(`${gateway.adminUrl}/status`)).json()) as { inFlight: number };
    if (inFlight === 0) break;
    assert.ok(performance.now() - began < REST_WITHIN, `${inFlight} requests have not ended`);
    await sleep(50);
  }
  await sleep(1_100);
}

/** What was asked, and what came to the providers of it. */
class Ledger {
  readonly #problems: Asked[] = [];
  readonly #kinds = new Map<string, number>();
  readonly #seen = new Set<string>();
  /** Requests at providers, by the caller's name for it: all, and those that got a whole answer. */
  readonly #sent = new Map<string, number>();
  readonly #open = new Map<string, Asked>();
  #asked = 0;
  #attempts = 0;
  #most = 0;

  asked(asked: Asked): void {
    this.#asked++;
    this.#kinds.set(asked.kind, (this.#kinds.get(asked.kind) ?? 0) + 1);
    if (asked.problem !== undefined) this.#problems.push(asked);
    this.#open.set(asked.name, asked);
  }

  read(simulator: RunningSimulator): void {
    for (const { id, body, operation } of simulator.requests()) {
      const key = `${simulator.port} ${id}`;
      if (operation !== "chat.completions" || this.#seen.has(key)) continue;
      const name = /"user":"(soak-[^"]+)"/.exec(body ?? "")?.[1];
      // It is still being read.
      if (name === undefined) continue;
      this.#seen.add(key);
      this.#attempts++;
      const sent = (this.#sent.get(name) ?? 0) + 1;
      this.#sent.set(name, sent);
      this.#most = Math.max(this.#most, sent);
    }
  }

  tell(t: TestContext, ms: number): void {
    const kinds = [...this.#kinds].map(([kind, count]) => `${count} ${kind}`).join(", ");
    t.diagnostic(`${Math.round(ms / 1000)} s, ${this.#asked} requests (${kinds}), ${this.#problems.length} problems`);
    t.diagnostic(
      `${this.#attempts} requests at providers, ${(this.#attempts / this.#asked).toFixed(2)} for one, at most ${this.#most}`,
    );
  }

  assertClean(accessLog: string): void {
    const told = this.#problems.slice(0, 10).map(({ name, problem, id }) => {
      const line = id === undefined ? "" : accessLog.split("\n").find((one) => one.includes(id));
      return `${name} ${problem} ${line}`;
    });
    assert.deepEqual(told, [], `${this.#problems.length} requests were not answered whole`);
    assert.ok(this.#attempts > this.#asked, "nothing failed: this shows nothing");
    for (const [name, { kind, attempts }] of this.#open) {
      const sent = this.#sent.get(name) ?? 0;
      if (kind === "leaves") continue;
      // A stream that went on elsewhere had sent its headers before.
      assert.ok(
        sent >= 1 && (kind.includes("stream") || sent <= attempts),
        `${name}, ${kind}: ${sent} sent, ${attempts} said`,
      );
      assert.ok(sent <= MOST_ATTEMPTS + 1, `${name}: ${sent} sent`);
    }
  }
}

/** The middle of the last third is hardly above the middle of the first, once all ways have been gone. */
function assertFlat(all: readonly Held[]): void {
  const held = all.slice(Math.min(4, Math.floor(all.length / 3)));
  const third = Math.max(1, Math.floor(held.length / 3));
  const [early, late] = [held.slice(0, third), held.slice(-third)];
  const middle = (some: readonly Held[], name: keyof Held) =>
    some.map((one) => one[name]).sort((a, b) => a - b)[Math.floor(some.length / 2)] as number;
  const room: Record<keyof Held, (before: number) => number> = {
    heap: (before) => before * 1.1 + 6 * MEBIBYTE,
    resident: (before) => before * 1.2 + 48 * MEBIBYTE,
    timers: (before) => before + 20,
    sockets: (before) => before + 64,
    descriptors: (before) => before + 64,
  };
  for (const name of Object.keys(room) as (keyof Held)[]) {
    const [before, now] = [middle(early, name), middle(late, name)];
    assert.ok(now <= room[name](before), `${name} grew from ${before} to ${now}`);
  }
}

function lineOf({ heap, resident, timers, sockets, descriptors }: Held): string {
  const mebibytes = (bytes: number) => `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
  return `heap ${mebibytes(heap)}, resident ${mebibytes(resident)}, ${timers} timers, ${sockets} sockets, ${descriptors} descriptors`;
}
