/**
 * What did the copies of each route show today, over all proxies?
 *
 * Summed up from what proxies say, into `status.shadow`, which is the memory too: after a restart of the operator the sums
 * go on from there. What copies do changes with every request, so a route's status tells it every ten seconds at most.
 */
import { type KubeObject, keyOf } from "../kube/objects.ts";
import {
  describeJudge,
  describeShadow,
  type Judgements,
  judgeShadow,
  type ShadowVerdict,
} from "../routing/shadow-verdict.ts";
import type { ProxyState } from "./fleet.ts";
import { type Counts, grown, type Share, totalOf } from "./growing.ts";

const NAMES = [
  "copied",
  "dropped",
  "compared",
  "different",
  "noiseCompared",
  "noiseDifferent",
  "tokens",
  "wins",
  "ties",
  "losses",
] as const satisfies readonly string[];
type Name = (typeof NAMES)[number];

export interface ShadowStatus extends Omit<Counts<Name>, keyof Judgements> {
  readonly date: string;
  readonly backend: string;
  readonly verdict: ShadowVerdict["verdict"];
  readonly message: string;
  /** Absent: the judge said nothing, or there is none. */
  readonly judged?: Judgements;
  /** By the processes that counted. */
  readonly counted: readonly Share<Name>[];
}

interface RouteObject extends KubeObject {
  readonly spec?: {
    readonly shadow?: { readonly backend?: string };
    readonly rollout?: { readonly candidate?: string };
  };
  readonly status?: { readonly shadow?: Partial<ShadowStatus> };
}

interface Memory {
  readonly date: string;
  readonly backend: string;
  readonly shares: readonly Share<Name>[];
  shown: ShadowStatus;
  shownAt: number;
}

/** Milliseconds between two changes of one route's status. */
export const SHOWN_EVERY = 10_000;

export class ShadowSums {
  readonly #memories = new Map<string, Memory>();
  readonly #onDue: () => void;
  readonly #every: number;
  #timer: NodeJS.Timeout | undefined;

  /** `onDue`: there is something to be written that was held back. */
  constructor(onDue: () => void, every = SHOWN_EVERY) {
    this.#onDue = onDue;
    this.#every = every;
  }

  /** What each route's status says of it; undefined: nothing. `now` in milliseconds. */
  look(objects: readonly KubeObject[], proxies: readonly ProxyState[], now: number): ReadonlyMap<string, ShadowStatus> {
    const told = toldBy(proxies);
    const shown = new Map<string, ShadowStatus>();
    for (const object of objects as readonly RouteObject[]) {
      const backend = object.spec?.shadow?.backend ?? object.spec?.rollout?.candidate;
      if (object.kind !== "AIRoute" || backend === undefined) continue;
      const key = keyOf(object);
      const status = this.#lookAt(key, backend, object.status?.shadow, told.get(key) ?? [], now);
      if (status) shown.set(key, status);
    }
    for (const key of this.#memories.keys()) if (!shown.has(key)) this.#memories.delete(key);
    return shown;
  }

  #lookAt(
    key: string,
    backend: string,
    stored: Partial<ShadowStatus> | undefined,
    told: readonly Told[],
    now: number,
  ): ShadowStatus | undefined {
    const before = this.#memories.get(key) ?? remembered(stored);
    const words = told.filter((one) => one.backend === backend);
    const date = words.reduce((latest, one) => (one.date > latest ? one.date : latest), before?.date ?? "");
    if (date === "") return undefined;
    const goesOn = before?.date === date && before.backend === backend;
    if (words.length === 0 && before !== undefined && before.backend !== backend) return undefined;
    const today = words.filter((one) => one.date === date).map(shareOf);
    const shares = grown(goesOn ? before.shares : [], today, NAMES);
    const status = statusOf(date, backend, shares);
    const isSame = goesOn && isSameCounts(before.shown, status);
    const isDue = !goesOn || now - before.shownAt >= this.#every;
    const isShown = !isSame && isDue;
    const memory: Memory = {
      date,
      backend,
      shares,
      shown: isShown || before === undefined ? status : goesOn ? before.shown : status,
      shownAt: isShown ? now : (before?.shownAt ?? now),
    };
    this.#memories.set(key, memory);
    if (!isSame && !isDue) this.#wait(this.#every - (now - memory.shownAt));
    return memory.shown;
  }

  #wait(milliseconds: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#onDue();
    }, milliseconds);
  }

  /** Another operator may have written meanwhile: what stands in the statuses counts. */
  forget(): void {
    this.#memories.clear();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

type Told = Share<Name> & { readonly route: string; readonly backend: string; readonly date: string };

/** By route. A proxy without an instance cannot be told from the one that it was before. */
function toldBy(proxies: readonly ProxyState[]): ReadonlyMap<string, readonly Told[]> {
  const told = new Map<string, Told[]>();
  for (const { report } of proxies) {
    if (!report?.instance) continue;
    for (const shadow of report.shadows) {
      const word = { ...shadow, instance: report.instance };
      const words = told.get(shadow.route);
      if (words) words.push(word);
      else told.set(shadow.route, [word]);
    }
  }
  return told;
}

function shareOf({ route: _route, backend: _backend, date: _date, ...share }: Told): Share<Name> {
  return share;
}

function statusOf(date: string, backend: string, shares: readonly Share<Name>[]): ShadowStatus {
  const { wins, ties, losses, ...total } = totalOf(shares, NAMES);
  const { verdict } = judgeShadow(total);
  const judged = { wins, ties, losses };
  const message = describeShadow(total) + describeJudge(judged);
  const isJudged = wins + ties + losses > 0;
  return { date, backend, ...total, verdict, message, ...(isJudged && { judged }), counted: shares };
}

/** The message tells all that was counted of verdicts, the judge's too. */
function isSameCounts(one: ShadowStatus, other: ShadowStatus): boolean {
  const { copied, dropped, compared, tokens, message } = one;
  return (
    copied === other.copied &&
    dropped === other.dropped &&
    compared === other.compared &&
    tokens === other.tokens &&
    message === other.message &&
    COMPARED.every((name) => one[name] === other[name])
  );
}

const COMPARED = ["different", "noiseCompared", "noiseDifferent"] as const;

/** Of a status that this operator, or one before it, has written. */
function remembered(stored: Partial<ShadowStatus> | undefined): Memory | undefined {
  const { date, backend, counted } = stored ?? {};
  if (date === undefined || backend === undefined || counted === undefined) return undefined;
  const shares = counted.map((share) => {
    const counts = Object.fromEntries(NAMES.map((name) => [name, share[name] ?? 0])) as Counts<Name>;
    return { ...counts, instance: share.instance };
  });
  return { date, backend, shares, shown: statusOf(date, backend, shares), shownAt: Number.NEGATIVE_INFINITY };
}
