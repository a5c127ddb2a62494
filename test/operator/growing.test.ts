/** Are counters of processes that come and go added up, each once? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { grown, totalOf } from "../../operator/growing.ts";

const NAMES = ["n"] as const;

test("a word that is repeated, or older, adds nothing; one of a new process adds all", () => {
  let known = grown([], [{ instance: "a", n: 3 }], NAMES);
  known = grown(known, [{ instance: "a", n: 3 }], NAMES);
  known = grown(known, [{ instance: "a", n: 2 }], NAMES);
  assert.equal(totalOf(known, NAMES).n, 3);
  known = grown(
    known,
    [
      { instance: "a", n: 5 },
      { instance: "b", n: 1 },
    ],
    NAMES,
  );
  assert.equal(totalOf(known, NAMES).n, 6);
  known = grown(known, [{ instance: "b", n: 4 }], NAMES);
  assert.equal(totalOf(known, NAMES).n, 9, "who is gone stays counted");
});

test("what is known is bounded, and the total is not", () => {
  let known: ReturnType<typeof grown<"n">> = [];
  for (let i = 0; i < 500; i++)
    known = grown(
      known,
      [
        { instance: `p${i}`, n: 2 },
        { instance: "steady", n: i },
      ],
      NAMES,
    );
  assert.ok(known.length <= 64);
  assert.equal(totalOf(known, NAMES).n, 1_000 + 499);
  assert.ok(known.some(({ instance }) => instance === "steady"));
});
