/** Are breakers, cool-downs and health what the product says, also when requests overlap? */
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { Availability, type Handle, type Transition } from "../../../proxy/upstream/availability.ts";
import { WINDOW_MS } from "../../../proxy/upstream/breaker.ts";
import { BREAKER, provider } from "./fixtures.ts";

let now = 1_000_000;
let transitions: Transition[] = [];
let availability: Availability;

beforeEach(() => {
  now = 1_000_000;
  transitions = [];
  availability = new Availability(
    () => now,
    (transition) => transitions.push(transition),
  );
});

function fail(handle: Handle, times: number, scope: "model" | "provider" = "model"): void {
  for (let i = 0; i < times; i++) handle.failed(handle.begin(), scope, "HTTP 500", { requestId: `req-${i}` });
}

function succeed(handle: Handle, times = 1): void {
  for (let i = 0; i < times; i++) handle.succeeded(handle.begin());
}

function opened(): Handle {
  const handle = availability.handle(provider(), "gpt-4o");
  fail(handle, BREAKER.failureThreshold);
  assert.equal(handle.usable().ok, false);
  return handle;
}

describe("the breaker", () => {
  test("opens after failures in a row, for that model only", () => {
    const handle = availability.handle(provider(), "gpt-4o");
    fail(handle, 2);
    succeed(handle);
    fail(handle, 2);
    assert.deepEqual(handle.usable(), { ok: true, probe: false });
    fail(handle, 1);
    const until = now + BREAKER.recoveryTimeout;
    assert.deepEqual(handle.usable(), { ok: false, reason: "circuit_open", until });
    assert.equal(handle.begin(), 0);
    assert.equal(availability.usable(provider(), "gpt-4o-mini").ok, true);
    assert.deepEqual(transitions, [
      {
        at: now,
        kind: "circuit",
        provider: "ai/openai",
        model: "gpt-4o",
        from: "closed",
        to: "open",
        detail: "HTTP 500",
        requestId: "req-0",
        causes: [
          { at: now, detail: "HTTP 500", requestId: "req-0" },
          { at: now, detail: "HTTP 500", requestId: "req-1" },
          { at: now, detail: "HTTP 500", requestId: "req-0" },
        ],
      },
    ]);
  });

  test("opens at a share of failures once enough requests were seen", () => {
    const handle = availability.handle(provider(), "gpt-4o");
    for (let i = 0; i < 4; i++) {
      fail(handle, 1);
      succeed(handle);
    }
    succeed(handle, 1);
    assert.equal(handle.usable().ok, true, "9 requests are too few");
    fail(handle, 1);
    assert.equal(handle.usable().ok, false, "5 of 10 failed");
  });

  test("forgets what lies before the window", () => {
    const handle = availability.handle(provider(), "gpt-4o");
    for (let i = 0; i < 4; i++) {
      fail(handle, 1);
      succeed(handle);
    }
    now += WINDOW_MS;
    succeed(handle, 8);
    fail(handle, 2);
    assert.equal(handle.usable().ok, true, "2 of 10 in the window");
    now += WINDOW_MS * 7.5;
    fail(handle, 1);
    assert.equal(handle.usable().ok, false, "the third failure in a row, however long ago the others were");
  });

  test("lets exactly one probe through, and closes when it succeeds", () => {
    const handle = opened();
    now += BREAKER.recoveryTimeout - 1;
    assert.equal(handle.usable().ok, false);
    now += 1;
    const seen = Array.from({ length: 50 }, () => handle.usable());
    assert.ok(seen.every((usability) => usability.ok && usability.probe));
    const tickets = seen.map(() => handle.begin()).filter((ticket) => ticket !== 0);
    assert.equal(tickets.length, 1, "50 saw the half-open breaker, one began");
    assert.deepEqual(handle.usable(), { ok: false, reason: "circuit_open" });
    handle.succeeded(tickets[0] ?? 0);
    assert.deepEqual(handle.usable(), { ok: true, probe: false });
    assert.deepEqual(
      transitions.map(({ from, to }) => `${from}>${to}`),
      ["closed>open", "open>half_open", "half_open>closed"],
    );
  });

  test("opens again when the probe fails, for the whole recovery time", () => {
    const handle = opened();
    now += BREAKER.recoveryTimeout;
    fail(handle, 1);
    assert.deepEqual(handle.usable(), { ok: false, reason: "circuit_open", until: now + BREAKER.recoveryTimeout });
  });

  test("lets another probe through when the first says nothing for a whole recovery time", () => {
    const handle = opened();
    now += BREAKER.recoveryTimeout;
    const slow = handle.begin();
    now += BREAKER.recoveryTimeout - 1;
    assert.equal(handle.begin(), 0);
    now += 1;
    const second = handle.begin();
    assert.notEqual(second, 0);
    assert.equal(handle.begin(), 0, "one at a time");
    handle.failed(slow, "model", "reset");
    assert.deepEqual(handle.usable(), { ok: false, reason: "circuit_open" }, "the second decides now");
    handle.succeeded(second);
    assert.deepEqual(handle.usable(), { ok: true, probe: false });
  });

  test("gives the probe to the next one when its caller went away or met a 429", () => {
    const handle = opened();
    now += BREAKER.recoveryTimeout;
    handle.released(handle.begin());
    assert.deepEqual(handle.usable(), { ok: true, probe: true });
    handle.rateLimited(handle.begin(), 500);
    assert.deepEqual(handle.usable(), { ok: false, reason: "rate_limited", until: now + 500 });
    now += 500;
    assert.deepEqual(handle.usable(), { ok: true, probe: true });
  });

  test("does not listen to attempts that began before it changed", () => {
    const handle = availability.handle(provider(), "gpt-4o");
    const early = Array.from({ length: 10 }, () => handle.begin());
    for (const ticket of early.slice(0, 3)) handle.failed(ticket, "model", "reset");
    const until = now + BREAKER.recoveryTimeout;
    now += 1_000;
    handle.succeeded(early[3] ?? 0);
    handle.failed(early[4] ?? 0, "model", "reset");
    assert.deepEqual(handle.usable(), { ok: false, reason: "circuit_open", until }, "neither closed nor prolonged");
    now = until;
    const probe = handle.begin();
    handle.failed(early[5] ?? 0, "model", "reset");
    handle.succeeded(early[6] ?? 0);
    assert.deepEqual(handle.usable(), { ok: false, reason: "circuit_open" }, "only the probe decides");
    handle.succeeded(probe);
    for (const ticket of early.slice(7)) handle.failed(ticket, "model", "reset");
    assert.deepEqual(handle.usable(), { ok: true, probe: false });
  });

  test("is never moved by a 429", () => {
    const handle = availability.handle(provider(), "gpt-4o");
    for (let i = 0; i < 100; i++) handle.rateLimited(handle.begin(), 1);
    now += 60_000;
    assert.deepEqual(handle.usable(), { ok: true, probe: false });
  });

  test("counts connect failures for the whole provider", () => {
    const one = availability.handle(provider(), "gpt-4o");
    const other = availability.handle(provider(), "gpt-4o-mini");
    fail(one, 2, "provider");
    fail(other, 1, "provider");
    for (const handle of [one, other]) assert.equal(handle.usable().ok, false);
    assert.equal(transitions[0]?.model, undefined);
    now += BREAKER.recoveryTimeout;
    assert.notEqual(one.begin(), 0);
    assert.equal(other.begin(), 0, "one probe for the provider, not one per model");
  });

  test("closes the provider's when a probe reached it, whatever it answered", () => {
    const handle = availability.handle(provider(), "gpt-4o");
    fail(handle, 3, "provider");
    now += BREAKER.recoveryTimeout;
    fail(handle, 1, "model");
    assert.deepEqual(handle.usable(), { ok: true, probe: false });
  });

  test("can be forced when there is nobody else, and believes what comes of it", () => {
    const handle = opened();
    now += 1;
    const ticket = handle.begin(true);
    assert.notEqual(ticket, 0);
    handle.succeeded(ticket);
    assert.deepEqual(handle.usable(), { ok: true, probe: false });
  });

  test("is off when the provider has none", () => {
    const { breaker: _, ...rest } = provider();
    const handle = availability.handle(rest, "gpt-4o");
    fail(handle, 1000);
    assert.deepEqual(handle.usable(), { ok: true, probe: false });
  });
});

