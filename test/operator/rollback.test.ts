/** Does a rollback bring routes back, and nothing that protects less? */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { tandem, temporaryFolder, waitFor } from "../cli/tandem.ts";
import { pathOf } from "../control-plane/tandem-api.ts";
import { route, SOON, type Stage } from "./harness.ts";
import { playProxies, putQuickstart, skip, stages } from "./stages.ts";

interface Published {
  readonly routes: readonly { readonly key: string; readonly backends: readonly { name: string; weight: number }[] }[];
  readonly clients: readonly { readonly key: string; readonly keys: readonly unknown[] }[];
}

describe("going back to a former table", { skip, concurrency: true }, () => {
  const { set, server } = stages();

  async function running(name: string) {
    const stage = await set(name);
    await playProxies(stage, 2);
    const operator = await stage.startOperator();
    await putQuickstart(stage);
    await stage.until("AIRoute", "gpt-4o", "Programmed", "True");
    const kubeconfig = join(await temporaryFolder(), "kubeconfig");
    await writeFile(kubeconfig, server().kubeconfig());
    const place = ["--kubeconfig", kubeconfig, "--namespace", stage.namespace, "--installed-in", stage.home];
    const rollback = (...args: string[]) => tandem(["rollback", ...args, ...place]);
    return { stage, operator, rollback };
  }

  test("the command holds the routes of the table before, through edits and a restart, until they are released", async () => {
    const { stage, operator, rollback } = await running("rollback");
    const before = await stage.hash();
    await stage.put(route("gpt-4o", { openai: 50, other: 50 }));
    await waitForWeights(stage, { openai: 50, other: 50 });
    const { code, stdout } = await rollback();
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`held as in table ${before.slice(0, 12)} .*openai 90%, other 10%`));
    await waitForWeights(stage, { openai: 90, other: 10 });
    const held = await stage.until("AIRoute", "gpt-4o", "Pinned", "Held");
    assert.match(held.message, new RegExp(before.slice(0, 12)));
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
    await stage.untilEvent("RolledBack", "gpt-4o");
    assert.match((await stage.untilEvent("WeightsChanged", "gpt-4o")).note, /openai \d+%/);

    await stage.put(route("gpt-4o", { openai: 5, other: 95 }));
    await stage.until("AIRoute", "gpt-4o", "Programmed", "True");
    assert.deepEqual(await weightsIn(stage), { openai: 90, other: 10 });
    await operator.kill();
    await stage.startOperator();
    await stage.quiet(1_200);
    assert.deepEqual(await weightsIn(stage), { openai: 90, other: 10 });

    const listed = (await rollback("--list")).stdout;
    assert.match(listed, /^TABLE +SINCE +CHANGED/);
    assert.match(listed, new RegExp(`${before.slice(0, 12)}.*held: ${stage.namespace}/gpt-4o`));

    assert.match((await rollback("--release")).stdout, /released/);
    await waitForWeights(stage, { openai: 5, other: 95 });
    await waitFor("no Pinned", SOON, async () => (await stage.condition("AIRoute", "gpt-4o", "Pinned")) === undefined);
    await stage.untilEvent("Released", "gpt-4o");
  });

  test("a key that was revoked stays revoked, and a client that came since stays", async () => {
    const { stage, rollback } = await running("revoked");
    await stage.putSecret("app-key", { old: "tdm-the-old-key-of-the-app", new: "tdm-the-new-key-of-the-app" });
    const app = (...keys: string[]) => ({
      kind: "AIClient",
      metadata: { name: "app" },
      spec: { keys: keys.map((key) => ({ name: key, secretRef: { name: "app-key", key } })) },
    });
    await stage.put(app("old", "new"));
    await waitFor("two keys", SOON, async () => (await published(stage)).clients[0]?.keys.length === 2);
    const [both] = (await published(stage)).clients;
    await stage.put(route("gpt-4o", { openai: 40, other: 60 }));
    await waitForWeights(stage, { openai: 40, other: 60 });
    await stage.put(app("new"));
    await waitFor("one key", SOON, async () => (await published(stage)).clients[0]?.keys.length === 1);
    assert.equal((await rollback()).code, 0);
    await waitForWeights(stage, { openai: 90, other: 10 });
    const [now] = (await published(stage)).clients;
    assert.deepEqual(now?.keys, both?.keys.slice(1));
  });

  test("a table at which a route is held is kept, however many follow; others go", async () => {
    const { stage, rollback } = await running("kept");
    const first = await stage.hash();
    await stage.put(route("gpt-4o", { openai: 80, other: 20 }));
    await waitForWeights(stage, { openai: 80, other: 20 });
    assert.equal((await rollback("--to", first.slice(0, 8))).code, 0);
    await waitForWeights(stage, { openai: 90, other: 10 });
    for (let weight = 1; weight <= 12; weight++) {
      const before = await stage.hash();
      await stage.put(route("gpt-4o-mini", { openai: 100 - weight, other: weight }));
      await waitFor("another table", SOON, async () => (await stage.hash()) !== before);
    }
    const history = JSON.parse((await stage.index())?.data?.history ?? "[]") as { hash: string }[];
    assert.equal(history.length, 11);
    assert.equal(history.at(-1)?.hash, first);
    assert.deepEqual(await weightsIn(stage), { openai: 90, other: 10 });
  });

  test("what cannot be meant is said in one line", async () => {
    const { rollback } = await running("wrong");
    const unknown = await rollback("--to", "123456");
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /^tandem: --to 123456: not the hash of a table that is kept/);
    assert.match((await rollback("--route", "nobody")).stderr, /--route nobody: there is no such AIRoute/);
    assert.match((await rollback("--release", "--to", "123456")).stderr, /choose one/);
    assert.match((await rollback("--release")).stdout, /no route is held/);
  });

  test("blue-green: one patch switches all traffic; the status says since when, and what came before", async () => {
    const { stage } = await running("blue-green");
    const sides = { strategy: "BlueGreen", activeBackend: "openai" };
    const spec = route("gpt-4o", { openai: 1, other: 1 }, sides);
    await stage.put(spec);
    const active = async () => {
      const { status } = await stage.get("AIRoute", "gpt-4o");
      return (status as { activeBackend?: { name: string; since: string; previous?: string } } | undefined)
        ?.activeBackend;
    };
    await waitFor("blue", SOON, async () => (await active())?.name === "openai");
    assert.equal((await active())?.previous, undefined);
    const began = Date.now();
    const patch = { spec: { activeBackend: "other" } };
    const path = pathOf("AIRoute", stage.namespace, "gpt-4o");
    await server().call("PATCH", path, patch, { contentType: "application/merge-patch+json" });
    await waitForWeights(stage, { openai: 0, other: 100 });
    await waitFor("green", SOON, async () => (await active())?.name === "other");
    const { since = "", previous } = (await active()) ?? {};
    assert.equal(previous, "openai");
    assert.ok(Math.abs(Date.parse(since) - began) < 10_000, since);
    assert.match((await stage.untilEvent("ActiveBackendSwitched", "gpt-4o")).note, /to other now.*openai/);
    const weighted = { spec: { strategy: "Weighted", activeBackend: null } };
    await server().call("PATCH", path, weighted, { contentType: "application/merge-patch+json" });
    await waitFor("no sides any more", SOON, async () => (await active()) === undefined);
  });
});

async function published(stage: Stage): Promise<Published> {
  const names = await stage.shardNames();
  const shards = (await stage.storedShards()).filter(({ metadata }) => names.includes(metadata.name));
  const parts = shards.map(({ data }) => JSON.parse(data?.shard ?? "{}") as Published);
  return { routes: parts.flatMap(({ routes }) => routes), clients: parts.flatMap(({ clients }) => clients) };
}

async function weightsIn(stage: Stage): Promise<Record<string, number>> {
  const found = (await published(stage)).routes.find(({ key }) => key === `${stage.namespace}/gpt-4o`);
  return Object.fromEntries((found?.backends ?? []).map(({ name, weight }) => [name, weight]));
}

async function waitForWeights(stage: Stage, wanted: Record<string, number>): Promise<void> {
  await waitFor(JSON.stringify(wanted), SOON, async () => {
    return JSON.stringify(await weightsIn(stage)) === JSON.stringify(wanted);
  });
}
