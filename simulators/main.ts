/** How are the simulated providers started, together or alone? */

import { type FaultOrder, readOrder } from "./control.ts";
import { type EntraOptions, type RunningEntra, startEntra } from "./entra/simulator.ts";
import type { SimulatorOptions } from "./options.ts";
import { Simulator } from "./simulator.ts";

export type { FaultOrder } from "./control.ts";
export type { TokenRequestRecord } from "./entra/answers.ts";
export type { EntraFaultOrder } from "./entra/faults.ts";
export type { Application, FederatedCredential } from "./entra/grant.ts";
export type { EntraOptions, RunningEntra } from "./entra/simulator.ts";
export { DEMO_APPLICATION, startEntra } from "./entra/simulator.ts";
export type { SimulatorOptions } from "./options.ts";
export { DEMO_LATENCY, NO_LATENCY } from "./options.ts";

export interface ListenOptions extends SimulatorOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
}

/** A simulator that listens. */
export interface RunningSimulator {
  /** Origin without a path, `http://127.0.0.1:8101`. */
  readonly url: string;
  readonly port: number;
  /** Plans a fault, as `POST /_sim/faults` does. */
  fault(order: FaultOrder): void;
  /** What was received, oldest first, credentials hashed: as in `GET /_sim/requests`. */
  requests(): readonly RecordedRequest[];
  bill(): { readonly totalNanoUsd: string; readonly lines: readonly object[] };
  reset(): void;
  close(): Promise<void>;
}

/** One received request. */
export interface RecordedRequest {
  readonly id: string;
  /** Unix milliseconds. */
  readonly at: number;
  readonly method: string;
  readonly url: string;
  /** Names in lower case; secret values as `sha256:…`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly bodySha256?: string;
  /** With `keepBodyBytes`. */
  readonly body?: string;
  readonly operation?: string;
  readonly model?: string;
  readonly deployment?: string;
  readonly status?: number;
  readonly fault?: string;
  /** Stream events written. */
  readonly events: number;
  /** The caller went away first. */
  readonly aborted: boolean;
  readonly tookMs?: number;
}

export interface SimulatorsOptions {
  readonly openai?: ListenOptions;
  readonly azure?: ListenOptions;
  /** The token service; without it there is none. */
  readonly entra?: EntraOptions;
  /** For both; what `openai` and `azure` say themselves goes first. */
  readonly options?: SimulatorOptions;
}

export interface RunningSimulators {
  readonly openai: RunningSimulator;
  readonly azure: RunningSimulator;
  readonly entra: RunningEntra | undefined;
  readonly openaiUrl: string;
  readonly azureUrl: string;
  close(): Promise<void>;
}

export function startOpenAI(options: ListenOptions = {}): Promise<RunningSimulator> {
  return start("openai", options);
}

export function startAzure(options: ListenOptions = {}): Promise<RunningSimulator> {
  return start("azure", options);
}

export async function startSimulators(options: SimulatorsOptions = {}): Promise<RunningSimulators> {
  const begun: { close(): Promise<void> }[] = [];
  const close = async () => {
    await Promise.all(begun.map((one) => one.close()));
  };
  const begin = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const one = await starting;
    begun.push(one);
    return one;
  };
  try {
    const openai = await begin(startOpenAI({ ...options.options, ...options.openai }));
    const azure = await begin(startAzure({ ...options.options, ...options.azure }));
    const entra = options.entra && (await begin(startEntra(options.entra)));
    return { openai, azure, entra, openaiUrl: openai.url, azureUrl: azure.url, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(name: "openai" | "azure", options: ListenOptions): Promise<RunningSimulator> {
  const { host = "127.0.0.1", port = 0, ...rest } = options;
  const simulator = new Simulator(name, rest);
  await simulator.listen(host, port);
  return {
    url: simulator.url,
    port: simulator.port,
    fault: (order) => simulator.plans.add(readOrder(order)),
    requests: () => simulator.recorder.list() as readonly RecordedRequest[],
    bill: () => simulator.bill.show(),
    reset: () => simulator.reset(),
    close: () => simulator.close(),
  };
}