describe("a cool-down", () => {
  test("lasts as long as the provider says, for that model only", () => {
    const handle = availability.handle(provider(), "gpt-4o");
    handle.rateLimited(handle.begin(), 20_000);
    assert.deepEqual(handle.usable(), { ok: false, reason: "rate_limited", until: now + 20_000 });
    assert.equal(availability.usable(provider(), "gpt-4o-mini").ok, true);
    now += 19_999;
    assert.equal(handle.usable().ok, false);
    now += 1;
    assert.deepEqual(handle.usable(), { ok: true, probe: false });
  });

  test("doubles from 1 s to 30 s while nothing is said", () => {
    const handle = availability.handle(provider(), "gpt-4o");
    const waits = Array.from({ length: 7 }, () => {
      handle.rateLimited(handle.begin(), undefined);
      const usability = handle.usable();
      const wait = usability.ok ? 0 : (usability.until ?? 0) - now;
      now += wait;
      return wait;
    });
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    succeed(handle);
    handle.rateLimited(handle.begin(), undefined);
    assert.deepEqual(handle.usable(), { ok: false, reason: "rate_limited", until: now + 1_000 });
  });

  test("takes a burst of 429s for one, and its longest wait", () => {
    const handle = availability.handle(provider(), "gpt-4o");
    const burst = Array.from({ length: 20 }, () => handle.begin());
    for (const ticket of burst) handle.rateLimited(ticket, undefined);
    assert.deepEqual(handle.usable(), { ok: false, reason: "rate_limited", until: now + 1_000 });
    const late = handle.begin();
    handle.rateLimited(handle.begin(), 9_000);
    handle.rateLimited(late, 3_000);
    assert.deepEqual(handle.usable(), { ok: false, reason: "rate_limited", until: now + 9_000 });
  });

  test("is shared by OpenAI providers of one group, per model", () => {
    const twin = provider({ key: "ai/openai-eu", name: "openai-eu", endpoint: "https://eu.api.openai.com/v1" });
    const alien = provider({ key: "ai/other", name: "other", rateLimitGroup: "secret:ai/other/api-key" });
    const handle = availability.handle(provider(), "gpt-4o");
    handle.rateLimited(handle.begin(), 5_000);
    assert.equal(availability.usable(twin, "gpt-4o").ok, false);
    assert.equal(availability.usable(twin, "gpt-4o-mini").ok, true);
    assert.equal(availability.usable(alien, "gpt-4o").ok, true);
  });

  test("is of the deployment on Azure", () => {
    const azure = provider({
      key: "ai/azure",
      type: "AzureOpenAI",
      rateLimitGroup: "provider:ai/azure",
      models: { "gpt-4o": { upstream: "prod" }, alias: { upstream: "prod" }, "gpt-4o-mini": { upstream: "mini" } },
    });
    const handle = availability.handle(azure, "gpt-4o");
    handle.rateLimited(handle.begin(), 5_000);
    assert.equal(availability.usable(azure, "alias").ok, false, "the same deployment by another name");
    assert.equal(availability.usable(azure, "gpt-4o-mini").ok, true);
  });
});

