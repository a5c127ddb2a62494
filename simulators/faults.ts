/** Which faults can a simulator be told to make, and which of them meets this request? */

import { secretHash } from "./recorder.ts";

/** Where a fault acts: instead of the answer, on the connection, on the time, in the headers or in the body. */
export type FaultPlace = "answer" | "connection" | "time" | "headers" | "body";

interface FaultKind {
  readonly place: FaultPlace;
  /** One line for people; the README's table says the same. */
  readonly summary: string;
  readonly parameters?: readonly string[];
}

const AFTER = "after";

export const FAULTS = {
  "400": { place: "answer", summary: "400 invalid_request_error; `form=api-version` at Azure", parameters: ["form"] },
  "401": { place: "answer", summary: "401 as for a wrong key; `form=token` or `role` at Azure", parameters: ["form"] },
  "403": {
    place: "answer",
    summary: "403; `form=network` at Azure, else key authentication disabled",
    parameters: ["form"],
  },
  "404": { place: "answer", summary: "404 model_not_found or DeploymentNotFound" },
  "408": { place: "answer", summary: "408 timeout" },
  "409": { place: "answer", summary: "409 conflict" },
  "429": {
    place: "answer",
    summary: "429 rate limit; without parameters no retry header at all",
    parameters: ["retry-after", "retry-after-ms", "by"],
  },
  "429-capacity": {
    place: "answer",
    summary: "429 slow_down (OpenAI) or no_capacity (Azure)",
    parameters: ["retry-after", "retry-after-ms", "status"],
  },
  "429-quota": {
    place: "answer",
    summary: "429 insufficient_quota; `code=credit_balance_exhausted`",
    parameters: ["code"],
  },
  "500": { place: "answer", summary: "500 server_error" },
  "502": { place: "answer", summary: "502 with an HTML body" },
  "503": { place: "answer", summary: "503 as JSON", parameters: ["retry-after", "retry-after-ms"] },
  "503-html": { place: "answer", summary: "503 with an HTML body" },
  "context-length": { place: "answer", summary: "400 context_length_exceeded" },
  "content-filter": {
    place: "answer",
    summary:
      "400 content filter; Azure has four: `form=innererror` (default), `inner_error`, `content_filters`, `minimal`; `category` (default violence)",
    parameters: ["form", "category"],
  },
  "invalid-prompt": { place: "answer", summary: "400 invalid_prompt" },
  empty: { place: "answer", summary: "200 with an empty body" },
  "wrong-content-type": { place: "answer", summary: "200 with an HTML page" },
  reset: { place: "connection", summary: "connection reset before any header" },
  silence: { place: "connection", summary: "never answers" },
  "slow-first-byte": { place: "time", summary: "headers come `ms` late (default 1000)", parameters: ["ms"] },
  "slow-first-token": {
    place: "time",
    summary: "headers and keep-alive comments at once, the first token `ms` late (default 1000)",
    parameters: ["ms", "every"],
  },
  "slow-tokens": { place: "time", summary: "`ms` between two tokens (default 200)", parameters: ["ms"] },
  spillover: {
    place: "headers",
    summary:
      "Azure: answered by deployment `to`; `spelling=name` puts the deployment into the header's name, `error=429` adds x-ms-spillover-error",
    parameters: ["to", "spelling", "error"],
  },
  cut: { place: "body", summary: "connection lost after `after` content events (default 1)", parameters: [AFTER] },
  "clean-end": {
    place: "body",
    summary: "ends cleanly after `after` content events, without finish_reason and [DONE]",
    parameters: [AFTER],
  },
  close: {
    place: "body",
    summary: "realtime: closes with `code` (default 1011) and `reason` after `after` events",
    parameters: [AFTER, "code", "reason"],
  },
  "no-done": { place: "body", summary: "ends after finish_reason (and usage) without [DONE]" },
  stall: { place: "body", summary: "stops writing after `after` content events and stays open", parameters: [AFTER] },
  malformed: {
    place: "body",
    summary: "after `after` content events one event of truncated JSON, then the rest",
    parameters: [AFTER],
  },
  garbage: {
    place: "body",
    summary: "after `after` content events one event that is no JSON, then the rest",
    parameters: [AFTER],
  },
  "error-event": {
    place: "body",
    summary: "an error event inside the 200 after `after` content events; `code` at Azure (default no_capacity)",
    parameters: [AFTER, "code"],
  },
  crlf: { place: "body", summary: "CRLF line ends" },
  "split-utf8": { place: "body", summary: "a write that ends inside a UTF-8 character" },
  "one-write": { place: "body", summary: "the whole stream in one write" },
  filtered: {
    place: "body",
    summary: "200, finish_reason content_filter after `after` tokens (default 1)",
    parameters: [AFTER],
  },
  truncated: {
    place: "body",
    summary: "chats: 200, finish_reason length after `after` tokens (default 1); of a tool's arguments half",
    parameters: [AFTER],
  },
  "broken-arguments": { place: "body", summary: "chats: a tool's arguments are half a JSON text; else nothing" },
  "filter-outage": { place: "body", summary: "Azure: content_filter_results hold an error object" },
  "async-filter": { place: "body", summary: "Azure: asynchronous filter; annotations without delta" },
  "async-filter-blocked": {
    place: "body",
    summary: "Azure: asynchronous filter that blocks after `after` content events",
    parameters: [AFTER],
  },
} as const satisfies Record<string, FaultKind>;

