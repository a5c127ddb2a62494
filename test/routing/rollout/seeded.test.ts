/** Do rollouts end as they should: good candidates promoted, bad ones sent back before many have met them? */
import { test } from "node:test";
import { rollAll } from "./rolls.ts";

test("of 20 seeded rollouts at most 4 good ones go back and 4 bad ones do not, met by fewer than 2 % of the requests", (t) =>
  rollAll(t, 25));
