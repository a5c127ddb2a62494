/**
 * What does a Prometheus server answer to the queries of analyses?
 *
 * Asked in the background and read at once, because a pass of the operator waits for nobody. Whoever may write an AIRoute
 * chooses the address, so nothing of an answer but one number is ever shown, redirects are not followed, and time and size
 * are bounded.
 */
import { z } from "zod";
import type { NamedKey } from "../routing/named-secrets.ts";
import type { Redacted } from "../routing/secrets.ts";
import { boundedText } from "./bounded-text.ts";

export interface PrometheusQuery {
  /** The metric's, in the analysis. */
  readonly name: string;
  /** Before `/api/v1/query`. */
  readonly url: string;
  readonly query: string;
  /** Sent as a bearer; undefined: none is. */
  readonly token: Redacted | undefined;
}

/** A metric of an analysis, as written. */
export interface WrittenMetric {
  readonly name: string;
  readonly prometheus?: {
    readonly url: string;
    readonly query: string;
    readonly secretRef?: { readonly name: string; readonly key: string };
  };
}

/** A query whose token is not there is not sent without one. */
export function queriesOf(
  namespace: string,
  metrics: readonly WrittenMetric[],
  tokenAt: (named: NamedKey) => Redacted | undefined,
): readonly PrometheusQuery[] {
  return metrics.flatMap(({ name, prometheus }) => {
    if (prometheus === undefined) return [];
    const { url, query, secretRef } = prometheus;
    const token = secretRef && tokenAt({ namespace, ...secretRef });
    return secretRef !== undefined && token === undefined ? [] : [{ name, url, query, token }];
  });
}

export type Answer = { readonly value: number } | { readonly problem: string };

/** Milliseconds. */
const ANSWER_TIMEOUT = 5_000;
const ASKED_EVERY = 5_000;
/** An older answer says nothing about the window. */
const GOOD_FOR = 30_000;
/** Nobody has asked for it: the rollout is over. */
const FORGOTTEN_AFTER = 60_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
/** Routes with analyses are few; more queries than that are not asked. */
const MOST_QUERIES = 1_000;

/** A value is `[time, "text"]` (https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats). */
const sample = z.tuple([z.number(), z.string().max(64)]);
const answerSchema = z.object({
  status: z.literal("success"),
  data: z.discriminatedUnion("resultType", [
    z.object({ resultType: z.literal("scalar"), result: sample }),
    z.object({ resultType: z.literal("vector"), result: z.array(z.object({ value: sample.optional() })) }),
  ]),
});

interface Kept {
  answer: Answer | undefined;
  answeredAt: number;
  askedAt: number;
  wantedAt: number;
  isUnderWay: boolean;
}

export class Prometheus {
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept>();
  readonly #stop = new AbortController();

  /** `now` in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** What the queries gave last, by their names; one that gave no number lately is left out. Asks anew when it is time. */
  values(queries: readonly PrometheusQuery[]): ReadonlyMap<string, number> {
    const values = new Map<string, number>();
    for (const query of queries) {
      const answer = this.#answerTo(query);
      if (answer !== undefined && "value" in answer) values.set(query.name, answer.value);
    }
    return values;
  }

  /** Why a query gives no number; undefined: it does, or was not asked yet. */
  problem(query: PrometheusQuery): string | undefined {
    const answer = this.#kept.get(keyOf(query))?.answer;
    return answer !== undefined && "problem" in answer ? answer.problem : undefined;
  }

  stop(): void {
    this.#stop.abort();
  }

  #answerTo(query: PrometheusQuery): Answer | undefined {
    const now = this.#now();
    const kept = this.#keptFor(query, now);
    if (kept === undefined) return { problem: "too many queries" };
    kept.wantedAt = now;
    if (!kept.isUnderWay && now - kept.askedAt >= ASKED_EVERY) void this.#ask(query, kept, now);
    return now - kept.answeredAt <= GOOD_FOR ? kept.answer : undefined;
  }

  #keptFor(query: PrometheusQuery, now: number): Kept | undefined {
    const key = keyOf(query);
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    for (const [name, { wantedAt }] of this.#kept) if (now - wantedAt > FORGOTTEN_AFTER) this.#kept.delete(name);
    if (this.#kept.size >= MOST_QUERIES) return undefined;
    const never = Number.NEGATIVE_INFINITY;
    const kept: Kept = { answer: undefined, answeredAt: never, askedAt: never, wantedAt: now, isUnderWay: false };
    this.#kept.set(key, kept);
    return kept;
  }

  async #ask(query: PrometheusQuery, kept: Kept, now: number): Promise<void> {
    kept.isUnderWay = true;
    kept.askedAt = now;
    kept.answer = await askPrometheus(query, this.#stop.signal);
    kept.answeredAt = this.#now();
    kept.isUnderWay = false;
  }
}

/** Never rejects. */
export async function askPrometheus({ url, query, token }: PrometheusQuery, signal?: AbortSignal): Promise<Answer> {
  const limit = AbortSignal.timeout(ANSWER_TIMEOUT);
  try {
    const response = await fetch(`${url.replace(/\/+$/, "")}/api/v1/query`, {
      method: "POST",
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        ...(token && { authorization: `Bearer ${token.reveal()}` }),
      },
      body: new URLSearchParams({ query }).toString(),
      signal: signal ? AbortSignal.any([limit, signal]) : limit,
      redirect: "error",
    });
    const body = await boundedText(response, "the answer", MAX_ANSWER_BYTES);
    if (!response.ok) return { problem: `the server answered HTTP ${response.status}` };
    return numberIn(body);
  } catch (error) {
    if (error instanceof RangeError) return { problem: error.message };
    return { problem: limit.aborted ? `no answer within ${ANSWER_TIMEOUT / 1000} s` : "the server cannot be reached" };
  }
}

function numberIn(body: string): Answer {
  const parsed = answerSchema.safeParse(jsonOf(body));
  if (!parsed.success) return { problem: "the answer is neither a scalar nor an instant vector" };
  const { data } = parsed.data;
  if (data.resultType === "vector" && data.result.length !== 1) {
    return { problem: `the query gives ${data.result.length} series instead of one: aggregate them, as with sum()` };
  }
  const text = data.resultType === "scalar" ? data.result[1] : data.result[0]?.value?.[1];
  const value = Number(text);
  if (text === undefined || !Number.isFinite(value)) return { problem: "the query gives no finite number" };
  return { value };
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Another token asks anew: it may see other series. */
function keyOf({ url, query, token }: PrometheusQuery): string {
  return JSON.stringify([url, query, token?.reveal() ?? ""]);
}
