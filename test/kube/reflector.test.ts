/** Does the reflector know what a real API server holds, whatever happens to the network between them? */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findBinaries } from "../../cluster/binaries.ts";
import { CONTROL_PLANE } from "../../cluster/programs.ts";
import { type KubeObject, pathOf } from "../../kube/objects.ts";
import { type Change, Reflector, type ReflectorOptions } from "../../kube/reflector.ts";
import type { FaultyApi } from "./faulty-api.ts";
import { type Rig, startRig, testLog, until } from "./harness.ts";

const found = await findBinaries(CONTROL_PLANE);
const skip = "missing" in found ? found.missing : false;

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** A reflector of a namespace of its own, behind a network of its own. */
interface Scene {
  readonly reflector: Reflector<ConfigMap>;
  readonly api: FaultyApi;
  readonly namespace: string;
  value(name: string): string | undefined;
  /** A change made now is seen; answers after how many milliseconds. */
  seesChanges(timeoutMs?: number): Promise<number>;
}

interface SceneOptions extends Partial<ReflectorOptions<ConfigMap>> {
  /** Before it starts. The ConfigMap `a` is there. */
  readonly prepare?: (api: FaultyApi, namespace: string) => unknown;
}

describe("a reflector on a real API server", { skip, concurrency: 3 }, () => {
  let rig: Rig;
  const reflectors: Reflector<ConfigMap>[] = [];
  const log = testLog();

  before(async () => {
    if ("missing" in found) return;
    rig = await startRig(found.binaries);
  });

  after(async () => {
    await Promise.all(reflectors.map((one) => one.stop()));
    await rig?.stop();
  });

  async function begin({ prepare, ...options }: SceneOptions = {}): Promise<Scene> {
    const { api, client } = await rig.network();
    const namespace = await rig.namespace();
    await rig.configMap("POST", namespace, "a", "1");
    await prepare?.(api, namespace);
    const path = pathOf("v1", "configmaps", namespace);
    const reflector = new Reflector<ConfigMap>({ client, path, log, ...options });
    reflectors.push(reflector);
    reflector.start();
    const value = (name: string) => reflector.get(`${namespace}/${name}`)?.data?.value;
    const seesChanges = async (timeoutMs = 5_000) => {
      const mark = String(performance.now());
      await rig.configMap("PUT", namespace, "a", mark);
      return until(`the change ${mark} is seen`, timeoutMs, () => value("a") === mark);
    };
    return { reflector, api, namespace, value, seesChanges };
  }

  async function beginSynced(options: SceneOptions = {}): Promise<Scene> {
    const scene = await begin(options);
    await scene.reflector.whenSynced();
    await until("a watch is open", 5_000, () => scene.api.openWatches === 1);
    return scene;
  }

  /** With seconds instead of half minutes the bounds are the same. */
  const STORM_MS = 5_000;

  for (const [name, fault] of [
    ["closes every watch at once", "close-at-once"],
    ["always answers 410", { status: 410, reason: "Expired" }],
    ["resets every watch", "reset"],
  ] as const) {
    test(`a server that ${name} is not stormed`, async () => {
      const { api, seesChanges } = await begin();
      const heal = api.fail("watch", fault);
      await sleep(STORM_MS);
      const [watches, lists] = [api.count("watch"), api.count("list")];
      // Waits of 0.05, 0.25, 0.5, 1, 2… s on average.
      assert.ok(watches >= 2 && watches <= 20, `${watches} watches`);
      assert.ok(lists <= watches + 1, `${lists} lists`);
      heal();
      await seesChanges(20_000);
    });
  }

  test("it knows what is there, and tells of each change once", async () => {
    const changes: Change<ConfigMap>[] = [];
    const { reflector, namespace, value } = await begin({ onChange: (change) => changes.push(change) });
    assert.equal(reflector.isSynced, false);
    assert.equal(reflector.lastContact, 0);
    await reflector.whenSynced();
    assert.equal(reflector.isSynced, true);
    assert.equal(value("a"), "1");
    assert.ok(Date.now() - reflector.lastContact < 5_000);
    await rig.configMap("PUT", namespace, "a", "2");
    await rig.configMap("POST", namespace, "b", "1");
    await rig.configMap("DELETE", namespace, "a");
    await until("all is told", 5_000, () => changes.length >= 4);
    assert.deepEqual(
      changes.map(({ type, key, object }) => [type, key.split("/")[1], object.data?.value]),
      [
        ["added", "a", "1"],
        ["modified", "a", "2"],
        ["added", "b", "1"],
        ["deleted", "a", "2"],
      ],
    );
    assert.equal(changes[1]?.type === "modified" && changes[1].previous.data?.value, "1");
    assert.equal(value("a"), undefined);
  });

  test("objects say what they are, and carry no managedFields", async () => {
    const { reflector, namespace, value } = await beginSynced();
    await rig.configMap("POST", namespace, "b");
    await until("b is seen", 5_000, () => value("b") !== undefined);
    for (const object of reflector.list()) {
      assert.equal(object.kind, "ConfigMap");
      assert.equal(object.apiVersion, "v1");
      assert.equal("managedFields" in object.metadata, false);
    }
    assert.equal(reflector.list(), reflector.list());
  });

  test("more objects than a page holds are listed", async () => {
    const names = Array.from({ length: 750 }, (_, index) => `many-${index}`);
    const prepare = async (_: FaultyApi, namespace: string) => {
      for (let at = 0; at < names.length; at += 50) {
        await Promise.all(names.slice(at, at + 50).map((name) => rig.configMap("POST", namespace, name)));
      }
    };
    const { reflector, api } = await begin({ prepare });
    await reflector.whenSynced();
    assert.equal(reflector.list().length, names.length + 1);
    assert.equal(api.count("list"), 2);
  });

  test("a watch that the server ends is resumed without a list", async () => {
    const { api, seesChanges } = await beginSynced();
    api.endWatches();
    const ms = await seesChanges();
    assert.ok(ms < 1_000, `${ms} ms`);
    assert.equal(api.count("list"), 1);
    const watches = api.requests.filter(({ kind }) => kind === "watch");
    assert.equal(watches[1]?.query.get("allowWatchBookmarks"), "true");
    const seconds = Number(watches[1]?.query.get("timeoutSeconds"));
    assert.ok(seconds >= 240 && seconds <= 480, String(seconds));
  });

  test("it is resumed from the version that was seen last", async () => {
    const { reflector, api, namespace, seesChanges } = await beginSynced();
    await seesChanges();
    const version = reflector.get(`${namespace}/a`)?.metadata.resourceVersion;
    api.endWatches();
    await until("a second watch", 5_000, () => api.count("watch") === 2);
    assert.equal(api.requests.findLast(({ kind }) => kind === "watch")?.query.get("resourceVersion"), version);
  });

  test("reset connections", async () => {
    const { api, seesChanges } = await beginSynced();
    api.reset();
    assert.ok((await seesChanges()) < 1_000);
    assert.equal(api.count("list"), 1);
  });

  test("an event that breaks off in its middle is seen after all", async () => {
    const { api, seesChanges } = await beginSynced();
    api.cutNextEvent();
    assert.ok((await seesChanges()) < 1_000);
    assert.equal(api.count("watch"), 2);
    assert.equal(api.count("list"), 1);
  });

  test("a version that is too old, said in the stream and as the answer", async () => {
    const { reflector, api, namespace, seesChanges } = await beginSynced();
    const before = reflector.get(`${namespace}/a`);
    api.expireWatches();
    await until("a second list", 5_000, () => reflector.counters.relists.expired === 1);
    assert.equal(reflector.get(`${namespace}/a`), before, "what did not change is the same object");
    await seesChanges();
    api.fail("watch", { status: 410, reason: "Expired" }, 1);
    api.endWatches();
    await until("a third list", 5_000, () => reflector.counters.relists.expired === 2);
    await seesChanges();
    assert.equal(reflector.counters.missedEvents, 0);
  });

  test("errors of lists and watches", async () => {
    const prepare = (api: FaultyApi) => {
      api.fail("list", { status: 500 }, 2);
      api.fail("watch", { status: 500 }, 2);
    };
    const { reflector, seesChanges } = await begin({ prepare });
    await until("it is synced", 10_000, () => reflector.isSynced);
    await seesChanges(20_000);
  });

  test("Retry-After is honoured", async () => {
    const { api, seesChanges } = await beginSynced();
    api.fail("watch", { status: 429, reason: "TooManyRequests", retryAfterSeconds: 2 }, 1);
    api.endWatches();
    await until("the watch was refused and opened again", 10_000, () => api.count("watch") === 3);
    const [, refused, again] = api.requests.filter(({ kind }) => kind === "watch");
    assert.ok((again?.at ?? 0) - (refused?.at ?? 0) >= 1_990);
    await seesChanges();
    assert.equal(api.count("list"), 1);
  });

  test("a watch that falls silent is given up", async () => {
    const { api, seesChanges } = await beginSynced({ timings: { inactivityMs: 1_000 } });
    api.silenceWatches();
    const ms = await seesChanges(10_000);
    assert.ok(ms > 500 && ms < 2_500, `${ms} ms`);
    assert.equal(api.count("list"), 1);
  });

  test("requests that nobody answers are given up", async () => {
    const { api, seesChanges } = await beginSynced({ timings: { inactivityMs: 1_000 } });
    const heal = api.fail("watch", "hang");
    api.endWatches();
    await until("a watch is tried", 5_000, () => api.count("watch") === 2);
    heal();
    await seesChanges(10_000);
  });

  test("an API server that is away for a time", async () => {
    const { reflector, api, namespace, value } = await beginSynced();
    await api.goAway();
    await rig.configMap("POST", namespace, "b", "meanwhile");
    await rig.configMap("DELETE", namespace, "a");
    await sleep(2_000);
    assert.equal(value("a"), "1", "what is known stays known");
    await api.comeBack();
    await until("b is seen", 10_000, () => value("b") === "meanwhile" && value("a") === undefined);
    assert.equal(reflector.counters.missedEvents, 0);
  });

  test("deletions that fell between two lists are found", async () => {
    const deleted: string[] = [];
    const { api, namespace, value } = await beginSynced({
      onChange: ({ type, key }) => {
        if (type === "deleted") deleted.push(key);
      },
    });
    await api.goAway();
    await rig.configMap("DELETE", namespace, "a");
    api.fail("watch", { status: 410, reason: "Expired" }, 1);
    await api.comeBack();
    await until("a is gone", 10_000, () => value("a") === undefined);
    assert.deepEqual(deleted, [`${namespace}/a`]);
  });

  test("what the watch keeps to itself is found by the checking list, and counted", async () => {
    const { reflector, api, namespace, value } = await beginSynced({
      timings: { safetyMs: 1_000, safetyGraceMs: 200 },
    });
    const heal = api.swallowEvents();
    await rig.configMap("PUT", namespace, "a", "2");
    await rig.configMap("POST", namespace, "b", "1");
    await until("both are seen", 10_000, () => value("a") === "2" && value("b") === "1");
    assert.equal(reflector.counters.missedEvents, 2);
    await rig.configMap("DELETE", namespace, "a");
    await until("the deletion is seen", 10_000, () => value("a") === undefined);
    assert.equal(reflector.counters.missedEvents, 3);
    heal();
    assert.equal(reflector.counters.relists.missed, 2);
  });

  test("checking lists beside a busy watch find nothing", async () => {
    const { reflector, api, namespace, seesChanges } = await beginSynced({
      timings: { safetyMs: 150, safetyGraceMs: 100 },
    });
    const end = performance.now() + 3_000;
    for (let index = 0; performance.now() < end; index++) await rig.configMap("PUT", namespace, "a", String(index));
    await seesChanges();
    assert.ok(reflector.counters.relists.safety >= 5, JSON.stringify(reflector.counters));
    assert.equal(reflector.counters.missedEvents, 0);
    assert.equal(api.count("watch"), 1);
  });

  test("a handler that throws stops nothing", async () => {
    const { reflector, api, seesChanges } = await beginSynced({
      onChange: () => {
        throw new Error("a mistake in the handler");
      },
    });
    await seesChanges();
    await seesChanges();
    assert.equal(reflector.counters.handlerErrors, 3);
    assert.ok(log.lines.some((line) => line.includes("a handler failed")));
    assert.equal(api.count("watch"), 1);
  });

  test("it stops at once, and for good", async () => {
    const { reflector, api, value } = await beginSynced();
    const begun = performance.now();
    await reflector.stop();
    // Else it would wait for the watch, which is open for minutes.
    assert.ok(performance.now() - begun < 5_000);
    const { length } = api.requests;
    await sleep(300);
    assert.equal(api.requests.length, length);
    assert.equal(value("a"), "1");
  });
});
