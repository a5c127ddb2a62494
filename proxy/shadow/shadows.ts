/**
 * What becomes of the copies of all routes?
 *
 * Bounds how many are under way and what they use, sends them, has them compared, and counts. A copy that does not fit
 * is dropped, never waited for.
 */
import type { RoutingTable, Shadow } from "../../routing/table.ts";
import { ReplayPool } from "../body/replay-pool.ts";
import type { RequestContext } from "../context.ts";
import type { Usage } from "../exchange.ts";
import type { Measuring } from "../measures/measuring.ts";
import type { Target } from "../snapshot.ts";
import type { UpstreamCall } from "../stages/call.ts";
import type { CopyRecord, ShadowOutcome } from "../telemetry/shadow-counts.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { retryAfter } from "../upstream/retry-after.ts";
import { type Asked, ask } from "./ask.ts";
import { type Answer, type Aspect, answerOf, differences } from "./compare.ts";
import { RouteDays, type ShadowDay } from "./day.ts";
import { expectedOf } from "./eligible.ts";
import type { Judges } from "./judges.ts";
import { KeptPairs, type ShownPair } from "./kept-pairs.ts";
import { Records, type ShownRecord } from "./records.ts";
import { answered, type Sample } from "./sample.ts";

/** Bodies and answers of all copies together. */
const COPY_BYTES = 32 * 1024 * 1024;
/** Milliseconds for which a backend that answered 429 gets no copies, when it names no time. */
const REST = 1_000;
const RATE_LIMITED = 429;

export interface ShadowsOptions {
  readonly telemetry: Telemetry;
  /** Of rollouts, whose candidate is judged by its copies too. */
  readonly measures: Measuring;
  readonly judges: Judges;
  /** Unix milliseconds. */
  readonly clock: () => number;
  /** So many proxies share a budget. */
  readonly proxies: () => number;
  /** The proxy has other things to do. */
  readonly isBusy: () => boolean;
}

/** Of one route. */
interface RouteState {
  readonly days: RouteDays;
  readonly records: Records;
  inFlight: number;
  /** Tokens that copies under way are taken to use. */
  reserved: number;
  /** Until then its backend is left alone, on the clock. */
  restUntil: number;
}

export class Shadows {
  readonly pool = new ReplayPool(COPY_BYTES);
  readonly #options: ShadowsOptions;
  readonly #kept: KeptPairs;
  readonly #routes = new Map<string, RouteState>();
  readonly #running = new Set<UpstreamCall>();
  /** No new ones. */
  #ending = false;
  #closed = false;

  constructor(options: ShadowsOptions) {
    this.#options = options;
    this.#kept = new KeptPairs(options.clock);
  }

  /** A request that was drawn and not copied. */
  noted(route: string, outcome: ShadowOutcome): void {
    this.#options.telemetry.shadowed(route, outcome);
  }

