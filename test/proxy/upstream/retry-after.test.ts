/** Is every spelling of "come back later" understood? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LONGEST_RETRY_AFTER_MS, retryAfter } from "../../../proxy/upstream/retry-after.ts";
import { ownTime } from "../../own-time.ts";

const NOW = Date.UTC(2026, 10, 24, 12, 0, 0);

type Case = readonly [
  name: string,
  headers: Record<string, string | string[]>,
  message: string | undefined,
  wait: number | undefined,
];

const CASES: readonly Case[] = [
  ["nothing", {}, undefined, undefined],
  ["Azure's milliseconds before its seconds", { "retry-after-ms": "1234", "retry-after": "2" }, undefined, 1234],
  ["Azure's older milliseconds", { "x-ms-retry-after-ms": "900", "retry-after": "1" }, undefined, 900],
  ["seconds", { "retry-after": "20" }, undefined, 20_000],
  ["fractions of seconds", { "retry-after": "0.25" }, undefined, 250],
  ["an IMF date", { "retry-after": "Tue, 24 Nov 2026 12:00:30 GMT" }, undefined, 30_000],
  ["an RFC 850 date", { "retry-after": "Tuesday, 24-Nov-26 12:00:30 GMT" }, undefined, 30_000],
  ["an asctime date", { "retry-after": "Tue Nov 24 12:00:30 2026" }, undefined, 30_000],
  ["a date that has passed", { "retry-after": "Tue, 24 Nov 2026 11:59:30 GMT" }, undefined, undefined],
  ["a zero", { "retry-after": "0" }, undefined, undefined],
  ["a zero and a reset", { "retry-after": "0", "x-ratelimit-reset-tokens": "6s" }, undefined, 6_000],
  ["garbage", { "retry-after": "soon", "retry-after-ms": "-5" }, undefined, undefined],
  ["a list: its first", { "retry-after": ["7", "9"] }, undefined, 7_000],
  ["Azure's sentence", {}, "exceeded token rate limit. Please retry after 6 seconds. Contact", 6_000],
  ["Azure's sentence in one second", {}, "Please retry after 1 second.", 1_000],
  ["OpenAI's sentence", {}, "Limit 30000, Used 29000, Requested 2000. Please try again in 2s. Visit", 2_000],
  ["OpenAI's sentence in milliseconds", {}, "Please try again in 120ms.", 120],
  ["OpenAI's sentence in minutes", {}, "Please try again in 6m0s.", 360_000],
  ["OpenAI's sentence in fractions", {}, "Please try again in 1.848s.", 1_848],
  ["the header before the sentence", { "retry-after": "3" }, "Please retry after 60 seconds.", 3_000],
  ["OpenAI's durations", { "x-ratelimit-reset-requests": "1h2m3s" }, undefined, LONGEST_RETRY_AFTER_MS],
  ["OpenAI's durations with a fraction", { "x-ratelimit-reset-tokens": "1m2.5s" }, undefined, 62_500],
  ["Azure's plain seconds", { "x-ratelimit-reset-tokens": "42" }, undefined, 42_000],
  [
    "the limit that is used up",
    {
      "x-ratelimit-reset-requests": "8s",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-tokens": "2s",
      "x-ratelimit-remaining-tokens": "500",
    },
    undefined,
    8_000,
  ],
  [
    "the sooner reset when none is used up",
    { "x-ratelimit-reset-requests": "8s", "x-ratelimit-reset-tokens": "2s" },
    undefined,
    2_000,
  ],
  ["a day is cut to an hour", {}, "Please retry after 86400 seconds.", LONGEST_RETRY_AFTER_MS],
  ["numbers without end", { "retry-after": "9".repeat(400) }, undefined, undefined],
];

for (const [name, headers, message, wait] of CASES) {
  test(name, () => assert.equal(retryAfter(headers, message, NOW), wait));
}

test("a hostile message costs no time", () => {
  const took = ownTime(() => {
    retryAfter({}, `try again in ${"1.".repeat(200_000)}`, NOW);
    retryAfter({}, `try again in ${"1s".repeat(200_000)}`, NOW);
  });
  assert.ok(took < 200, `${took} ms`);
});
