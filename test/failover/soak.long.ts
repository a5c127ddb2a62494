/** The soak: half an hour, or TANDEM_SOAK_MINUTES, with the faults of TANDEM_SOAK_SEED. */
import { test } from "node:test";
import { soak } from "./soak.ts";

const MINUTE = 60_000;
const { TANDEM_SOAK_MINUTES = "30", TANDEM_SOAK_SEED = "1" } = process.env;
const minutes = Number(TANDEM_SOAK_MINUTES);

test(`soaked for ${minutes} minutes`, { timeout: (minutes + 5) * MINUTE }, (t) =>
  soak(t, { ms: minutes * MINUTE, seed: Number(TANDEM_SOAK_SEED), callers: 8, phase: 10_000, editEvery: 3_000 }),
);
