/** Is there never more than one leader, and never none for long? */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findBinaries } from "../../cluster/binaries.ts";
import { CONTROL_PLANE } from "../../cluster/programs.ts";
import { Leadership, type LeadershipOptions } from "../../kube/lease.ts";
import type { Lease } from "../../kube/lease-record.ts";
import { pathOf } from "../../kube/objects.ts";
import type { FaultyApi } from "./faulty-api.ts";
import { type Rig, startRig, testLog, until } from "./harness.ts";

const found = await findBinaries(CONTROL_PLANE);
const skip = "missing" in found ? found.missing : false;

/** Real ones, scaled; not more than a busy machine bears, as tests run side by side. */
const SHORT = { durationMs: 6_000, renewDeadlineMs: 4_000, retryMs: 800, requestMs: 1_200 };
const NAME = "tandem-operator";

interface Replica {
  readonly leadership: Leadership;
  readonly api: FaultyApi;
  /** What `onChange` told, and when. */
  readonly told: { readonly isLeader: boolean; readonly at: number }[];
  /** As kill -9 does: nothing gets out any more. */
  kill(): Promise<void>;
}

describe("leader election on a real API server", { skip, concurrency: 4 }, () => {
  let rig: Rig;
  const log = testLog();
  const replicas: Replica[] = [];

  before(async () => {
    if ("missing" in found) return;
    rig = await startRig(found.binaries);
  });

  // Not after each test: the others' go on beside it.
  after(async () => {
    await Promise.all(replicas.map(({ leadership }) => leadership.release()));
    await rig?.stop();
  });

  async function replica(
    namespace: string,
    identity: string,
    options: Partial<LeadershipOptions> = {},
  ): Promise<Replica> {
    const { api, client } = await rig.network();
    const told: Replica["told"] = [];
    const leadership = new Leadership({
      client,
      namespace,
      name: NAME,
      identity,
      log,
      timings: SHORT,
      onChange: (isLeader) => told.push({ isLeader, at: performance.now() }),
      ...options,
    });
    leadership.start();
    const one = { leadership, api, told, kill: () => api.goAway() };
    replicas.push(one);
    return one;
  }

  async function pair(options: Partial<LeadershipOptions> = {}): Promise<[Replica, Replica, string]> {
    const namespace = await rig.namespace();
    const first = await replica(namespace, "first", options);
    await until("the first leads", 5_000, () => first.leadership.isLeader());
    const second = await replica(namespace, "second", options);
    await until("the second watches", 5_000, () => second.api.openWatches === 1);
    return [first, second, namespace];
  }

  async function lease(namespace: string): Promise<Lease> {
    const path = pathOf("coordination.k8s.io/v1", "leases", namespace, NAME);
    return (await rig.server.call("GET", path)).body as Lease;
  }

  test("after a kill the other leads within 20 s, with the real times", async (t) => {
    const [first, second] = await pair({ timings: {} });
    await sleep(3_000);
    await first.kill();
    const ms = await until("the second leads", 20_000, () => second.leadership.isLeader());
    t.diagnostic(`took over after ${Math.round(ms)} ms`);
    const lost = first.told[1];
    assert.ok(lost !== undefined && lost.at < (second.told[0]?.at ?? 0));
  });

  test("short faults cost no leadership", async () => {
    const [first, second] = await pair();
    // Each costs a renewal or two, of the five that fit into the deadline.
    for (const fault of ["reset", "hang", { status: 500 }, { status: 409, reason: "Conflict" }] as const) {
      first.api.fail("write", fault, 1);
      await sleep(SHORT.retryMs * 3);
    }
    first.api.reset();
    await sleep(SHORT.durationMs);
    assert.equal(first.told.length, 1);
    assert.equal(second.told.length, 0);
  });

  test("a leader whose API server was away leads again when nobody took the Lease", async () => {
    const namespace = await rig.namespace();
    const only = await replica(namespace, "only");
    await until("it leads", 5_000, () => only.leadership.isLeader());
    await only.api.goAway();
    await until("it leads no longer", 10_000, () => !only.leadership.isLeader());
    await until("it is told", 1_000, () => only.told.length === 2);
    await sleep(SHORT.durationMs);
    await only.api.comeBack();
    assert.ok((await until("it leads again", 5_000, () => only.leadership.isLeader())) < 2_000);
  });

  test("one of two leads, and goes on leading", async () => {
    const [first, second, namespace] = await pair({ labels: { "app.kubernetes.io/name": "tandem" } });
    await sleep(SHORT.durationMs * 1.5);
    assert.equal(first.leadership.isLeader(), true);
    assert.equal(second.leadership.isLeader(), false);
    assert.deepEqual(
      first.told.map(({ isLeader }) => isLeader),
      [true],
    );
    const { metadata, spec } = await lease(namespace);
    assert.equal(spec?.holderIdentity, "first");
    assert.equal(spec?.leaseDurationSeconds, 6);
    assert.equal(spec?.leaseTransitions, 0);
    assert.equal(metadata.labels?.["app.kubernetes.io/name"], "tandem");
    assert.ok(Date.now() - Date.parse(spec?.renewTime ?? "") < 2_000);
  });

  test("of many that start at once, one leads", async () => {
    const namespace = await rig.namespace();
    const all = await Promise.all(Array.from({ length: 5 }, (_, index) => replica(namespace, `replica-${index}`)));
    const leaders = () => all.filter(({ leadership }) => leadership.isLeader()).length;
    await until("one leads", 5_000, () => leaders() > 0);
    await sleep(SHORT.retryMs * 4);
    assert.equal(leaders(), 1);
  });

  test("a clean end hands over at once", async () => {
    const [first, second, namespace] = await pair();
    const begun = performance.now();
    const released = first.leadership.release();
    const ms = await until("the second leads", 5_000, () => second.leadership.isLeader());
    await released;
    assert.ok(ms < 1_000, `${ms} ms`);
    assert.equal(first.leadership.isLeader(), false);
    const [, lost] = first.told;
    assert.ok(lost !== undefined && !lost.isLeader && lost.at <= (second.told[0]?.at ?? 0));
    assert.ok(lost.at - begun < 1_000);
    assert.equal((await lease(namespace)).spec?.leaseTransitions, 1);
  });

  test("a Lease that somebody deletes is made again by its holder", async () => {
    const [first, second, namespace] = await pair();
    await rig.server.call("DELETE", pathOf("coordination.k8s.io/v1", "leases", namespace, NAME));
    await sleep(SHORT.durationMs);
    assert.equal((await lease(namespace)).spec?.holderIdentity, "first");
    assert.equal(first.told.length, 1);
    assert.equal(second.told.length, 0);
  });

  test("a Lease that is deleted when its holder is gone is made again by another", async () => {
    const [first, second, namespace] = await pair();
    await first.kill();
    await rig.server.call("DELETE", pathOf("coordination.k8s.io/v1", "leases", namespace, NAME));
    await until("the second leads", 15_000, () => second.leadership.isLeader());
    assert.equal(first.leadership.isLeader(), false);
  });

  test("a replica that starts again under its name follows itself at once", async () => {
    const [first, , namespace] = await pair();
    await first.kill();
    const again = await replica(namespace, "first");
    assert.ok((await until("it leads", 5_000, () => again.leadership.isLeader())) < 1_000);
  });

  test("behind a partition the old leader steps back before the new one leads", async () => {
    const [first, second] = await pair();
    const heal = first.api.fail(() => true, "hang");
    first.api.silenceWatches();
    await until("the second leads", 15_000, () => second.leadership.isLeader());
    assert.equal(first.leadership.isLeader(), false);
    const [led, lost] = first.told;
    const [won] = second.told;
    assert.ok(led?.isLeader && lost !== undefined && !lost.isLeader && won?.isLeader);
    assert.ok(won.at - lost.at > 500, `${won.at - lost.at} ms between`);
    heal();
    await sleep(SHORT.retryMs * 4);
    assert.equal(first.leadership.isLeader(), false);
    assert.equal(second.leadership.isLeader(), true);
  });
});
