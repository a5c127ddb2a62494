/** The soak in short: a few phases. `soak.long.ts` is the same for half an hour. */
import { test } from "node:test";
import { soak } from "./soak.ts";

test("under faults, edits and callers who leave, every request gets one whole answer", { timeout: 120_000 }, (t) =>
  soak(t, { ms: 20_000, seed: 1, callers: 4, phase: 3_000, editEvery: 1_000 }),
);
