/** Does `status.shadow` hold what all proxies counted today, once, through restarts of both? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { waitFor } from "../cli/tandem.ts";
import { route, type Stage } from "./harness.ts";
import { playProxies, putQuickstart, skip, stages } from "./stages.ts";

/** Milliseconds: proxies are asked every five seconds, and a status is written every ten. */
const WITHIN = 30_000;

describe("what copies showed", { skip }, () => {
  const { set } = stages();

  test("is summed over proxies and their restarts, and over the operator's", async () => {
    const stage = await set("shadow");
    const [first, second] = await playProxies(stage, 2);
    assert.ok(first && second);
    const operator = await stage.startOperator();
    await putQuickstart(stage);
    await stage.put(route("gpt-4.1", { openai: 100, other: 0 }, { shadow: { backend: "other", percent: 20 } }));
    await stage.until("AIRoute", "gpt-4.1", "Programmed", "True");
    const said = (copied: number, compared: number, date = "2026-11-26") => [
      {
        ...{ route: `${stage.namespace}/gpt-4.1`, backend: "other", date, dropped: 1, different: 0 },
        ...{ copied, compared, noiseCompared: 0, noiseDifferent: 0, tokens: 10 * copied },
        ...(copied >= 100 && { wins: 3, ties: 2, losses: 1 }),
      },
    ];
    first.instance = "first";
    second.instance = "second";
    first.shadows = said(100, 100);
    second.shadows = said(50, 50);
    await untilCopied(stage, 150);
    const shadow = await shadowOf(stage);
    assert.deepEqual([shadow?.date, shadow?.backend, shadow?.verdict], ["2026-11-26", "other", "Alike"]);
    assert.deepEqual([shadow?.compared, shadow?.dropped, shadow?.tokens], [150, 2, 1_500]);
    assert.match(shadow?.message ?? "", /0 % of 150 comparisons/);
    assert.deepEqual(shadow?.judged, { wins: 3, ties: 2, losses: 1 });
    assert.match(shadow?.message ?? "", /Of 6 pairs the judge found the copy better in 3, what the caller got in 1/);

    // The second one is another process now, and the operator too.
    second.instance = "third";
    second.shadows = said(5, 5);
    await untilCopied(stage, 155);
    await operator.kill();
    await stage.startOperator();
    first.shadows = said(110, 110);
    await untilCopied(stage, 165);

    // A new day; and who is late with the old one changes nothing.
    first.shadows = said(1, 1, "2026-11-27");
    await untilCopied(stage, 1);
    assert.equal((await shadowOf(stage))?.verdict, "Inconclusive");

    await stage.put(route("gpt-4.1", { openai: 100, other: 0 }));
    await waitFor("it is gone with the shadow", WITHIN, async () => (await shadowOf(stage)) === undefined);
  });
});

interface Shown {
  readonly date: string;
  readonly backend: string;
  readonly verdict: string;
  readonly judged?: object;
  readonly message: string;
  readonly copied: number;
  readonly compared: number;
  readonly dropped: number;
  readonly tokens: number;
}

async function shadowOf(stage: Stage): Promise<Shown | undefined> {
  const { status } = (await stage.get("AIRoute", "gpt-4.1")) as { status?: { shadow?: Shown } };
  return status?.shadow;
}

async function untilCopied(stage: Stage, copied: number): Promise<void> {
  let seen: number | undefined;
  await waitFor(`${copied} copied`, WITHIN, async () => {
    seen = (await shadowOf(stage))?.copied;
    return seen === copied;
  }).catch((error: Error) => {
    throw new Error(`${error.message}; it is ${seen}`);
  });
}
