/** How are millions of cases run, so that one that fails can be seen again? */
import type { TestContext } from "node:test";
import { Random } from "./random.ts";

/** In `npm test`: the same cases every time, so that it never fails by chance. `FUZZ_SEED` for others. */
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_126);
/** `npm run test:long` multiplies. */
const TIMES = Number(process.env.FUZZ_TIMES ?? 1);
/** Cases share a generator this long; then a new one begins, by whose seed they can be found again. */
const CASES_PER_SEED = 10_000;

/** Runs a case so many times. What it throws is told with the seed under which it comes within 10,000 cases. */
export function fuzz(t: TestContext, cases: number, one: (random: Random) => void): void {
  const all = cases * TIMES;
  t.diagnostic(`${all} cases from seed ${SEED}`);
  for (let begun = 0; begun < all; begun += CASES_PER_SEED) {
    const seed = SEED + begun / CASES_PER_SEED;
    const random = new Random(seed);
    try {
      for (let i = Math.min(CASES_PER_SEED, all - begun); i > 0; i--) one(random);
    } catch (error) {
      throw new Error(`FUZZ_SEED=${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** Cuts bytes at random places, none or many. */
export function chunksOf(bytes: Buffer, random: Random): Buffer[] {
  const most = random.pick([1, 3, 16, 200, 100_000]);
  if (most >= bytes.length) return [bytes];
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + random.below(most);
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}
