/**
 * What does one ended request add to the counters?
 *
 * Nearly everything is found through one cell per (route, provider, backend, model), looked up once. Label values come
 * from configuration only: a model name that no table names becomes `other`.
 */
import type { Cost, CostKind } from "../../routing/cost.ts";
import { ERRORS } from "../errors.ts";
import type { AttemptRecord, Exchange, Usage } from "../exchange.ts";
import { Histogram, type Percentiles, Recent } from "./histogram.ts";
import { overheadOf } from "./overhead.ts";

/** Seconds. A gateway's own work is tens of microseconds; answers of reasoning models take minutes. */
const OVERHEAD_BOUNDS = [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const DURATION_BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600];
const FIRST_TOKEN_BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 20, 30, 60];

/** A guard against label explosion; a configuration that needs more gets `other`. */
const MAX_CELLS = 2_000;
const MAX_CLIENTS_PER_CELL = 1_000;
/** Clients times results. */
const MAX_LIMITS = 4_000;

/** Answered to nobody: the caller had gone (nginx's code, which dashboards know). */
const CLIENT_CLOSED = 499;
const OTHER = "other";
const ANONYMOUS = "anonymous";

/** Where a request went: the labels that most metrics share, in their order. */
export type Place = Readonly<Record<"route" | "provider" | "backend" | "model", string>>;

export type TokenCount = Exclude<keyof Usage, "estimated" | "seconds">;

export class Cell {
  readonly place: Place;
  readonly statuses = new Map<number, number>();
  readonly duration = new Histogram(DURATION_BOUNDS);
  readonly firstToken = new Histogram(FIRST_TOKEN_BOUNDS);
  readonly overhead = new Histogram(OVERHEAD_BOUNDS);
  readonly decisions = new Map<string, number>();
  readonly tokens = new Map<string, Record<TokenCount, number>>();
  /** Nano-dollars by client and kind. */
  readonly costs = new Map<string, Partial<Record<CostKind, number>>>();
  readonly recentAnswers = new Recent();
  readonly recentFirstTokens = new Recent();

  constructor(place: Place) {
    this.place = place;
  }
}

/** Latencies of one backend and model that were seen lately. */
export interface BackendLatency extends Place {
  /** Whole answers that are not streams. */
  readonly answer: Percentiles | undefined;
  /** From the attempt's start to a stream's first token. */
  readonly firstToken: Percentiles | undefined;
}

export class Counts {
  readonly cells = new Map<string, Cell>();
  /** Keys of these are label values, see `labelsOf`. */
  readonly attempts = new Map<string, number>();
  readonly failovers = new Map<string, number>();
  readonly errors = new Map<string, number>();
  readonly exclusions = new Map<string, number>();
  readonly unpriced = new Map<string, number>();
  readonly hedges = new Map<string, number>();
  /** What clients' limits said. */
  readonly limits = new Map<string, number>();
  readonly hedgedTokens = new Map<string, number>();
  /** Of all tokens, those that no provider counted. */
  readonly estimated = { input: 0, output: 0 };
  #models: ReadonlySet<string> = new Set();

  /** These names of models may be label values from now on. */
  useNames(models: ReadonlySet<string>): void {
    this.#models = models;
  }

  isNamed(model: string): boolean {
    return this.#models.has(model);
  }

  record(exchange: Exchange): void {
    const { attempts, startedAt, outcome } = exchange;
    const endedAt = exchange.endedAt ?? performance.now();
    const last = attempts.at(-1);
    const cell = this.#cellOf(exchange, last);
    const unanswered = outcome === "client_closed" && exchange.firstByteAt === undefined;
    increment(cell.statuses, unanswered ? CLIENT_CLOSED : exchange.status);
    cell.duration.observe((endedAt - startedAt) / 1000);
    cell.overhead.observe(overheadOf(exchange) / 1000);
    if (exchange.decision !== undefined) increment(cell.decisions, exchange.decision);
    if (exchange.usage !== undefined) this.#recordUsage(cell, exchange.client ?? ANONYMOUS, exchange.usage);
    if (exchange.costKinds !== undefined) addCost(cell, exchange.client ?? ANONYMOUS, exchange.costKinds);
    if (exchange.unpriced) increment(this.unpriced, keyOf(cell.place.provider, cell.place.model));
    if (exchange.limit !== undefined) this.#recordLimit(exchange.client ?? ANONYMOUS, exchange.limit);
    if (last !== undefined) recordLatency(exchange, last, cell);
    this.#recordAttempts(exchange);
    if (exchange.hedge !== undefined) this.#recordHedge(exchange, exchange.hedge);
    if (outcome !== "ok" && outcome !== "client_closed") this.#recordError(exchange, cell.place, last);
    for (const { backend, reason } of exchange.excluded ?? []) {
      increment(this.exclusions, keyOf(exchange.route ?? "", backend, reason));
    }
  }