describe("health", () => {
  test("takes a provider out and brings it back, without closing a breaker", () => {
    const handle = opened();
    availability.setHealth(provider(), { state: "unhealthy", reason: "AuthFailed", detail: "401" });
    assert.deepEqual(handle.usable(), { ok: false, reason: "unhealthy" });
    assert.deepEqual(availability.usable(provider(), "gpt-4o-mini"), { ok: false, reason: "unhealthy" });
    availability.setHealth(provider(), { state: "healthy", reason: "", detail: "" });
    assert.equal(availability.usable(provider(), "gpt-4o-mini").ok, true);
    assert.equal(handle.usable().ok, false, "the breaker is still open");
    const health = transitions.filter(({ kind }) => kind === "health").map(({ from, to }) => `${from}>${to}`);
    assert.deepEqual(health, ["unknown>unhealthy", "unhealthy>healthy"]);
  });
});

describe("a reload", () => {
  test("keeps the state of what did not change, with new thresholds", () => {
    const handle = opened();
    const renewed = provider({ breaker: { ...BREAKER, failureThreshold: 1 } });
    availability.adopt([renewed]);
    assert.equal(availability.handle(renewed, "gpt-4o"), handle);
    assert.equal(handle.usable().ok, false);
    fail(availability.handle(renewed, "gpt-4o-mini"), 1);
    assert.equal(availability.usable(renewed, "gpt-4o-mini").ok, false);
  });

  test("begins anew with another endpoint, key or deployment", () => {
    for (const change of [
      { endpoint: "https://eu.api.openai.com/v1" },
      { auth: { kind: "ApiKey", credential: "key-2" } as const },
      { models: { "gpt-4o": { upstream: "gpt-4o-2024-11-20" } } },
    ]) {
      availability.adopt([provider()]);
      const before = availability.handle(provider(), "gpt-4o");
      fail(before, BREAKER.failureThreshold);
      availability.adopt([provider(change)]);
      assert.equal(availability.usable(provider(change), "gpt-4o").ok, true, JSON.stringify(change));
      availability.adopt([]);
    }
  });

  test("does not disturb requests of the older table", () => {
    const old = provider();
    const handle = opened();
    const moved = provider({ endpoint: "https://eu.api.openai.com/v1" });
    const early = availability.handle(moved, "gpt-4o");
    availability.adopt([moved]);
    assert.equal(availability.handle(moved, "gpt-4o"), early, "a handle taken while the snapshot was made stays");
    fail(availability.handle(old, "gpt-4o"), 5);
    handle.released(handle.begin());
    assert.equal(early.usable().ok, true);
    assert.deepEqual(
      availability.snapshot().map(({ circuit, models }) => [circuit, models.map((m) => m.circuit)]),
      [["closed", ["closed"]]],
    );
  });

  test("turning the breaker off closes it", () => {
    const handle = opened();
    const { breaker: _, ...rest } = provider();
    availability.adopt([rest]);
    assert.deepEqual(handle.usable(), { ok: true, probe: false });
  });
});

