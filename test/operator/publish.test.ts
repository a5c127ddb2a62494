/** Is what proxies run published when something changed, put right when somebody meddled, and never written in vain? */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../cli/tandem.ts";
import { provider, RELEASE, route, SOON, type Stage } from "./harness.ts";
import { playProxies, putQuickstart, skip, stages } from "./stages.ts";

const KEPT_TABLES = 10;
/** For one edit. A slow proxy costs one in between. */
const MOST_STATUSES = 3;

describe("what the operator publishes", { skip, concurrency: 3 }, () => {
  const { set } = stages();

  /** A leader, two proxies, and the quickstart programmed on both. */
  async function running(name: string, proxies = 2) {
    const stage = await set(name);
    const played = await playProxies(stage, proxies);
    const operator = await stage.startOperator();
    await putQuickstart(stage);
    if (proxies > 0) await stage.until("AIRoute", "gpt-4o", "Ready", "True");
    else await stage.until("AIRoute", "gpt-4o", "Programmed", "NoProxies");
    await stage.quiet();
    return { stage, operator, played };
  }

  const untilCredentials = (stage: Stage, values: readonly string[]) => {
    const wanted = JSON.stringify(values.toSorted());
    return waitFor(`credentials ${wanted}`, SOON, async () => JSON.stringify(await stage.credentials()) === wanted);
  };

  test("index, shards and companion Secret are as proxies expect them", async () => {
    const { stage } = await running("shape");
    const index = await stage.index();
    const labels = {
      "app.kubernetes.io/name": "tandem",
      "app.kubernetes.io/instance": RELEASE,
      "app.kubernetes.io/managed-by": "tandem-operator",
    };
    assert.deepEqual(index?.metadata.labels, labels);
    const { proxies, pepper = "", history = "", "changed-at": changedAt = "" } = index?.data ?? {};
    assert.equal(proxies, "2");
    assert.match(pepper, /^[0-9a-f]{16}$/);
    assert.ok(Array.isArray(JSON.parse(history)));
    assert.equal(new Date(changedAt).toISOString(), changedAt);
    const shards = await stage.storedShards();
    for (const name of await stage.shardNames()) {
      const shard = shards.find(({ metadata }) => metadata.name === name);
      assert.equal(shard?.immutable, true);
      assert.deepEqual(shard?.metadata.labels, { ...labels, "tandem.dev/shard": "true" });
      assert.ok(shard?.data?.shard);
    }
    assert.deepEqual((await stage.companion())?.metadata.labels, labels);
    assert.deepEqual(await stage.credentials(), ["sk-the-first-key-of-openai", "sk-the-first-key-of-other"]);
  });

  test("an edit of a weight writes one shard, the index and its own status", async () => {
    const { stage } = await running("edit");
    const writes = await stage.writesOf(async () => {
      await stage.put(route("gpt-4o", { openai: 50, other: 50 }));
      await stage.until("AIRoute", "gpt-4o", "Programmed", "True");
    });
    const of = (pattern: RegExp) => writes.filter((write) => pattern.test(write));
    assert.equal(of(/^PATCH .*-shard-/).length, 1, writes.join(", "));
    assert.equal(of(/^PATCH .*-table$/).length, 1, writes.join(", "));
    const statuses = of(/\/status$/);
    assert.ok(statuses.length <= MOST_STATUSES, writes.join(", "));
    assert.deepEqual([...new Set(statuses)], ["PATCH airoutes/gpt-4o/status"]);
    assert.equal(of(/companion/).length, 0, writes.join(", "));
  });

  test("an annotation rotates the key that signs ids, once, and the one before stays good", async () => {
    const { stage } = await running("id-key");
    const keys = async () => {
      const data = (await stage.companion())?.data ?? {};
      return [data["id-key"], data["id-key-previous"]];
    };
    const [first, none] = await keys();
    assert.ok(first !== undefined && none === undefined);
    const rotate = async (value: string) => {
      await stage.annotateCompanion({ "tandem.dev/rotate-id-key": value });
      await waitFor(`rotation ${value}`, SOON, async () => {
        const rotation = (await stage.companion())?.data?.["id-key-rotation"] ?? "";
        return Buffer.from(rotation, "base64").toString() === value;
      });
    };
    await rotate("1");
    const [second, previous] = await keys();
    assert.notEqual(second, first);
    assert.equal(previous, first);
    await stage.quiet();
    assert.deepEqual(await keys(), [second, first]);
    await rotate("2");
    assert.equal((await keys())[1], second);
  });

  test("nothing is written when nothing changed", async () => {
    const { stage, operator } = await running("still");
    const versions = async () => {
      const objects = [await stage.get("AIRoute", "gpt-4o"), await stage.get("AIProvider", "openai")];
      const own = [await stage.index(), await stage.companion(), ...(await stage.storedShards())];
      return [...objects, ...own].map((object) => object?.metadata.resourceVersion);
    };
    const before = await versions();
    const from = stage.network.requests.length;
    await sleep(3_000);
    assert.deepEqual(await versions(), before);
    const asked = stage.network.requests.slice(from).filter(({ path }) => !path.includes("/leases"));
    assert.deepEqual(asked, []);
    assert.equal((await operator.metrics()).get("tandem_operator_reconcile_failures_total"), 0);
  });

  test("a label, an annotation or the same spec again is no news", async () => {
    const { stage } = await running("label");
    const writes = await stage.writesOf(async () => {
      await stage.put({ ...route("gpt-4o", { openai: 90, other: 10 }), metadata: { name: "gpt-4o", ...LABELLED } });
    });
    assert.deepEqual(writes, []);
  });

  test("a deleted Secret is told, takes its backends away, and comes back", async () => {
    const { stage } = await running("secret");
    const before = await stage.hash();
    await stage.removeSecret("openai");
    const { message } = await stage.until("AIProvider", "openai", "ResolvedRefs", "SecretNotFound");
    assert.match(message, /openai/);
    const event = await stage.untilEvent("SecretNotFound", "openai");
    assert.equal(event.type, "Warning");
    await stage.until("AIProvider", "openai", "Ready", "False");
    assert.notEqual(await stage.hash(), before);
    await untilCredentials(stage, ["sk-the-first-key-of-other"]);
    await stage.putSecret("openai", { "api-key": "sk-the-first-key-of-openai" });
    await stage.until("AIProvider", "openai", "ResolvedRefs", "True");
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
    assert.equal(await stage.hash(), before, "equal input gives an equal table");
  });

  test("a rotated Secret: old and new stand side by side until the proxies have moved on", async () => {
    const { stage, played } = await running("rotate");
    const before = await stage.hash();
    for (const proxy of played) await proxy.hold();
    const began = performance.now();
    await stage.putSecret("openai", { "api-key": "sk-the-second-key-of-openai" });
    await waitFor("another table", 2_000, async () => (await stage.hash()) !== before);
    assert.ok(performance.now() - began < 2_000);
    const all = ["sk-the-first-key-of-openai", "sk-the-first-key-of-other", "sk-the-second-key-of-openai"];
    assert.deepEqual(await stage.credentials(), all);
    await sleep(1_500);
    assert.deepEqual(await stage.credentials(), all);
    played[0]?.follow();
    await sleep(2_500);
    assert.deepEqual(await stage.credentials(), all, "one of two still needs the old one");
    played[1]?.follow();
    await untilCredentials(stage, ["sk-the-first-key-of-other", "sk-the-second-key-of-openai"]);
  });

  test("a Secret is in the companion before the table that names it", async () => {
    const { stage } = await running("order");
    const from = stage.network.requests.length;
    await stage.putSecret("third", { "api-key": "sk-the-key-of-the-third" });
    await stage.put(provider("third"));
    await stage.put(route("gpt-4o", { openai: 50, third: 50 }));
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
    const writes = stage.network.requests
      .slice(from)
      .filter(({ kind, path }) => kind === "write" && path.includes(stage.home));
    const first = (pattern: RegExp) => writes.findIndex(({ path }) => pattern.test(path));
    assert.ok(first(/-companion$/) < first(/-shard-/), "the Secret first");
    assert.ok(first(/-shard-/) < first(/-table$/), "the index last");
  });

  test("a deleted provider leaves its routes without it, and they say so", async () => {
    const { stage } = await running("provider");
    await stage.removeObject("AIProvider", "other");
    const { message } = await stage.until("AIRoute", "gpt-4o", "ResolvedRefs", "False");
    assert.match(message, /other/);
    await untilCredentials(stage, ["sk-the-first-key-of-openai"]);
    await stage.put(provider("other", { endpoint: "https://other.example.com/v1" }));
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
  });

  test("foreign edits and deletions of what was published are put right", async () => {
    const { stage } = await running("meddle");
    const [hash, shards, credentials] = [await stage.hash(), await stage.shardNames(), await stage.credentials()];
    const indexPath = stage.ownPath("configmaps", `${RELEASE}-table`);
    const companionPath = stage.ownPath("secrets", `${RELEASE}-companion`);
    const shardPath = stage.ownPath("configmaps", String(shards[0]));
    const { data: companionBefore } = (await stage.companion()) ?? {};
    const right = async () => {
      const index = await stage.index();
      const isIndexRight = (await stage.hash()) === hash && Object.keys(index?.data ?? {}).length === 5;
      const stored = (await stage.storedShards()).map(({ metadata }) => metadata.name);
      const { data } = (await stage.companion()) ?? {};
      return isIndexRight && shards.every((name) => stored.includes(name)) && isDeepEqual(data, companionBefore);
    };
    const merge = { contentType: "application/merge-patch+json" };
    const meddle: Readonly<Record<string, () => Promise<unknown>>> = {
      "another index": () => stage.server.call("PATCH", indexPath, { data: { index: "{}" } }, merge),
      "one more field in the index": () => stage.server.call("PATCH", indexPath, { data: { more: "x" } }, merge),
      "no index": () => stage.remove(indexPath),
      "no shard": () => stage.remove(shardPath),
      "no companion Secret": () => stage.remove(companionPath),
      "another pepper": () => stage.server.call("PATCH", companionPath, { data: { pepper: "eA==" } }, merge),
      "one more field in the Secret": () =>
        stage.server.call("PATCH", companionPath, { data: { more: "eA==" } }, merge),
    };
    for (const [what, how] of Object.entries(meddle)) {
      assert.ok(await right(), `before: ${what}`);
      await how();
      await waitFor(`${what} is put right`, SOON, right);
      await stage.quiet(300);
    }
    assert.deepEqual(await stage.credentials(), credentials);
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
  });

  test("a shard's name that is taken by something else is taken over", async () => {
    const { stage } = await running("taken");
    const [name = ""] = await stage.shardNames();
    const path = stage.ownPath("configmaps", name);
    const { data } = (await stage.server.call("GET", path)).body as { data: Record<string, string> };
    await stage.remove(path);
    const metadata = { name, labels: { mine: "yes" } };
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata, immutable: true, data: { shard: "somebody's" } };
    await stage.server.call("POST", stage.ownPath("configmaps"), body);
    const stored = async () => ((await stage.server.call("GET", path)).body as { data?: object }).data;
    await waitFor("it is ours again", SOON, async () => isDeepEqual(await stored(), data));
  });

  test("shards go when no proxy runs them and ten newer tables stand in the history", async () => {
    const { stage, played } = await running("prune");
    const [held] = played;
    await held?.hold();
    const old = await stage.shardNames();
    for (const weight of Array.from({ length: KEPT_TABLES + 2 }, (_, i) => 20 + i)) {
      const before = await stage.hash();
      await stage.put(route("gpt-4o", { openai: 100 - weight, other: weight }));
      await waitFor("another table", SOON, async () => (await stage.hash()) !== before);
      await stage.quiet(300);
    }
    const names = async () => (await stage.storedShards()).map(({ metadata }) => metadata.name);
    const stored = await names();
    assert.ok(
      old.every((name) => stored.includes(name)),
      "one proxy still runs them",
    );
    held?.follow();
    await waitFor("the old ones are gone", 15_000, async () => (await names()).length <= 1 + KEPT_TABLES);
    const history = JSON.parse((await stage.index())?.data?.history ?? "[]") as { hash: string; shards: string[] }[];
    assert.equal(history.length, KEPT_TABLES);
    const kept = new Set(await names());
    for (const { shards } of history) {
      for (const shard of shards) assert.ok(kept.has(shard.replace("tandem-table-", `${RELEASE}-shard-`)));
    }
  });

  test("the number of proxies changes the index and no shard", async () => {
    const { stage, played } = await running("scale", 2);
    const shards = (await stage.storedShards()).map(({ metadata }) => metadata.resourceVersion);
    const counts = async () => (await stage.get("AIRoute", "gpt-4o")).status?.proxies;
    assert.deepEqual(await counts(), { serving: 2, programmed: 2 });
    await played[1]?.end();
    await waitFor("one serves", SOON, async () => isDeepEqual(await counts(), { serving: 1, programmed: 1 }));
    assert.equal((await stage.index())?.data?.proxies, "1");
    await played[0]?.beReady(false);
    await stage.until("AIRoute", "gpt-4o", "Programmed", "NoProxies");
    await waitFor("none in the index", SOON, async () => (await stage.index())?.data?.proxies === "0");
    await played[0]?.beReady(true);
    await stage.until("AIRoute", "gpt-4o", "Programmed", "True");
    const after = (await stage.storedShards()).map(({ metadata }) => metadata.resourceVersion);
    assert.deepEqual(after, shards);
  });
});

const LABELLED = { labels: { team: "ai" }, annotations: { note: "hello" } };

function isDeepEqual(one: unknown, other: unknown): boolean {
  try {
    assert.deepEqual(one, other);
    return true;
  } catch {
    return false;
  }
}
