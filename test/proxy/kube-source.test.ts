/** Does a proxy run what is published, the newest and nothing else, whatever happens to the API server? */
import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findBinaries } from "../../cluster/binaries.ts";
import { CONTROL_PLANE } from "../../cluster/programs.ts";
import { canonicalJson } from "../../routing/canonical.ts";
import { companionData } from "../../routing/companion.ts";
import { Redacted } from "../../routing/secrets.ts";
import { startSimulators } from "../../simulators/main.ts";
import { waitFor } from "../cli/tandem.ts";
import { type ApiServer, startApiServer } from "../control-plane/api-server.ts";
import { objects } from "./harness.ts";
import { Installed, type ProxyProcess } from "./proxy-command.ts";
import { Service } from "./service.ts";
import { type Made, VALUES } from "./stand-in-operator.ts";

const found = await findBinaries(CONTROL_PLANE);
const skip = "missing" in found ? found.missing : false;

const start = () =>
  startSimulators({
    openai: { keys: ["sk-first", "sk-second"] },
    azure: { keys: ["azure-first"], deployments: [{ name: "gpt-4o-prod", model: "gpt-4o" }] },
  });
const simulators = await start();
after(() => simulators.close());

const WITHIN = 10_000;

/** One provider gets all, by weight: in one tier. */
function weighted(openai: number, azure: number, request = "60s"): object[] {
  const backends = [
    { name: "openai", providerRef: { name: "openai" }, weight: openai },
    { name: "azure", providerRef: { name: "azure-sweden" }, weight: azure },
  ];
  return objects({ route: { backends }, openai: { timeouts: { request } } });
}

