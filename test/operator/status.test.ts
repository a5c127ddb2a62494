/** Does the status of each object tell its owner the truth: by the compiler, and by what the proxies say? */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Started, waitFor } from "../cli/tandem.ts";
import { provider, route, SOON, type Stage } from "./harness.ts";
import { playProxies, putQuickstart, skip, stages } from "./stages.ts";

describe("what the operator tells owners", { skip, concurrency: 3 }, () => {
  const { set, server } = stages();

  async function running(name: string, proxies = 1) {
    const stage = await set(name);
    const played = await playProxies(stage, proxies);
    const operator = await stage.startOperator();
    await putQuickstart(stage);
    await stage.until("AIRoute", "gpt-4o", "Programmed", proxies > 0 ? "True" : "NoProxies");
    return { stage, operator, played };
  }

  test("of conflicting routes the older stays, and the younger is told its name", async () => {
    const { stage } = await running("conflict");
    await sleep(1_100);
    await stage.put(route("younger", { other: 100 }, { models: ["gpt-4o", "gpt-4.1"] }));
    const { reason, message } = await stage.until("AIRoute", "younger", "Accepted", "False");
    assert.match(message, /gpt-4o/);
    assert.match(message, new RegExp(`${stage.namespace}/gpt-4o`));
    await stage.until("AIRoute", "younger", "Ready", "False");
    assert.equal((await stage.condition("AIRoute", "gpt-4o", "Ready"))?.status, "True");
    assert.equal((await stage.untilEvent(reason, "younger")).type, "Warning");
    await stage.removeObject("AIRoute", "gpt-4o");
    await stage.until("AIRoute", "younger", "Ready", "True");
  });

  test("a broken spec keeps the last accepted form, also across a restart of the operator", async () => {
    const { stage, operator } = await running("broken");
    await stage.put(route("holder", { other: 100 }, { models: ["gpt-4.1"] }));
    await stage.until("AIRoute", "holder", "Ready", "True");
    await sleep(1_100);
    await stage.put(route("grows", { openai: 75, other: 25 }, { models: ["gpt-4o-mini"] }));
    await stage.until("AIRoute", "grows", "Ready", "True");
    const accepted = await routeIn(stage, "grows");
    await stage.put(route("grows", { openai: 20, other: 80 }, { models: ["gpt-4o-mini", "gpt-4.1"] }));
    await stage.until("AIRoute", "grows", "Accepted", "Conflicted");
    await stage.quiet();
    const broken = await stage.hash();
    assert.deepEqual(await routeIn(stage, "grows"), accepted);
    await operator.kill();
    await stage.startOperator();
    await stage.quiet(1_500);
    assert.equal(await stage.hash(), broken, "the same table after a restart");
    assert.deepEqual(await routeIn(stage, "grows"), accepted);
    await stage.put(route("grows", { openai: 20, other: 80 }, { models: ["gpt-4o-mini"] }));
    await stage.until("AIRoute", "grows", "Ready", "True");
  });

  test("Programmed: without proxies, pending, some, all, refused", async () => {
    const { stage, played } = await running("programmed", 3);
    const [first, second, third] = played;
    assert.deepEqual((await stage.get("AIRoute", "gpt-4o")).status?.proxies, { serving: 3, programmed: 3 });
    await Promise.all(played.map((proxy) => proxy.hold()));
    await stage.put(route("gpt-4o", { openai: 80, other: 20 }));
    const pending = await stage.until("AIRoute", "gpt-4o", "Programmed", "Pending");
    assert.match(pending.message, /0 of 3 proxies/);
    assert.equal((await stage.condition("AIRoute", "gpt-4o", "Ready"))?.status, "False");
    first?.follow();
    second?.follow();
    const says = async (text: RegExp) => {
      await waitFor(String(text), SOON, async () => {
        return text.test((await stage.condition("AIRoute", "gpt-4o", "Programmed"))?.message ?? "");
      });
    };
    await says(/2 of 3 proxies/);
    assert.deepEqual((await stage.get("AIRoute", "gpt-4o")).status?.proxies, { serving: 3, programmed: 2 });
    third?.follow();
    await stage.until("AIRoute", "gpt-4o", "Programmed", "True");
    await third?.reject("a field that is not known");
    await stage.put(route("gpt-4o", { openai: 70, other: 30 }));
    const { message } = await stage.until("AIRoute", "gpt-4o", "Programmed", "Rejected");
    assert.match(message, /proxy-2/);
    assert.match(message, /a field that is not known/);
    assert.match(message, /2 of 3/);
    assert.equal((await stage.untilEvent("Rejected", "gpt-4o")).type, "Warning");
    third?.follow();
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
  });

  test("a proxy that does not answer is named, and one that went is not waited for", async () => {
    const { stage, played } = await running("silent", 2);
    const silent = played[1];
    if (silent !== undefined) silent.isSilent = true;
    await stage.put(route("gpt-4o", { openai: 60, other: 40 }));
    await stage.until("AIRoute", "gpt-4o", "Programmed", "Pending");
    await waitFor("it is named", 20_000, async () => {
      return /No answer from proxy-1/.test((await stage.condition("AIRoute", "gpt-4o", "Programmed"))?.message ?? "");
    });
    await silent?.end();
    await stage.until("AIRoute", "gpt-4o", "Programmed", "True");
  });

  test("an edit of one route says nothing new about another", async () => {
    const { stage } = await running("others");
    await stage.put(route("another", { openai: 100 }, { models: ["gpt-4.1"] }));
    await stage.until("AIRoute", "another", "Ready", "True");
    await stage.quiet();
    // Not even a write that changes nothing.
    const writes = await stage.writesOf(() => stage.put(route("gpt-4o", { openai: 50, other: 50 })));
    const statuses = writes.filter((write) => write.endsWith("/status"));
    assert.deepEqual([...new Set(statuses)], ["PATCH airoutes/gpt-4o/status"]);
  });

  test("Healthy is what most proxies see", async () => {
    const { stage, played } = await running("healthy", 3);
    assert.equal((await stage.condition("AIProvider", "openai", "Healthy"))?.status, "Unknown");
    const key = `${stage.namespace}/openai`;
    const bad = { provider: key, healthy: false, reason: "Unreachable", message: "connection refused" };
    const good = { provider: key, healthy: true };
    const seen = (views: readonly object[]) => {
      for (const [n, proxy] of played.entries()) proxy.providers = [views[n] as typeof good];
    };
    const within = 8_000;
    seen([good, good, bad]);
    const { message } = await stage.until("AIProvider", "openai", "Healthy", "True", within);
    assert.match(message, /2 of 3/);
    seen([bad, good, bad]);
    const unhealthy = await stage.until("AIProvider", "openai", "Healthy", "False", within);
    assert.equal(unhealthy.reason, "Unreachable");
    assert.match(unhealthy.message, /2 of 3 proxies: connection refused/);
    await stage.until("AIProvider", "openai", "Ready", "False");
    assert.equal((await stage.untilEvent("Unreachable", "openai")).type, "Warning");
    assert.equal((await stage.condition("AIRoute", "gpt-4o", "Ready"))?.status, "True", "the route has another");
    seen([good, good, good]);
    await stage.until("AIProvider", "openai", "Ready", "True", within);
  });

  test("a provider that refuses the gateway is told to its owner, once", async () => {
    const { stage, played } = await running("faults");
    const fault = { provider: `${stage.namespace}/openai`, model: "gpt-4o", status: 401, code: "invalid_api_key" };
    const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
    for (const [n, proxy] of played.entries()) proxy.faults = [{ ...fault, at: at(n), requestID: "req-1" }];
    await waitFor("it is told", 10_000, async () => {
      return (await stage.events()).some(({ reason }) => reason === "CredentialsRefused");
    });
    for (const proxy of played) proxy.faults = [{ ...fault, at: at(30), requestID: "req-2" }];
    await sleep(6_000);
    const events = (await stage.events()).filter(({ reason }) => reason === "CredentialsRefused");
    assert.equal(events.length, 1);
    assert.match(events[0]?.note ?? "", /req-1/);
  });

  test("a breaker that opens and closes is told to the provider's owner, with the last failures", async () => {
    const { stage, played } = await running("circuits");
    const change = { provider: `${stage.namespace}/openai`, model: "gpt-4o", at: new Date().toISOString() };
    const causes = [
      { detail: "HTTP 503", requestId: "req_1", providerRequestId: "req_theirs" },
      { detail: "timeouts.idle of 2000 ms passed", requestId: "req_2" },
    ];
    const opened = { ...change, state: "open", detail: "timeouts.idle of 2000 ms passed", causes };
    // All of them saw it, one says it of last year.
    for (const proxy of played) proxy.circuits = [{ ...opened, at: "2025-01-01T00:00:00.000Z" }, opened];
    const told = async (reason: string) => {
      const of = async () => (await stage.events()).filter((event) => event.reason === reason);
      await waitFor(`${reason} is told`, 10_000, async () => (await of()).length > 0);
      const events = await of();
      assert.equal(events.length, 1);
      return events[0] as (typeof events)[number];
    };
    const { type, note } = await told("CircuitOpened");
    assert.equal(type, "Warning");
    assert.match(
      note,
      /Model gpt-4o .*HTTP 503 \(request req_1, the provider's id req_theirs\); timeouts\.idle .*req_2/,
    );
    const closed = { ...change, state: "closed", detail: "a request succeeded", causes: [] };
    for (const proxy of played) proxy.circuits = [opened, closed];
    assert.match((await told("CircuitClosed")).note, /asked again .*a request succeeded/);
    await told("CircuitOpened");
    const detail = "TLS with api.openai.com failed (CERT_HAS_EXPIRED: certificate has expired)";
    const whole = { ...change, model: null, state: "open", detail, causes: [{ detail, requestId: "req_3" }] };
    for (const proxy of played) proxy.circuits = [opened, closed, whole];
    const isWhole = ({ note }: { note?: string }) => /The whole provider .*CERT_HAS_EXPIRED.*req_3/.test(note ?? "");
    await waitFor("the whole provider's is told", 10_000, async () => (await stage.events()).some(isWhole));
  });

  test("whether limits are counted for all proxies is told on clients that have limits", async () => {
    const { stage, played } = await running("limits", 3);
    await stage.putSecret("app-keys", { limited: "tdm-key-of-a-limited-app", free: "tdm-key-of-another-app" });
    const client = (name: string, spec: object = {}) => {
      const keys = [{ name: "current", secretRef: { name: "app-keys", key: name } }];
      return { kind: "AIClient", metadata: { name }, spec: { keys, ...spec } };
    };
    await stage.put(client("limited", { limits: { requestsPerMinute: 60 } }));
    await stage.put(client("free"));
    await stage.until("AIClient", "limited", "Ready", "True");
    assert.equal(await stage.condition("AIClient", "limited", "LimitsExact"), undefined, "nobody has a shared state");
    for (const proxy of played) proxy.sharedState = { connected: true };
    const exact = await stage.until("AIClient", "limited", "LimitsExact", "SharedState");
    assert.match(exact.message, /3 proxies together/);
    for (const proxy of played.slice(1)) proxy.sharedState = { connected: false };
    const shares = await stage.until("AIClient", "limited", "LimitsExact", "False");
    assert.match(shares.message, /^[12] of 3 proxies cannot reach the shared state/);
    assert.equal(shares.reason, "SharesApply");
    assert.equal((await stage.condition("AIClient", "limited", "Ready"))?.status, "True");
    assert.equal(await stage.condition("AIClient", "free", "LimitsExact"), undefined);
    for (const proxy of played) proxy.sharedState = null;
    await waitFor("the condition to go", SOON, async () => {
      return (await stage.condition("AIClient", "limited", "LimitsExact")) === undefined;
    });
  });

  test("a foreign edit of a status is put right", async () => {
    const { stage } = await running("foreign");
    await stage.quiet();
    const path = `/apis/tandem.dev/v1alpha1/namespaces/${stage.namespace}/airoutes/gpt-4o/status`;
    const merge = { contentType: "application/merge-patch+json" };
    const answer = await server().call("PATCH", path, { status: { conditions: [] } }, merge);
    assert.equal(answer.status, 200);
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
  });

  test("an object made anew under its name gets a status of its own", async () => {
    const { stage } = await running("anew");
    await stage.removeObject("AIRoute", "gpt-4o");
    await stage.put(route("gpt-4o", { other: 100 }));
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
    assert.equal((await stage.get("AIRoute", "gpt-4o")).metadata.generation, 1);
  });

  test("a Secret that may not be read stops nobody else", async () => {
    const { stage } = await running("forbidden");
    const forbidden = stage.network.fail(
      ({ path, query }) => {
        return path.endsWith("/secrets") && query.get("fieldSelector") === "metadata.name=closed";
      },
      { status: 403 },
    );
    await stage.putSecret("closed", { "api-key": "sk-nobody-may-read-this" });
    await stage.put(provider("closed"));
    await stage.until("AIProvider", "closed", "ResolvedRefs", "False");
    await stage.put(route("gpt-4o", { openai: 40, other: 60 }));
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
    forbidden();
    await stage.until("AIProvider", "closed", "Ready", "True", 40_000);
  });

  test("no log holds a key", async () => {
    const { stage, operator } = await running("log");
    await stage.putSecret("openai", { "api-key": "sk-planted-to-be-found" });
    await stage.quiet();
    assert.doesNotMatch(logOf(operator), /sk-planted|sk-the-first/);
  });
});

function logOf({ stdout, stderr }: Started): string {
  return stdout() + stderr();
}

/** As the published table has it. */
async function routeIn(stage: Stage, name: string): Promise<unknown> {
  const names = await stage.shardNames();
  const shards = (await stage.storedShards()).filter(({ metadata }) => names.includes(metadata.name));
  const routes = shards.flatMap(
    ({ data }) => (JSON.parse(data?.shard ?? "{}") as { routes: { key: string }[] }).routes,
  );
  return routes.find(({ key }) => key === `${stage.namespace}/${name}`);
}
