/**
 * What is known of how fast the backends of routes with strategy Latency answer?
 *
 * Kept over reloads by the names of routes, models, backends and providers, in this proxy. Bounded in models, in
 * callers' locations and in all that is kept by location.
 */
import type { Route, RoutingTable } from "../../routing/table.ts";
import { Length } from "./length.ts";
import { MEASURES, type Measure, Meter, type Room } from "./meter.ts";
import type { SeriesState } from "./series.ts";

/** Under `*` callers choose the names; what comes after so many shares what it knows. */
const MOST_GROUPS = 1024;
/** Series by location, half a kilobyte each. */
const MOST_SERIES = 16_384;
/** The callers' locations that are told apart at a time. */
const MOST_LOCATIONS = 32;
/** Where callers are of whom nothing is known, and those of locations beyond the 32. No name of a location. */
export const NOWHERE = "unknown";
export const ELSEWHERE = "*";
/** A location gives up its place when nobody called from it for so long (milliseconds). */
const DESERTED = 3_600_000;
/** Lines of `/status`, and of a metric. */
const MOST_SHOWN = 2_000;

/** What the backends of a route for one model have in common: they are compared. */
export interface Group {
  readonly lengths: Readonly<Record<Measure, Length>>;
}

/** One backend of a group. */
export interface Timing {
  readonly group: Group;
  readonly meter: Meter;
}

interface Known extends Timing {
  readonly route: string;
  readonly model: string;
  readonly backend: string;
  readonly provider: string;
}

/** One line of `/status`. Milliseconds. */
export interface ShownLatency extends SeriesState {
  readonly route: string;
  readonly model: string;
  readonly backend: string;
  readonly provider: string;
  readonly measure: Measure;
  /** The callers'; null: of all. */
  readonly location: string | null;
  readonly inFlight: number;
}

export class Latencies {
  readonly #groups = new Map<string, Group>();
  readonly #known = new Map<string, Known>();
  /** By name: when somebody called from there last. */
  readonly #locations = new Map<string, number>();
  readonly #room: Room = { left: MOST_SERIES };
  /** Of the table in force; the others' models are not names that a metric may show. */
  #routes: ReadonlyMap<string, Route> = new Map();

  timingOf(route: string, model: string, backend: string, provider: string): Timing {
    const shared = `${route}\n${model}`;
    const isKept = this.#groups.has(shared) || this.#groups.size < MOST_GROUPS;
    const name = isKept ? model : "*";
    const key = `${route}\n${name}\n${backend}\n${provider}`;
    const known = this.#known.get(key);
    if (known) return known;
    const group = this.#groupOf(`${route}\n${name}`);
    const made = { route, model: name, backend, provider, group, meter: new Meter(this.#room) };
    this.#known.set(key, made);
    return made;
  }

  #groupOf(name: string): Group {
    const known = this.#groups.get(name);
    if (known) return known;
    const group = { lengths: { firstToken: new Length(), stream: new Length(), answer: new Length() } };
    this.#groups.set(name, group);
    return group;
  }

  /** Under which name a caller's location is kept. */
  placeOf(location: string | undefined, now: number): string {
    const name = location ?? NOWHERE;
    if (!this.#locations.has(name) && this.#locations.size >= MOST_LOCATIONS - 1 && !this.#makePlace(now)) {
      return ELSEWHERE;
    }
    this.#locations.set(name, now);
    return name;
  }

  #makePlace(now: number): boolean {
    for (const [name, lastAt] of this.#locations) {
      if (now - lastAt < DESERTED) continue;
      this.#locations.delete(name);
      for (const { meter } of this.#known.values()) meter.forget(name);
      return true;
    }
    return false;
  }

  /** Of routes and backends that are in no table any more nothing is known. */
  sweep({ routes }: RoutingTable): void {
    this.#routes = new Map(routes.filter(({ strategy }) => strategy === "Latency").map((route) => [route.key, route]));
    for (const [key, { route, backend, provider, meter }] of this.#known) {
      const backends = this.#routes.get(route)?.backends;
      if (backends?.some((one) => one.name === backend && one.provider === provider)) continue;
      for (const location of meter.locations()) meter.forget(location);
      this.#known.delete(key);
    }
    for (const name of this.#groups.keys()) {
      if (!this.#routes.has(name.slice(0, name.indexOf("\n")))) this.#groups.delete(name);
    }
  }

  /** What was measured, of all callers and by their location. */
  shown(now: number): readonly ShownLatency[] {
    const lines: ShownLatency[] = [];
    for (const { route, model, backend, provider, meter } of this.#known.values()) {
      for (const location of [null, ...meter.locations()]) {
        for (const measure of MEASURES) {
          const series = location === null ? meter.all[measure] : meter.seriesAt(location, measure);
          if (series === undefined || series.fresh === 0) continue;
          if (lines.length >= MOST_SHOWN) return lines;
          const { inFlight } = meter;
          const estimate = meter.estimate(measure, location ?? undefined, now);
          const state = { ...series.stateAt(now), estimate };
          lines.push({ route, model, backend, provider, measure, location, ...rounded(state), inFlight });
        }
      }
    }
    return lines;
  }

  /** For the metric: only of models that the route names. */
  named(now: number): readonly ShownLatency[] {
    return this.shown(now).filter(({ route, model }) => this.#routes.get(route)?.models.includes(model));
  }
}

const DIGITS = 4;

function rounded({ estimate, p50, p95, samples, silence }: SeriesState): SeriesState {
  const round = (value: number) => Number(value.toPrecision(DIGITS));
  return {
    estimate: round(estimate),
    p50: round(p50),
    p95: round(p95),
    samples: Math.round(samples),
    silence: Math.round(silence),
  };
}