describe("a proxy beside an API server", { skip, concurrency: 2 }, () => {
  let server: ApiServer;
  let number = 0;

  before(async () => {
    if ("missing" in found) return;
    server = await startApiServer(found.binaries);
  });

  after(() => server?.stop());

  const install = (providers = simulators) => Installed.in(server, `system-${number++}`, providers);

  async function serving(installed: Installed, made: Made, more: readonly string[] = []): Promise<ProxyProcess> {
    const proxy = await installed.start(more);
    await runs(proxy, made);
    return proxy;
  }

  const runs = (proxy: ProxyProcess, made: Made) =>
    waitFor("the table is in force", WITHIN, async () => (await proxy.hash()) === made.published.hash);
  const problem = (proxy: ProxyProcess, what: RegExp) =>
    waitFor(`a problem ${what}`, WITHIN, async () => what.test((await proxy.source()).problem ?? ""));
  const rejects = (proxy: ProxyProcess, what: RegExp) =>
    waitFor(`a rejection ${what}`, WITHIN, async () => what.test((await proxy.summary()).rejected?.message ?? ""));

  test("it is alive before there is a table, ready with the first, and serves", async () => {
    const installed = await install();
    const proxy = await installed.start();
    assert.equal((await fetch(`${proxy.adminUrl}/healthz`)).status, 200);
    assert.equal(await proxy.ready(), false);
    assert.equal((await proxy.chat()).status, 503);
    const made = await installed.operator.publish(weighted(1, 0));
    await runs(proxy, made);
    assert.equal(await proxy.ready(), true);
    assert.deepEqual(await proxy.chat(), { status: 200, provider: "openai", code: undefined });
    assert.equal(
      await proxy.metric("tandem_config_propagation_seconds_count"),
      undefined,
      "the first table is no change",
    );
    proxy.kill();
  });

  test("an edit of the weights decides requests at once", async (t) => {
    const installed = await install();
    const { operator } = installed;
    const proxy = await serving(installed, await operator.publish(weighted(1, 0)));
    const took: number[] = [];
    for (let i = 0; i < 10; i++) {
      const [weights, provider] = i % 2 === 0 ? [weighted(0, 1), "azure-sweden"] : [weighted(1, 0), "openai"];
      const made = operator.make(weights);
      await operator.writeShards(made);
      const wroteAt = await operator.writeIndex(made);
      while ((await proxy.chat()).provider !== provider) assert.ok(performance.now() - wroteAt < WITHIN);
      took.push(performance.now() - wroteAt);
    }
    took.sort((a, b) => a - b);
    t.diagnostic(`index written → request decided by it, ms: ${took.map((ms) => ms.toFixed(0)).join(" ")}`);
    assert.ok((took[5] ?? 0) < 1_000, `${took}`);
    assert.equal(await proxy.metric("tandem_config_propagation_seconds_count"), 10);
    assert.ok(((await proxy.metric("tandem_config_propagation_seconds_sum")) ?? 0) < 10);
    proxy.kill();
  });

  test("of tables that come faster than they are read the last is in force, and none after a newer one", async () => {
    const installed = await install();
    const { operator } = installed;
    const proxy = await serving(installed, await operator.publish(weighted(1, 0)));
    const made = Array.from({ length: 25 }, (_, i) => operator.make(weighted(1, 0, `${100 + i}s`)));
    const seen: string[] = [];
    let isOver = false;
    const watching = (async () => {
      while (!isOver) seen.push((await proxy.hash()) ?? "");
    })();
    for (const one of made) {
      await operator.writeShards(one);
      await operator.writeIndex(one);
    }
    await runs(proxy, made.at(-1) as Made);
    await sleep(200);
    isOver = true;
    await watching;
    const order = seen.map((hash) => made.findIndex(({ published }) => published.hash === hash));
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    );
    assert.equal(order.at(-1), 24);
    assert.equal((await proxy.summary()).rejected, null);
    proxy.kill();
  });

  test("a rotated key is used from the index on, the old one never again", async (t) => {
    // Nobody else's requests may be the last that were seen.
    const own = await start();
    t.after(() => own.close());
    const installed = await install(own);
    const { operator } = installed;
    const proxy = await serving(installed, await operator.publish(weighted(1, 0)));
    const sent = () => own.openai.requests().findLast(({ operation }) => operation?.includes("chat"));
    await proxy.chat();
    const before = sent()?.headers.authorization;
    await operator.publish(weighted(1, 0), { ...VALUES, openai: "sk-second", client: "tdm-second-client-key" });
    await waitFor("the client's new key is known", WITHIN, async () => {
      return (await proxy.chat("tdm-second-client-key")).status === 200;
    });
    assert.notEqual(sent()?.headers.authorization, before);
    assert.equal((await proxy.chat()).status, 401);
    proxy.kill();
  });

  test("an index that comes before its Secret waits for it, and says so", async () => {
    const installed = await install();
    const { operator } = installed;
    const first = await operator.publish(weighted(1, 0));
    const proxy = await serving(installed, first);
    const made = operator.make(weighted(0, 1), { ...VALUES, openai: "sk-second" });
    await operator.writeShards(made);
    await operator.writeIndex(made);
    await problem(proxy, /waits for a credential/);
    assert.equal((await proxy.chat()).provider, "openai");
    await rejects(proxy, /waits for a credential that the companion Secret does not hold yet/);
    assert.equal((await proxy.summary()).rejected?.hash, made.published.hash);
    assert.equal(await proxy.hash(), first.published.hash);
    await operator.writeSecret(new Map([...first.credentials, ...made.credentials]));
    await runs(proxy, made);
    assert.equal((await proxy.chat()).provider, "azure-sweden");
    assert.deepEqual([(await proxy.summary()).rejected, (await proxy.source()).problem], [null, null]);
    // Secret before index: nothing happens until the index names it.
    const next = operator.make(weighted(1, 0));
    await operator.writeSecret(new Map([...made.credentials, ...next.credentials]));
    await operator.writeShards(next);
    await sleep(200);
    assert.equal(await proxy.hash(), made.published.hash);
    await operator.writeIndex(next);
    await runs(proxy, next);
    proxy.kill();
  });

  test("a table under another pepper waits for that pepper", async () => {
    const installed = await install();
    const { operator } = installed;
    const first = await operator.publish(weighted(1, 0));
    const proxy = await serving(installed, first);
    operator.pepper = new Redacted("another-pepper");
    const made = operator.make(weighted(1, 0));
    await operator.writeShards(made);
    await operator.writeIndex(made);
    await problem(proxy, /pepper/);
    assert.equal((await proxy.chat()).status, 200);
    await operator.writeSecret(made.credentials);
    await runs(proxy, made);
    assert.equal((await proxy.chat()).status, 200);
    proxy.kill();
  });

  test("what cannot be used is refused and told, until it can or is not wanted any more", async () => {
    const installed = await install();
    const { operator } = installed;
    const first = await operator.publish(weighted(1, 0));
    const proxy = await serving(installed, first);
    const made = operator.make(weighted(0, 1));
    const [[name, text]] = Object.entries(made.published.shards) as [[string, string]];
    const failures = () => proxy.metric('tandem_config_reloads_total{result="failure"}');

    await operator.writeIndex(made);
    await rejects(proxy, /named in the index and not there/);
    assert.deepEqual([(await proxy.chat()).provider, await proxy.hash()], ["openai", first.published.hash]);
    assert.equal((await proxy.summary()).rejected?.hash, made.published.hash);
    await sleep(1_200);
    assert.equal(await failures(), 1, "it is tried again, and told once");

    await operator.writeShard(name, text.replace("gpt-4o", "gpt-40"));
    await rejects(proxy, /does not have the checksum/);
    assert.equal((await proxy.chat()).provider, "openai");
    await operator.deleteShard(name);
    await operator.writeShard(name, text);
    await runs(proxy, made);
    assert.equal((await proxy.chat()).provider, "azure-sweden");
    assert.equal((await proxy.summary()).rejected, null);

    const newer = canonicalJson({ ...JSON.parse(made.published.index), schemaVersion: 99 });
    await operator.writeIndex(made, newer);
    await rejects(proxy, /schema version 99.*upgrade the proxy/);
    assert.equal((await proxy.chat()).status, 200);
    await operator.writeIndex(made);
    await waitFor("the rejection is taken back", WITHIN, async () => (await proxy.summary()).rejected === null);
    assert.equal((await proxy.source()).problem, null);
    // Perhaps once more, for the moment in which the damaged shard was gone.
    const told = (await failures()) ?? 0;
    assert.ok(told === 3 || told === 4, `${told}`);
    proxy.kill();
  });

  test("a credential that somebody damaged in the Secret is put right without a new table", async () => {
    const installed = await install();
    const { operator } = installed;
    const made = operator.make(weighted(1, 0));
    const damaged = new Map([...made.credentials.keys()].map((version) => [version, new Redacted("sk-damaged")]));
    await operator.writeSecret(damaged);
    await operator.writeShards(made);
    await operator.writeIndex(made);
    const proxy = await serving(installed, made);
    assert.notEqual((await proxy.chat()).status, 200);
    await operator.writeSecret(made.credentials);
    await waitFor("the right key is used", WITHIN, async () => (await proxy.chat()).status === 200);
    const { faults } = await proxy.summary();
    assert.ok(
      faults.some(({ provider, status }) => provider === "ai/openai" && status === 401),
      JSON.stringify(faults),
    );
    proxy.kill();
  });

  test("the summary asks for the admin token of the moment outside loopback", async () => {
    const installed = await install();
    const { operator } = installed;
    const made = await operator.publish(weighted(1, 0));
    const proxy = await serving(installed, made);
    const ask = (token?: string) => proxy.statusFrom("tandem-proxy.example", token);
    assert.deepEqual([await ask(), await ask("wrong"), await ask("first-admin-token")], [401, 401, 200]);
    operator.adminToken = "second-admin-token";
    await operator.writeSecret(made.credentials);
    await waitFor("the new token is right", WITHIN, async () => (await ask("second-admin-token")) === 200);
    assert.equal(await ask("first-admin-token"), 401);
    const { draining, providers } = await proxy.summary();
    assert.equal(draining, false);
    assert.deepEqual(providers.map(({ provider }) => provider).sort(), ["ai/azure-sweden", "ai/openai"]);
    proxy.kill();
  });

  test("without the API server it goes on, and a restart serves what was kept", async (t) => {
    const installed = await install();
    const { operator, cable } = installed;
    const made = await operator.publish(weighted(0, 1));
    const first = await serving(installed, made);
    await waitFor("the table is kept", WITHIN, async () =>
      (await readdir(installed.state).catch((): string[] => [])).includes("index.json"),
    );
    cable.pull();
    await sleep(1_500);
    assert.equal((await first.chat()).status, 200);
    assert.ok(((await first.metric("tandem_config_age_seconds")) ?? 0) > 1);
    first.kill();

    const identity = { pepper: operator.pepper, adminToken: new Redacted("mounted-token"), idKeys: [] };
    const begun = performance.now();
    // Nothing is served with half of the keys.
    await installed.mount(companionData(identity, new Map([...made.credentials].slice(1))));
    const half = await installed.start();
    await half.started.says(/last good table cannot be used/);
    assert.equal(await half.ready(), false);
    half.kill();
    await installed.mount(companionData(identity, made.credentials));
    const startedAt = performance.now();
    const second = await serving(installed, made);
    t.diagnostic(`ready without the API server after ${(performance.now() - startedAt).toFixed(0)} ms`);
    assert.equal(await second.ready(), true);
    assert.equal((await second.chat()).provider, "azure-sweden");
    assert.equal((await second.source()).isLastGood, true);
    const age = (await second.metric("tandem_config_age_seconds")) ?? 0;
    assert.ok(age > 3 && age < (performance.now() - begun) / 1000 + 10, `it counts on over the restart: ${age}`);
    assert.equal(await second.statusFrom("tandem-proxy.example", "mounted-token"), 200);

    cable.mend();
    await waitFor("the API server names it", 30_000, async () => !(await second.source()).isLastGood);
    assert.ok(((await second.metric("tandem_config_age_seconds")) ?? 99) < 3);
    await runs(second, await operator.publish(weighted(1, 0)));
    assert.equal((await second.chat()).provider, "openai");
    second.kill();
  });

  test("what was kept is served where the published table cannot be used, and where shards are gone nothing", async () => {
    const installed = await install();
    const { operator } = installed;
    const made = await operator.publish(weighted(0, 1));
    const first = await serving(installed, made);
    const next = await operator.publish(weighted(1, 0));
    await runs(first, next);
    await sleep(500);
    first.kill();
    const kept = (await readdir(installed.state)).sort();
    assert.deepEqual(kept, ["index.json", ...Object.keys(next.published.shards)]);
    await installed.mount(
      companionData({ pepper: operator.pepper, adminToken: new Redacted("x"), idKeys: [] }, next.credentials),
    );
    await operator.writeIndex(made, canonicalJson({ ...JSON.parse(made.published.index), schemaVersion: 99 }));
    const second = await serving(installed, next);
    assert.equal((await second.chat()).provider, "openai");
    await problem(second, /schema version 99/);
    second.kill();
    await rm(`${installed.state}/${kept[1]}`);
    const third = await installed.start();
    await third.started.says(/last good table cannot be used/);
    assert.equal(await third.ready(), false);
    third.kill();
  });

  test("SIGTERM: no request of clients that never retry fails, keys still rotate, and it ends with 0", async (t) => {
    const installed = await install();
    const { operator } = installed;
    const made = await operator.publish(weighted(1, 0));
    const [old, next] = await Promise.all([serving(installed, made), serving(installed, made)]);
    const service = new Service(old.url);
    const clients = Array.from({ length: 8 }, (_, i) => service.ask([0, 20, 100, 500][i % 4] ?? 0));
    await sleep(1_000);
    const before = service.answers.length;
    const begun = performance.now();
    old.started.child.kill("SIGTERM");
    await waitFor("it is not ready", 1_000, async () => !(await old.ready()));
    assert.equal((await fetch(`${old.adminUrl}/healthz`)).status, 200);
    const newer = await operator.publish(weighted(0, 1));
    await runs(old, newer);
    assert.equal((await old.summary()).draining, true);
    service.endpoint = next.url;
    const { code, stderr } = await old.started.ended;
    t.diagnostic(`gone ${(performance.now() - begun).toFixed(0)} ms after SIGTERM, ${service.answers.length} answers`);
    await sleep(300);
    service.stop();
    await Promise.all(clients);
    assert.deepEqual([service.failures, code], [[], 0], stderr);
    assert.ok(before > 10 && service.answers.length > before);
    next.kill();
  });
});
