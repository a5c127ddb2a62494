/**
 * What is measured? The scenarios in the order in which they run, and the goals that the report holds Tandem against.
 */

import type { Answer, API, BodyShape } from "./traffic.ts";

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly answer: Answer;
  readonly body: BodyShape;
  readonly pattern:
    | { readonly kind: "closed"; readonly connections: number }
    | { readonly kind: "open"; readonly perSecond: number };
}

const KIB = 1000;
const small: BodyShape = { bytes: 300, messages: 1, modelAt: "first", stream: false };
const streamed: BodyShape = { ...small, stream: true };
const json: Answer = { kind: "json" };

function large(kilobytes: number, messages: number, modelAt: "first" | "last"): Scenario {
  const size = kilobytes >= KIB ? `${kilobytes / KIB} MB` : `${kilobytes} KB`;
  return {
    name: `${size.replace(" ", "").toLowerCase()}-model-${modelAt}`,
    title: `${size} body, model ${modelAt === "first" ? "before" : "after"} the messages, 8 connections`,
    answer: json,
    body: { bytes: kilobytes * KIB, messages, modelAt, stream: false },
    pattern: { kind: "closed", connections: 8 },
  };
}

function stream(chunks: number, gapMs: number, connections: number, api: API = "chat"): Scenario {
  const name = `${api === "chat" ? "stream" : api}-${chunks}`;
  const what = api === "chat" ? "stream" : `stream of ${api}`;
  return {
    name: gapMs > 0 ? `${name}-slow` : name,
    title: `${what}, ${chunks} chunks${gapMs > 0 ? ` ${gapMs} ms apart` : ""}, ${connections} connections`,
    answer: { kind: "stream", api, chunks, gapMs },
    body: { ...streamed, api },
    pattern: { kind: "closed", connections },
  };
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "plain",
    title: "300 B body, 610 B answer, 32 connections",
    answer: json,
    body: small,
    pattern: { kind: "closed", connections: 32 },
  },
  large(100, 20, "first"),
  large(100, 20, "last"),
  large(1000, 100, "first"),
  large(1000, 100, "last"),
  stream(50, 0, 16),
  stream(1000, 0, 16),
  stream(50, 10, 20),
  stream(50, 0, 16, "responses"),
  stream(1000, 0, 16, "responses"),
  {
    name: "latency",
    title: "300 B body, 300 requests a second (open loop)",
    answer: json,
    body: small,
    pattern: { kind: "open", perSecond: 300 },
  },
];

/** Its own phase: it fills a target's memory and is run once on a fresh process. */
export const IDLE_STREAMS = "idle-streams";
export const IDLE_STREAM_BODY = streamed;

/** CPU time per request against a rival's from the same run. */
export interface RatioGoal {
  readonly scenario: string;
  readonly rival: string;
  readonly atMost: number;
}

export const RATIO_GOALS: readonly RatioGoal[] = [
  { scenario: "plain", rival: "undici", atMost: 1.25 },
  { scenario: "plain", rival: "hpm", atMost: 0.7 },
  { scenario: "100kb-model-first", rival: "undici", atMost: 1.3 },
  { scenario: "100kb-model-last", rival: "undici", atMost: 1.3 },
  { scenario: "1mb-model-first", rival: "undici", atMost: 1.3 },
  { scenario: "1mb-model-last", rival: "undici", atMost: 1.3 },
  { scenario: "stream-50", rival: "undici", atMost: 1.3 },
  { scenario: "stream-1000", rival: "undici", atMost: 1.5 },
  { scenario: "responses-1000", rival: "undici", atMost: 1.5 },
];

export const GOALS = {
  addedP50Ms: 0.26,
  idleMB: 110,
  loadedMB: 280,
  /** 1 GiB. */
  idleStreamsMB: 1073.7,
  readySeconds: 0.5,
} as const;