  #recordLimit(client: string, result: string): void {
    const key = keyOf(client, result);
    increment(this.limits, this.limits.has(key) || this.limits.size < MAX_LIMITS ? key : keyOf(OTHER, result));
  }

  /** A copy was answered, and its cost is not known. */
  unpricedCopy(provider: string, model: string): void {
    increment(this.unpriced, keyOf(provider, this.#bounded(model)));
  }

  latencies(): BackendLatency[] {
    const now = performance.now();
    const latencies: BackendLatency[] = [];
    for (const { place, recentAnswers, recentFirstTokens } of this.cells.values()) {
      const answer = recentAnswers.percentiles(now);
      const firstToken = recentFirstTokens.percentiles(now);
      if (answer || firstToken) latencies.push({ ...place, answer, firstToken });
    }
    return latencies;
  }

  #recordUsage(cell: Cell, client: string, usage: Usage): void {
    addUsage(cell, client, usage);
    if (!usage.estimated) return;
    this.estimated.input += usage.input;
    this.estimated.output += usage.output;
  }

  /** An attempt that was broken off: paid beside the answer. */
  #recordPaid(exchange: Exchange, attempt: AttemptRecord, usage: Usage): void {
    const cell = this.#cellOf(exchange, attempt);
    const client = exchange.client ?? ANONYMOUS;
    this.#recordUsage(cell, client, usage);
    if (attempt.costKinds !== undefined) addCost(cell, client, attempt.costKinds);
    if (attempt.unpriced) increment(this.unpriced, keyOf(cell.place.provider, cell.place.model));
  }

  #recordAttempts(exchange: Exchange): void {
    let before: AttemptRecord | undefined;
    for (const attempt of exchange.attempts) {
      if (attempt.usage) this.#recordPaid(exchange, attempt, attempt.usage);
      increment(this.attempts, keyOf(attempt.provider, this.#modelOf(attempt), attempt.outcome ?? "aborted"));
      if (before !== undefined && before.backend !== attempt.backend && before.outcome !== "superseded") {
        increment(
          this.failovers,
          keyOf(exchange.route ?? "", before.backend, attempt.backend, before.outcome ?? OTHER),
        );
      }
      before = attempt;
    }
  }

  /** What the attempts that were broken off are taken to cost stands by itself, too. */
  #recordHedge(exchange: Exchange, outcome: string): void {
    const route = exchange.route ?? "";
    increment(this.hedges, keyOf(route, outcome));
    for (const attempt of exchange.attempts) {
      if (attempt.usage === undefined || attempt.outcome !== "superseded") continue;
      const { backend, model } = this.#cellOf(exchange, attempt).place;
      add(this.hedgedTokens, keyOf(route, backend, model, "input"), attempt.usage.input);
      add(this.hedgedTokens, keyOf(route, backend, model, "output"), attempt.usage.output);
    }
  }

  #recordError(exchange: Exchange, place: Place, last: AttemptRecord | undefined): void {
    const origin = exchange.errorOrigin ?? (exchange.outcome === "cut" ? "provider" : "gateway");
    const kind = errorClass(exchange, origin, last);
    increment(this.errors, keyOf(place.route, place.provider, place.model, kind, origin));
  }

  #cellOf(exchange: Exchange, last: AttemptRecord | undefined): Cell {
    const route = exchange.route ?? "";
    const provider = last?.provider ?? "";
    const backend = last?.backend ?? "";
    const model = last ? this.#modelOf(last) : route === "" ? "" : this.#bounded(exchange.model ?? "");
    const key = keyOf(route, provider, backend, model);
    const cell = this.cells.get(key);
    if (cell) return cell;
    if (this.cells.size < MAX_CELLS) return this.#addCell(key, { route, provider, backend, model });
    const overflow = keyOf(OTHER, OTHER, OTHER, OTHER);
    const place = { route: OTHER, provider: OTHER, backend: OTHER, model: OTHER };
    return this.cells.get(overflow) ?? this.#addCell(overflow, place);
  }

  #addCell(key: string, place: Place): Cell {
    const cell = new Cell(place);
    this.cells.set(key, cell);
    return cell;
  }

  #modelOf(attempt: AttemptRecord): string {
    return this.#bounded(attempt.model ?? attempt.upstreamModel);
  }

  #bounded(model: string): string {
    return model === "" || this.#models.has(model) ? model : OTHER;
  }
}

