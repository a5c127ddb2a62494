/** Do 500 rollouts end as they should? As `seeded.test.ts`, all of them: a minute and a half. */
import { test } from "node:test";
import { rollAll } from "./rolls.ts";

test("of 500 seeded rollouts at most 4 good ones go back and 4 bad ones do not, met by fewer than 2 % of the requests", (t) =>
  rollAll(t, 1));