test("names that callers make up do not fill the memory", () => {
  availability.adopt([provider()]);
  for (let i = 0; i < 5_000; i++) availability.handle(provider(), `made-up-${i}`);
  const [status] = availability.snapshot();
  assert.ok((status?.models.length ?? 0) <= 1_100);
  const rest = availability.handle(provider(), "made-up-99999");
  assert.equal(rest, availability.handle(provider(), "made-up-88888"));
  assert.notEqual(availability.handle(provider(), "gpt-4o"), rest, "what the provider lists has a memory of its own");
});

test("the least bad of all is the one expected back soonest", () => {
  const [a, b, c] = ["a", "b", "c"].map((key) => provider({ key: `ai/${key}`, rateLimitGroup: key }));
  assert.ok(a && b && c);
  const handles = [a, b, c].map((one) => availability.handle(one, "gpt-4o"));
  availability.setHealth(a, { state: "unhealthy", reason: "Timeout", detail: "" });
  fail(handles[1] as Handle, 3);
  now += 10_000;
  fail(handles[2] as Handle, 3);
  assert.equal(availability.leastBad(handles), 1);
  assert.equal(availability.leastBad([handles[0] as Handle]), 0);
  assert.equal(availability.leastBad([]), -1);
});

test("the status and the metrics tell states without repeating labels", () => {
  const home = provider();
  const twin = provider({ key: "other/openai", namespace: "other", rateLimitGroup: "other" });
  availability.adopt([home, twin]);
  fail(availability.handle(home, "gpt-4o"), 3);
  succeed(availability.handle(twin, "gpt-4o"));
  succeed(availability.handle(home, "whatever-a-caller-said"));
  availability.handle(twin, "gpt-4o").rateLimited(availability.handle(twin, "gpt-4o").begin(), 2_500);
  availability.setHealth(twin, { state: "unhealthy", reason: "Timeout", detail: "" });
  availability.setHealth(home, { state: "healthy", reason: "", detail: "" });
  now += 1_000;
  const [first, second] = availability.snapshot();
  assert.deepEqual(first?.models[0], {
    model: "gpt-4o",
    upstream: "gpt-4o",
    listed: true,
    circuit: "open",
    consecutiveFailures: 3,
    openForMs: 59_000,
  });
  assert.equal(second?.models[0]?.rateLimitedForMs, 1_500);
  const { circuits, providers } = availability.metricSources();
  assert.deepEqual(circuits(), [
    { provider: "openai", model: "gpt-4o", state: "open" },
    { provider: "openai", model: "other", state: "closed" },
  ]);
  assert.deepEqual(providers(), [{ provider: "openai", healthy: false }]);
});
