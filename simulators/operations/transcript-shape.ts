/** In which forms does a transcript come: subtitles, segments with times, speakers, events? */

import type { StreamEvent } from "../call.ts";
import type { TokenCounter } from "../tokens.ts";
import { logprobsOf } from "./completion.ts";

const SUBTITLE_WORDS = 8;

export interface SpokenSegment {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The text in parts of a few words, spread evenly over the time. */
export function spokenSegments(text: string, seconds: number): readonly SpokenSegment[] {
  const words = text.split(" ");
  const count = Math.ceil(words.length / SUBTITLE_WORDS);
  return Array.from({ length: count }, (_, at) => ({
    start: rounded((seconds * at) / count),
    end: rounded((seconds * (at + 1)) / count),
    text: words.slice(at * SUBTITLE_WORDS, (at + 1) * SUBTITLE_WORDS).join(" "),
  }));
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}

export function subtitles(segments: readonly SpokenSegment[], form: "srt" | "vtt"): string {
  const mark = form === "srt" ? "," : ".";
  const blocks = segments.map(({ start, end, text }, at) => {
    const time = `${clock(start, mark)} --> ${clock(end, mark)}\n${text}\n`;
    return form === "srt" ? `${at + 1}\n${time}` : time;
  });
  return `${form === "vtt" ? "WEBVTT\n\n" : ""}${blocks.join("\n")}\n`;
}

function clock(seconds: number, mark: string): string {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60];
  const ms = Math.round((seconds - whole) * 1_000);
  return `${parts.map((part) => String(part).padStart(2, "0")).join(":")}${mark}${String(ms).padStart(3, "0")}`;
}

export function verbose(
  text: string,
  seconds: number,
  segments: readonly SpokenSegment[],
  withWords: boolean,
  usage: object | undefined,
): object {
  return {
    task: usage ? "transcribe" : "translate",
    language: "english",
    duration: seconds,
    text,
    segments: segments.map((segment, id) => ({
      id,
      seek: 0,
      ...segment,
      tokens: [],
      temperature: 0,
      avg_logprob: -0.1,
      compression_ratio: 1.1,
      no_speech_prob: 0.01,
    })),
    ...(withWords && { words: wordTimes(text, seconds) }),
    ...(usage && { usage }),
  };
}

function wordTimes(text: string, seconds: number): readonly object[] {
  const words = text.split(" ");
  return words.map((word, at) => ({
    word,
    start: rounded((seconds * at) / words.length),
    end: rounded((seconds * (at + 1)) / words.length),
  }));
}

export function diarized(text: string, seconds: number, segments: readonly SpokenSegment[], usage: object): object {
  const spoken = segments.map((segment, at) => ({
    type: "transcript.text.segment",
    id: `seg_${String(at + 1).padStart(3, "0")}`,
    ...segment,
    speaker: "A",
  }));
  return { task: "transcribe", duration: seconds, text, segments: spoken, usage };
}

/** Without event names and without `[DONE]`. */
export function* transcriptEvents(
  text: string,
  usage: object,
  withLogprobs: boolean,
  counter: TokenCounter,
): Iterable<StreamEvent> {
  const logprobs = (part: string) => (withLogprobs ? { logprobs: logprobsOf(part, counter).content } : {});
  for (const piece of counter.split(text)) {
    const data = JSON.stringify({ type: "transcript.text.delta", delta: piece.text, ...logprobs(piece.text) });
    yield { kind: "content", data, tokens: piece.tokens };
  }
  yield { kind: "finish", data: JSON.stringify({ type: "transcript.text.done", text, ...logprobs(text), usage }) };
}