export type FaultName = keyof typeof FAULTS;

export interface Fault {
  readonly name: FaultName;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Which requests a planned fault meets. Absent fields match everything. */
export interface FaultMatch {
  /** Name of the base model, its snapshot, or the name in the request. */
  readonly model?: string;
  readonly deployment?: string;
  readonly host?: string;
  readonly key?: string;
  readonly operation?: string;
  readonly stream?: boolean;
}

export interface FaultPlan {
  readonly match: FaultMatch;
  readonly fault: Fault;
  /** How many requests it meets; without, all. */
  readonly times?: number;
  /** 0 to 1; drawn from `seed`, so a run can be repeated. */
  readonly probability?: number;
  readonly seed?: number;
}

/** What a plan is matched against. */
export interface FaultSubject {
  readonly models: readonly string[];
  readonly deployment: string | undefined;
  readonly host: string;
  readonly key: string;
  readonly operation: string;
  readonly stream: boolean;
}

/** Reads `429;retry-after=2`. Throws one sentence on a name or parameter that does not exist. */
export function parseFault(text: string): Fault {
  const [name = "", ...pairs] = text.split(";").map((part) => part.trim());
  if (!isFaultName(name)) throw new Error(`Unknown fault "${name}"; known are ${Object.keys(FAULTS).join(", ")}.`);
  const allowed: readonly string[] = (FAULTS[name] as FaultKind).parameters ?? [];
  const parameters: Record<string, string> = {};
  for (const pair of pairs) {
    const [key = "", value = ""] = pair.split("=").map((part) => part.trim());
    if (!allowed.includes(key)) {
      throw new Error(`Fault "${name}" has no parameter "${key}"; it takes ${allowed.join(", ") || "none"}.`);
    }
    parameters[key] = value;
  }
  return { name, parameters };
}

const IN_MODEL_NAME = "+fault=";

/** `gpt-4o+fault=429+retry-after=2` is gpt-4o with a fault: for callers who can only choose the model's name. */
export function faultInName(name: string): { name: string; fault?: Fault } {
  const at = name.indexOf(IN_MODEL_NAME);
  if (at < 0) return { name };
  const text = name.slice(at + IN_MODEL_NAME.length).replaceAll("+", ";");
  return { name: name.slice(0, at), fault: parseFault(text) };
}

/** A parameter as a whole number. */
export function numberOf(fault: Fault, parameter: string, otherwise: number): number {
  const value = Number(fault.parameters[parameter]);
  return fault.parameters[parameter] === undefined || !Number.isFinite(value) ? otherwise : value;
}

export function placeOf(fault: Fault): FaultPlace {
  return FAULTS[fault.name].place;
}

/** The planned faults, first match first. */
export class FaultPlans {
  #plans: { plan: FaultPlan; left: number; draw: () => number }[] = [];

  add(plan: FaultPlan): void {
    this.#plans.push({ plan, left: plan.times ?? Number.POSITIVE_INFINITY, draw: seededRandom(plan.seed ?? 1) });
  }

  clear(): void {
    this.#plans = [];
  }

  /** For people: keys as hashes. */
  list(): readonly object[] {
    return this.#plans.map(({ plan, left }) => {
      const { key, ...match } = plan.match;
      const shown = key === undefined ? match : { ...match, key: secretHash(key) };
      return { ...plan, match: shown, left: Number.isFinite(left) ? left : null };
    });
  }

  /** The fault for this request, if any; counts it. */
  take(subject: () => FaultSubject): Fault | undefined {
    if (this.#plans.length === 0) return undefined;
    const facts = subject();
    for (const planned of this.#plans) {
      const { plan } = planned;
      if (planned.left <= 0 || !matches(plan.match, facts)) continue;
      if (plan.probability !== undefined && planned.draw() >= plan.probability) continue;
      planned.left -= 1;
      return plan.fault;
    }
    return undefined;
  }
}

function matches(match: FaultMatch, facts: FaultSubject): boolean {
  return (
    (match.model === undefined || facts.models.includes(match.model)) &&
    (match.deployment === undefined || match.deployment === facts.deployment) &&
    (match.host === undefined || match.host === facts.host.replace(/:\d+$/, "")) &&
    (match.key === undefined || match.key === facts.key) &&
    (match.operation === undefined || match.operation === facts.operation) &&
    (match.stream === undefined || match.stream === facts.stream)
  );
}

function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(FAULTS, name);
}

/** mulberry32: small, and the same on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