  /** The caller has its answer. The body's bytes are taken of the pool. */
  begin(context: RequestContext, sample: Sample): void {
    const { plan, response, body } = context;
    const key = plan?.route.key ?? "";
    const bytes = body?.scan.length ?? 0;
    const state = this.#stateOf(key);
    const why = response.writableFinished ? this.#refusal(state, context, sample) : "not_answered";
    if (why !== undefined) {
      sample.kept.release();
      this.pool.give(bytes);
      if (why.startsWith("dropped")) state.days.at(this.#options.clock(), sample.shadow.backend).dropped++;
      this.noted(key, why);
      return;
    }
    void this.#copy(context, sample, state)
      .catch((err: unknown) => {
        this.#options.telemetry.log.error({ err, request_id: context.exchange.id }, "a copy could not be compared");
      })
      .finally(() => {
        sample.kept.release();
        this.pool.give(bytes);
      });
  }

  /** Undefined: it may be sent, and its place at the provider is taken. */
  #refusal(state: RouteState, context: RequestContext, sample: Sample): ShadowOutcome | undefined {
    const { shadow, target } = sample;
    if (this.#ending || this.#options.isBusy() || state.inFlight >= shadow.maxInFlight) return "dropped_busy";
    const now = this.#options.clock();
    if (!mayBeAsked(target) || now < state.restUntil) return "dropped_unavailable";
    if (!this.#isAffordable(state, shadow, tokensIn(context.exchange.usage))) return "dropped_budget";
    return target.places.take() ? undefined : "dropped_busy";
  }

  #isAffordable({ days, reserved }: RouteState, { dailyTokenBudget }: Shadow, tokens: number): boolean {
    if (dailyTokenBudget === undefined) return true;
    const share = dailyTokenBudget / Math.max(1, this.#options.proxies());
    return days.tokensAt(this.#options.clock()) + reserved + tokens <= share;
  }

  async #copy(context: RequestContext, sample: Sample, state: RouteState): Promise<void> {
    const { shadow, target } = sample;
    const operation = context.operation?.name ?? "";
    const received = answered(context, sample);
    const live = answerOf(operation, received);
    // Whoever wants it word for word holds it until the end.
    if (shadow.keepBodies === undefined) sample.kept.release();
    const asking = this.#ask(context, target, state, "-shadow");
    const again = this.#askAgain(context, shadow, state);
    const copy = await asking;
    const route = context.plan?.route;
    if (!this.#closed && route?.rollout?.candidate === shadow.backend) {
      this.#options.measures.note(route.key, shadow.backend, "shadow", copy.attempted);
    }
    const day = state.days.at(this.#options.clock(), shadow.backend);
    day.copied++;
    day.tokens += tokensIn(copy.usage ?? context.exchange.usage);
    const found = this.#compared(context, live, copy);
    if (found) {
      day.compared++;
      if (found.length > 0) day.different++;
      noteTimes(day, context, copy);
      const said = answerOf(operation, copy);
      state.records.add(context, { live, copy: said, asked: copy, aspects: found, side: "shadow" });
      if (shadow.keepBodies !== undefined) {
        const bodies = { live: received.body, copy: copy.body, backend: shadow.backend, aspects: found };
        this.#kept.add(context, bodies);
      }
      if (shadow.judge) void this.#judge(context, state, live, said);
    }
    this.#tell(context, copy, "shadow", found);
    if (copy.status === RATE_LIMITED) this.#rest(state, copy);
    this.noted(context.plan?.route.key ?? "", copy.status === 0 ? "failed" : "copied");
    const second = await again;
    if (!second) return;
    day.tokens += tokensIn(second.usage ?? context.exchange.usage);
    const noise = this.#compared(context, live, second);
    if (noise) {
      day.noiseCompared++;
      if (noise.length > 0) day.noiseDifferent++;
      state.records.add(context, {
        live,
        copy: answerOf(operation, second),
        asked: second,
        aspects: noise,
        side: "noise",
      });
    }
    this.#tell(context, second, "noise", noise);
  }

  /** Nothing of a copy waits for it. */
  async #judge(context: RequestContext, state: RouteState, live: Answer, copy: Answer): Promise<void> {
    const { telemetry, judges, clock } = this.#options;
    const { key, shadow } = context.plan?.route ?? {};
    const found = await judges.judge(context, live, copy);
    if (found === undefined || key === undefined || shadow === undefined || this.#closed) return;
    telemetry.judged(key, found);
    const day = state.days.at(clock(), shadow.backend);
    if (found === "win") day.wins++;
    else if (found === "tie") day.ties++;
    else if (found === "loss") day.losses++;
  }

  /** The live backend, to learn what differs anyway; undefined: not this time. */
  #askAgain(context: RequestContext, shadow: Shadow, state: RouteState): Promise<Asked> | undefined {
    const { target } = context;
    if (shadow.noisePercent === undefined || Math.random() * 100 >= shadow.noisePercent || !target) return undefined;
    if (state.inFlight >= shadow.maxInFlight || !mayBeAsked(target)) return undefined;
    if (!this.#isAffordable(state, shadow, tokensIn(context.exchange.usage)) || !target.places.take()) return undefined;
    return this.#ask(context, target, state, "-again");
  }

  async #ask(context: RequestContext, target: Target, state: RouteState, suffix: string): Promise<Asked> {
    const expected = tokensIn(context.exchange.usage);
    state.inFlight++;
    state.reserved += expected;
    const begun = this.#options.clock();
    const asked = await ask(context, { target, suffix, pool: this.pool, running: this.#running });
    state.inFlight--;
    state.reserved -= expected;
    charge(target, asked, begun, this.#options.clock());
    return asked;
  }

  /** Undefined: nothing can be said of it. A rate limit says nothing about how a backend answers. */
  #compared(context: RequestContext, live: Answer, asked: Asked): readonly Aspect[] | undefined {
    if (this.#closed || asked.status === RATE_LIMITED) return undefined;
    return differences(live, answerOf(context.operation?.name ?? "", asked), expectedOf(context));
  }

  #rest(state: RouteState, { failure }: Asked): void {
    const now = this.#options.clock();
    const wait = failure && retryAfter(failure.headers, failure.error?.message, now);
    state.restUntil = now + (wait ?? REST);
  }

  #tell(context: RequestContext, asked: Asked, side: CopyRecord["side"], aspects: readonly Aspect[] | undefined): void {
    const { exchange, plan } = context;
    const { target, status, usage, cost, milliseconds, providerRequestID } = asked;
    this.#options.telemetry.copied({
      requestID: exchange.id,
      route: plan?.route.key ?? "",
      provider: target.provider.name,
      backend: target.backend.name,
      model: target.modelName,
      upstreamModel: target.upstreamModel,
      side,
      status,
      usage,
      cost,
      milliseconds,
      providerRequestID,
      aspects,
    });
  }

  #stateOf(route: string): RouteState {
    const known = this.#routes.get(route);
    if (known) return known;
    const state = { days: new RouteDays(route), records: new Records(), inFlight: 0, reserved: 0, restUntil: 0 };
    this.#routes.set(route, state);
    return state;
  }

