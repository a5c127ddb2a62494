/**
 * In which aspects do two answers to the same request differ?
 *
 * Structure first: it says the same of every model. Texts are only held against each other where they should be the
 * same, because the request asks for no variety.
 */
import type { Usage } from "../exchange.ts";
import { type Said, saidIn } from "./answer.ts";
import { type Format, fitsFormat } from "./fits-format.ts";

export const ASPECTS = ["status", "shape", "finish_reason", "refusal", "tools", "json", "length", "text"] as const;
export type Aspect = (typeof ASPECTS)[number];

/** An answer as it came. */
export interface Received {
  /** 0: none came, or not whole. */
  readonly status: number;
  readonly isStream: boolean;
  /** Undefined: too large to be kept. */
  readonly body: Buffer | undefined;
  readonly usage: Usage | undefined;
}

/** An answer as it is compared. */
export interface Answer {
  readonly status: number;
  readonly isKept: boolean;
  /** Undefined: it was not kept, or is not what such a request is answered with. */
  readonly said: Said | undefined;
  /** Undefined: nobody told. */
  readonly outputTokens: number | undefined;
}

export function answerOf(operation: string, { status, isStream, body, usage }: Received): Answer {
  const said = body && saidIn(operation, isStream, body);
  return { status, isKept: body !== undefined, said, outputTokens: usage?.output };
}

/** What the request says of how its answer may look. */
export interface Expected {
  readonly format: Format | undefined;
  /** Asked twice it should be answered alike: temperature 0, a seed, or JSON. */
  readonly isRepeatable: boolean;
}

/** Texts longer than this are held against each other at their beginnings. */
const COMPARED_CHARACTERS = 16 * 1024;
/** One may be up to so many times as long as the other. */
const LONGEST_RATIO = 2;
/** Added to both, so that a short answer is not taken for half of one a few words longer. */
const SLACK_CHARACTERS = 64;
const SLACK_TOKENS = 16;
/** Share of words that two texts have in common. */
const LEAST_OVERLAP = 0.7;

/** Empty: they are alike. */
export function differences(live: Answer, copy: Answer, expected: Expected): readonly Aspect[] {
  // An error says nothing about how an answer would have looked.
  if (classOf(live.status) !== classOf(copy.status)) return ["status"];
  if (classOf(live.status) !== 2) return [];
  if (!live.isKept || !copy.isKept) return isOtherLength(live.outputTokens, copy.outputTokens) ? ["length"] : [];
  const [a, b] = [live.said, copy.said];
  if (!a || !b) return a === b ? [] : ["shape"];
  const found: Aspect[] = [];
  if (a.finish.join() !== b.finish.join()) found.push("finish_reason");
  if (a.refused !== b.refused) found.push("refusal");
  if (a.tools.join() !== b.tools.join()) found.push("tools");
  if (expected.format && isJson(a, expected.format) !== isJson(b, expected.format)) found.push("json");
  const [one, other] = [a.texts.join("\n"), b.texts.join("\n")];
  if (ratioOf(one.length, other.length, SLACK_CHARACTERS) > LONGEST_RATIO) found.push("length");
  if (expected.isRepeatable && overlap(one, other) < LEAST_OVERLAP) found.push("text");
  return found;
}

function classOf(status: number): number {
  return Math.floor(status / 100);
}

/** Where a tool is called and nothing is said, there is no text to judge. */
function isJson({ texts, tools }: Said, format: Format): boolean {
  return texts.every((text) => (text === "" && tools.length > 0) || fitsFormat(text, format));
}

function isOtherLength(a: number | undefined, b: number | undefined): boolean {
  return a !== undefined && b !== undefined && ratioOf(a, b, SLACK_TOKENS) > LONGEST_RATIO;
}

function ratioOf(a: number, b: number, slack: number): number {
  return (Math.max(a, b) + slack) / (Math.min(a, b) + slack);
}

/** Twice the words in common, by all words (Sørensen and Dice), each as often as it stands there. 1 for two empty texts. */
export function overlap(a: string, b: string): number {
  if (a === b) return 1;
  const counts = new Map<string, number>();
  const first = wordsOf(a);
  const second = wordsOf(b);
  for (const word of first) counts.set(word, (counts.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of second) {
    const left = counts.get(word) ?? 0;
    if (left === 0) continue;
    counts.set(word, left - 1);
    common++;
  }
  return first.length + second.length === 0 ? 1 : (2 * common) / (first.length + second.length);
}

/** Letters of scripts without spaces count one by one. */
function wordsOf(text: string): readonly string[] {
  return (
    text
      .slice(0, COMPARED_CHARACTERS)
      .toLowerCase()
      .match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{N}]+/gu) ?? []
  );
}
