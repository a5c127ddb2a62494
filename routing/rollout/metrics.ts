/** What does each metric of an analysis measure, and how well is it known? */
import { NANO_PER_USD } from "../budgets/money.ts";
import { difference, type Estimate, exactly, mean, quantile, share } from "./estimate.ts";
import type { Window } from "./judge.ts";
import type { Measures } from "./measures.ts";

export interface Measured {
  /** What `minRequests` is held against; undefined: nothing. */
  counted(window: Window): { readonly candidate: number; readonly stable: number } | undefined;
  /** Undefined: there is nothing to measure it on. */
  candidate(window: Window, z: number): Estimate | undefined;
  stable(window: Window, z: number): Estimate | undefined;
  /** In the metric's own unit. */
  parse(limit: string): number;
  show(value: number): string;
  /** What is said when there is nothing to measure it on, and whether it then holds where neither side has any. */
  readonly none: string;
  readonly needless: boolean;
  /** In a comparison with stable: so little more is let pass, since a share of almost nothing doubles by one request. */
  readonly grace: number;
}

/** One percentage point. */
const SHARE_GRACE = 0.01;
/** The histogram of speeds holds tokens in 1000 seconds. */
const SPEED_SCALE = 1_000;
const MEDIAN = 0.5;

type OfSide = (measures: Measures, z: number) => Estimate | undefined;

interface BuiltIn {
  readonly of: OfSide;
  readonly unit: Unit;
  readonly none: string;
  readonly needless?: boolean;
}

interface Unit {
  parse(limit: string): number;
  show(value: number): string;
  readonly grace: number;
}

const PERCENT: Unit = {
  parse: (limit) => Number(limit) / 100,
  show: (value) => plain(value * 100, 2),
  grace: SHARE_GRACE,
};
const MILLISECONDS: Unit = { parse: Number, show: (value) => plain(value, 0), grace: 0 };
const USD: Unit = {
  parse: (limit) => Number(limit) * NANO_PER_USD,
  show: (value) => plain(value / NANO_PER_USD, 9),
  grace: 0,
};
const SPEED: Unit = {
  parse: (limit) => Number(limit) * SPEED_SCALE,
  show: (value) => plain(value / SPEED_SCALE, 1),
  grace: 0,
};

const NO_ANSWER = "no answer came whole";
const NO_STREAM = "no stream was measured";

const shareOf =
  (count: keyof Measures, total: keyof Measures): OfSide =>
  (measures, z) =>
    Number(measures[total]) > 0 ? share(Number(measures[count]), Number(measures[total]), z) : undefined;
const percentileOf =
  (name: "latency" | "firstToken" | "speed", p: number): OfSide =>
  (measures, z) =>
    quantile(measures[name], p, z);

const MEASURED_ON_REQUESTS: Readonly<Record<string, BuiltIn>> = {
  ErrorPercent: { of: shareOf("errors", "requests"), unit: PERCENT, none: "no request was measured" },
  RefusalPercent: { of: shareOf("refusals", "requests"), unit: PERCENT, none: "no request was measured" },
  TruncationPercent: { of: shareOf("truncated", "requests"), unit: PERCENT, none: "no request was measured" },
  SchemaFailurePercent: {
    of: shareOf("schemaFailed", "schemaChecked"),
    unit: PERCENT,
    none: "no request asked for JSON or tools",
    needless: true,
  },
  P50LatencyMilliseconds: { of: percentileOf("latency", 0.5), unit: MILLISECONDS, none: NO_ANSWER },
  P95LatencyMilliseconds: { of: percentileOf("latency", 0.95), unit: MILLISECONDS, none: NO_ANSWER },
  P99LatencyMilliseconds: { of: percentileOf("latency", 0.99), unit: MILLISECONDS, none: NO_ANSWER },
  P95FirstTokenMilliseconds: {
    of: percentileOf("firstToken", 0.95),
    unit: MILLISECONDS,
    none: NO_STREAM,
    needless: true,
  },
  TokensPerSecond: { of: percentileOf("speed", MEDIAN), unit: SPEED, none: NO_STREAM, needless: true },
  CostPerRequest: {
    of: ({ priced, nanoUsd, nanoUsdSquared }, z) => mean(priced, nanoUsd, nanoUsdSquared, z),
    unit: USD,
    none: "the cost of no answer is known",
  },
};

const SHADOW_DISAGREEMENT = "ShadowDisagreementPercent";

/** The metrics that need no source beside the proxies. */
export const BUILT_IN: readonly string[] = [...Object.keys(MEASURED_ON_REQUESTS), SHADOW_DISAGREEMENT].sort();

export function measured(name: string): Measured {
  const builtIn = MEASURED_ON_REQUESTS[name];
  if (builtIn !== undefined) return onRequests(builtIn);
  return name === SHADOW_DISAGREEMENT ? DISAGREEMENT : asked(name);
}

function onRequests({ of, unit, none, needless }: BuiltIn): Measured {
  return {
    ...unit,
    counted: ({ candidate, stable }) => ({ candidate: candidate.requests, stable: stable.requests }),
    candidate: ({ candidate }, z) => of(candidate, z),
    stable: ({ stable }, z) => of(stable, z),
    none,
    needless: needless ?? false,
  };
}

/** Pairs that differ, less the share that differs anyway. Its stable side is that share. */
const DISAGREEMENT: Measured = {
  ...PERCENT,
  counted: ({ shadow }) => ({ candidate: shadow?.compared ?? 0, stable: shadow?.compared ?? 0 }),
  candidate({ shadow }, z) {
    if (!shadow || shadow.compared === 0) return undefined;
    const different = share(shadow.different, shadow.compared, z);
    const noise = shadow.noiseCompared > 0 ? share(shadow.noiseDifferent, shadow.noiseCompared, z) : exactly(0);
    return difference(different, noise, 1);
  },
  stable: ({ shadow }, z) =>
    shadow && shadow.noiseCompared > 0 ? share(shadow.noiseDifferent, shadow.noiseCompared, z) : undefined,
  none: "no copy was compared",
  needless: false,
};

/** What a Prometheus server answered is taken as it is. */
function asked(name: string): Measured {
  return {
    counted: () => undefined,
    candidate({ values }) {
      const value = values?.get(name);
      return value === undefined ? undefined : exactly(value);
    },
    stable: () => undefined,
    parse: Number,
    show: (value) => plain(value, 9),
    none: "the query gave no value",
    needless: false,
    grace: 0,
  };
}

/** A decimal number that fits into a status: no exponent, no zeros behind. */
function plain(value: number, digits: number): string {
  const text = value.toFixed(digits);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