  /** Of routes that are in no table any more nothing is known. */
  sweep(table: RoutingTable): void {
    if (this.#routes.size === 0) return;
    this.#kept.sweep(table);
    this.#options.judges.sweep(table);
    const named = new Set(table.routes.map(({ key }) => key));
    for (const key of this.#routes.keys()) if (!named.has(key)) this.#routes.delete(key);
  }

  /** Today's and yesterday's numbers of each route: they only grow. */
  days(): readonly ShadowDay[] {
    const now = this.#options.clock();
    return [...this.#routes.values()].flatMap(({ days }) => days.kept(now));
  }

  /** For `/status`. */
  status(): readonly { readonly route: string; readonly inFlight: number; readonly records: readonly ShownRecord[] }[] {
    return Array.from(this.#routes, ([route, { inFlight, records }]) => {
      return { route, inFlight, records: records.shown() };
    });
  }

  /** Word for word, where the route asks for it: not for `/status`. */
  bodies(route: string): readonly ShownPair[] {
    return this.#kept.shown(route);
  }

  /** The gateway lets what is in flight end: copies begin no more. */
  drain(): void {
    this.#ending = true;
  }

  /** Breaks off what is under way. */
  close(): void {
    this.#closed = true;
    this.#kept.close();
    void this.#options.judges.close();
    for (const call of this.#running) call.abort("the gateway ends");
  }
}

/** Not as a probe of its breaker, and not where callers need what its rate limit has left. */
function mayBeAsked({ availability, authorization }: Target): boolean {
  const usability = availability.usable();
  return usability.ok && !usability.probe && !availability.scarce && authorization.header !== undefined;
}

/** A provider does not ask why it was asked: what was paid for in advance is used all the same. */
function charge({ ledger }: Target, { usage, cost }: Asked, begun: number, now: number): void {
  if (!ledger) return;
  const took = ledger.unit === "Tokens" ? tokensIn(usage) : (cost ?? 0);
  ledger.note(took, begun, now);
}

function noteTimes(day: ShadowDay, { exchange }: RequestContext, copy: Asked): void {
  const last = exchange.attempts.at(-1);
  if (last?.endedAt === undefined) return;
  day.liveMilliseconds += last.endedAt - last.startedAt;
  day.copyMilliseconds += copy.milliseconds;
  if (exchange.cost === undefined || copy.cost === undefined) return;
  day.liveCost += exchange.cost;
  day.copyCost += copy.cost;
}

function tokensIn(usage: Usage | undefined): number {
  return usage === undefined ? 0 : usage.input + usage.output;
}
