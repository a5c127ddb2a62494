/**
 * What does a run leave behind? Every sample and state, before anything is left out or averaged.
 */

import type { LoadResult } from "./caller.ts";
import type { Memory } from "./measure.ts";

export interface Sample extends LoadResult {
  readonly round: number;
  readonly scenario: string;
  readonly target: string;
  /** Microseconds of the target's process tree for each request; undefined when its processes are not known. */
  readonly cpuMicros: number | undefined;
  /** Share of one core that the target used. */
  readonly cpuShare: number | undefined;
  /** Cores that processes outside of this benchmark used meanwhile. */
  readonly foreignCores: number;
  readonly memory: Memory | undefined;
}

export interface Start {
  readonly round: number;
  readonly target: string;
  readonly readySeconds: number;
  readonly idle: Memory;
}

export interface IdleStreams {
  readonly target: string;
  readonly streams: number;
  readonly memory: Memory;
  readonly error: string | undefined;
}

/** Whether the access log was on: a line for each request, unless lines were dropped. */
export interface LogCheck {
  readonly target: string;
  readonly round: number;
  readonly requests: number;
  readonly lines: number;
}

export interface Results {
  readonly samples: Sample[];
  readonly starts: Start[];
  readonly idleStreams: IdleStreams[];
  readonly logs: LogCheck[];
  /** Targets that could not run, with the reason. */
  readonly missing: Record<string, string>;
}
