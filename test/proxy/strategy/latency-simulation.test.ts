/** Do the shipped constants choose the fastest, notice what changes, and come to rest? In virtual time, from seeds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Backend, World } from "./latency-world.ts";

const SECOND = 1000;
const RATES = [1, 10, 100];
const steady = (milliseconds: number): Backend => ({ latency: () => milliseconds });

/** Shares of the first backend, in windows of ten seconds. */
function windows(world: World, from: number, to: number): number[] {
  const shares: number[] = [];
  for (let at = from; at < to; at += 10 * SECOND) shares.push(world.share(0, at, at + 10 * SECOND));
  return shares;
}

for (const perSecond of RATES) {
  test(`the faster of two answers, but for what measures the other (${perSecond} a second)`, () => {
    const world = new World({ seed: 1, perSecond, backends: [steady(300), steady(600)] }).runUntil(600 * SECOND);
    const slower = world.share(1, 60 * SECOND, 600 * SECOND);
    assert.ok(slower < 0.04, `${slower}`);
    const explored = world.asked.filter(({ why }) => why === "latency:explore").length / world.asked.length;
    assert.ok(explored > 0.005 && explored < 0.035, `${explored}`);
  });

  for (const times of [3, Number.POSITIVE_INFINITY]) {
    test(`one that becomes ${times} times slower loses its traffic and gets it back (${perSecond} a second)`, () => {
      const isSlow = (now: number) => now > 120 * SECOND && now < 300 * SECOND;
      const changing: Backend = { latency: (now) => (isSlow(now) ? 300 * times : 300) };
      const options = { seed: 2, perSecond, backends: [changing, steady(450)] };
      const world = new World(options).runUntil(900 * SECOND);
      const shares = {
        before: world.share(0, 60 * SECOND, 120 * SECOND),
        lost: world.share(0, 130 * SECOND, 300 * SECOND),
        regained: world.share(0, 600 * SECOND, 900 * SECOND),
      };
      assert.ok(shares.before > 0.9 && shares.lost < 0.08 && shares.regained > 0.9, JSON.stringify(shares));
    });
  }
}

test("a backend that nobody explores is tried again after some minutes", () => {
  const changing: Backend = { latency: (now) => (now < 120 * SECOND ? 900 : 100) };
  const options = { seed: 3, perSecond: 10, backends: [changing, steady(300)], rules: { explorePercent: 0 } };
  const world = new World(options).runUntil(900 * SECOND);
  assert.ok(world.share(0, 60 * SECOND, 120 * SECOND) < 0.02);
  assert.ok(world.share(0, 800 * SECOND, 900 * SECOND) > 0.95);
});

test("within the margin weights share, and nothing swings", () => {
  const backends = [{ ...steady(300), weight: 3 }, steady(315)];
  const world = new World({ seed: 4, perSecond: 20, backends, noise: 0.02 }).runUntil(600 * SECOND);
  for (const share of windows(world, 60 * SECOND, 600 * SECOND)) assert.ok(share > 0.5 && share < 0.85, `${share}`);
});

test("a wider margin makes equals of what a narrow one tells apart", () => {
  const share = (switchMarginPercent: number) => {
    const options = { seed: 5, perSecond: 20, backends: [steady(300), steady(450)], rules: { switchMarginPercent } };
    return new World(options).runUntil(300 * SECOND).share(1, 60 * SECOND, 300 * SECOND);
  };
  assert.ok(share(10) < 0.05 && share(100) > 0.3, `${share(10)} ${share(100)}`);
});

/** Slower the more it is asked, by all proxies together. */
const loaded = (idle: number, capacity: number): Backend => ({ latency: (_now, busy) => idle * (1 + busy / capacity) });

for (const seed of [1, 2, 3]) {
  test(`two proxies over backends that slow down under load come to rest (seed ${seed})`, () => {
    const backends = [loaded(300, 8), loaded(450, 8)];
    const world = new World({ seed, perSecond: 20, proxies: 2, backends }).runUntil(600 * SECOND);
    const shares = windows(world, 60 * SECOND, 600 * SECOND);
    const [low, high] = [Math.min(...shares), Math.max(...shares)];
    assert.ok(low > 0.5 && high < 0.9 && high - low < 0.3, `${low} to ${high}`);
  });

  test(`two proxies share equals that slow down under load evenly (seed ${seed})`, () => {
    const backends = [loaded(300, 6), loaded(300, 6)];
    const world = new World({ seed, perSecond: 20, proxies: 2, backends }).runUntil(600 * SECOND);
    for (const share of windows(world, 60 * SECOND, 600 * SECOND)) assert.ok(share > 0.35 && share < 0.65, `${share}`);
  });
}

test("each location has its own fastest", () => {
  const near = (home: string): Backend => ({ latency: (_now, _busy, location) => (location === home ? 200 : 500) });
  const backends = [near("north"), near("south")];
  const world = new World({ seed: 6, perSecond: 20, locations: ["north", "south"], backends }).runUntil(300 * SECOND);
  assert.ok(world.share(0, 120 * SECOND, 300 * SECOND, "north") > 0.95);
  assert.ok(world.share(1, 120 * SECOND, 300 * SECOND, "south") > 0.95);
});
