/** How do tests see what a shadow gets, and what is counted of it? */
import { setTimeout as sleep } from "node:timers/promises";
import type { RecordedRequest, RunningSimulators, SimulatorOptions } from "../../simulators/main.ts";
import { type Harness, type HarnessOptions, object } from "../proxy/harness.ts";
import { azureProvider, client, gatewayOver, MODELS, openaiProvider, simulators } from "./over-simulators.ts";

export interface Day {
  readonly route: string;
  readonly backend: string;
  readonly date: string;
  readonly copied: number;
  readonly dropped: number;
  readonly compared: number;
  readonly different: number;
  readonly noiseCompared: number;
  readonly noiseDifferent: number;
  readonly tokens: number;
}

export interface World {
  readonly harness: Harness;
  readonly running: RunningSimulators;
  readonly live: () => readonly RecordedRequest[];
  readonly copies: () => readonly RecordedRequest[];
  day(): Promise<Day | undefined>;
  /** By the metric's name and labels, as written. */
  count(series: string): Promise<number>;
  /** Waits until so many drawn requests have come to an end of whatever kind. */
  settled(drawn: number): Promise<void>;
}

export interface Setting {
  readonly shadow?: object;
  readonly route?: object;
  readonly openai?: object;
  readonly azure?: object;
  readonly client?: object;
  readonly simulators?: SimulatorOptions;
  readonly own?: Parameters<typeof simulators>[1];
  readonly gateway?: Partial<HarnessOptions>;
}

const DATED = "2025-04-01-preview";
const LIMIT = 15_000;

export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + LIMIT;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`not within ${LIMIT} ms: ${what}`);
    await sleep(10);
  }
}

/** OpenAI answers, Azure gets the copies: manifest 03 in small, with every request copied. */
export async function world(setting: Setting = {}): Promise<World> {
  const running = await simulators({ keepRequests: 5_000, ...setting.simulators }, setting.own);
  const route = object("AIRoute", "chat", {
    models: Object.keys(MODELS),
    backends: [
      { name: "live", providerRef: { name: "openai" } },
      { name: "copy", providerRef: { name: "azure" }, weight: 0 },
    ],
    failover: { retrySameProvider: 0, fallbackToNext: true },
    shadow: { backend: "copy", percent: 100, ...setting.shadow },
    ...setting.route,
  });
  const objects = [openaiProvider(setting.openai), azureProvider(DATED, setting.azure), route, client(setting.client)];
  const harness = await gatewayOver(running, objects, setting.gateway);
  const metrics = async () => (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
  // Health checks are GETs.
  const isAsked = ({ method }: RecordedRequest) => method === "POST";
  const made: World = {
    harness,
    running,
    live: () => running.openai.requests().filter(isAsked),
    copies: () => running.azure.requests().filter(isAsked),
    async day() {
      const summary = await (await fetch(`${harness.gateway.adminUrl}/status/summary`)).json();
      return (summary as { shadows: Day[] }).shadows.at(-1);
    },
    async count(series) {
      const line = (await metrics()).split("\n").find((one) => one.startsWith(`${series} `));
      return Number(line?.slice(series.length + 1) ?? 0);
    },
    settled: (drawn) =>
      until(`${drawn} drawn`, async () => {
        const lines = (await metrics()).split("\n").filter((line) => line.startsWith("tandem_shadow_total{"));
        return lines.reduce((sum, line) => sum + Number(line.replace(/^.* /, "")), 0) >= drawn;
      }),
  };
  return made;
}

export const outcome = (name: string) => `tandem_shadow_total{route="ai/chat",outcome="${name}"}`;
export const compared = (result: string, aspect = "any") =>
  `tandem_shadow_comparisons_total{route="ai/chat",result="${result}",aspect="${aspect}"}`;

export async function ask({ harness }: World, body: object = {}, headers = {}): Promise<Response> {
  const response = await harness.chat(body, headers);
  await response.arrayBuffer();
  return response;
}