function recordLatency(exchange: Exchange, last: AttemptRecord, cell: Cell): void {
  if (!exchange.stream) {
    if (last.outcome !== "ok" || last.endedAt === undefined) return;
    cell.recentAnswers.observe(last.endedAt - last.startedAt, last.endedAt);
    // A first token of an answer that broke off and was gone on with elsewhere is not the last provider's.
  } else if (exchange.firstTokenAt !== undefined && exchange.firstTokenAt >= last.startedAt) {
    cell.firstToken.observe((exchange.firstTokenAt - exchange.startedAt) / 1000);
    cell.recentFirstTokens.observe(exchange.firstTokenAt - last.startedAt, exchange.firstTokenAt);
  }
}

/** Tandem's own code, or what kind of failure the provider's was: never the provider's free text. */
function errorClass(exchange: Exchange, origin: "gateway" | "provider", last: AttemptRecord | undefined): string {
  if (exchange.outcome === "cut") return "cut";
  if (origin === "provider") return last?.outcome ?? OTHER;
  return exchange.errorCode !== undefined && Object.hasOwn(ERRORS, exchange.errorCode) ? exchange.errorCode : OTHER;
}

function addUsage(cell: Cell, client: string, usage: Usage): void {
  const name = cell.tokens.has(client) || cell.tokens.size < MAX_CLIENTS_PER_CELL ? client : OTHER;
  let counts = cell.tokens.get(name);
  if (counts === undefined) {
    counts = {
      input: 0,
      cachedInput: 0,
      output: 0,
      reasoning: 0,
      audioInput: 0,
      audioOutput: 0,
      imageInput: 0,
      imageOutput: 0,
    };
    cell.tokens.set(name, counts);
  }
  counts.input += usage.input;
  counts.cachedInput += usage.cachedInput;
  counts.output += usage.output;
  counts.reasoning += usage.reasoning;
  counts.audioInput += usage.audioInput ?? 0;
  counts.audioOutput += usage.audioOutput ?? 0;
  counts.imageInput += usage.imageInput ?? 0;
  counts.imageOutput += usage.imageOutput ?? 0;
}

function addCost(cell: Cell, client: string, kinds: Cost["kinds"]): void {
  const payer = cell.costs.has(client) || cell.costs.size < MAX_CLIENTS_PER_CELL ? client : OTHER;
  let sums = cell.costs.get(payer);
  if (sums === undefined) {
    sums = {};
    cell.costs.set(payer, sums);
  }
  for (const name in kinds) {
    const kind = name as CostKind;
    sums[kind] = (sums[kind] ?? 0) + (kinds[kind] ?? 0);
  }
}

function increment<K>(map: Map<K, number>, key: K): void {
  add(map, key, 1);
}

function add<K>(map: Map<K, number>, key: K, count: number): void {
  map.set(key, (map.get(key) ?? 0) + count);
}

const SEPARATOR = "\u0000";

/** Concatenation is several times cheaper than an array's join, and this runs several times a request. */
function keyOf(a: string, b: string, c = "", d = "", e = ""): string {
  return a + SEPARATOR + b + SEPARATOR + c + SEPARATOR + d + SEPARATOR + e;
}

/** The label values that a key was made of. */
export function labelsOf(names: readonly string[], key: string): Record<string, string> {
  const values = key.split(SEPARATOR);
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? ""]));
}
