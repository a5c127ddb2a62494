/**
 * Does a budget hold across proxies, and over restarts of everything?
 *
 * Real proxies and the real operator as processes, before a real API server. Pods are objects that no kubelet runs.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Started, start, temporaryFolder, waitFor } from "../cli/tandem.ts";
import { COST, PRICE, pricedAnswer } from "../fakes/priced.ts";
import { FakeProvider } from "../fakes/provider.ts";
import { StandInOperator } from "../proxy/stand-in-operator.ts";
import { post, provider as providerObject, RELEASE, route, type Stage } from "./harness.ts";
import { skip, stages } from "./stages.ts";

const KEY = "tdm-a-key-that-is-long-enough";
const SOON = 15_000;
const LABELS = {
  "app.kubernetes.io/name": "tandem",
  "app.kubernetes.io/instance": RELEASE,
  "app.kubernetes.io/component": "proxy",
};

const fake = await new FakeProvider(pricedAnswer).start();

interface Usage {
  readonly month: string;
  readonly usd: string;
  readonly requests: number;
  readonly tokens: number;
}

/** A proxy's process in a pod. */
interface Proxy extends Started {
  readonly url: string;
  /** The pod goes, however the process ended. */
  leave(): Promise<void>;
}

class Installed {
  readonly stage: Stage;
  readonly #kubeconfig: string;
  #pods = 0;

  private constructor(stage: Stage, kubeconfig: string) {
    this.stage = stage;
    this.#kubeconfig = kubeconfig;
  }

  static async on(stage: Stage): Promise<Installed> {
    const token = await new StandInOperator(stage.server, stage.home, RELEASE).proxyToken();
    const kubeconfig = join(await temporaryFolder(), "kubeconfig");
    await writeFile(kubeconfig, stage.server.kubeconfig(token));
    await stage.putSecret("openai", { "api-key": "sk-the-first-key-of-openai" });
    await stage.putSecret("app", { key: KEY });
    await stage.put(providerObject("openai", { models: [{ name: "gpt-4o", price: PRICE }] }));
    await stage.put(route("gpt-4o", { openai: 1 }));
    return new Installed(stage, kubeconfig);
  }

  async budget(usdPerMonth: string, onExceeded = "Deny"): Promise<void> {
    const keys = [{ name: "current", secretRef: { name: "app", key: "key" } }];
    const spec = { keys, budget: { usdPerMonth, onExceeded } };
    await this.stage.put({ kind: "AIClient", metadata: { name: "app" }, spec });
  }

  async proxy(): Promise<Proxy> {
    const { stage } = this;
    const n = this.#pods++;
    const address = `127.0.1.${n + 2}`;
    const started = start([
      ...["proxy", "--release", RELEASE, "--namespace", stage.home, "--kubeconfig", this.#kubeconfig],
      ...["--listen", "127.0.0.1:0", "--admin", `${address}:0`, "--drain", "5"],
      ...["--dev", "--connect-to", `api.openai.com=${fake.url}`],
    ]);
    const [, url = "", adminUrl = ""] = await started.says(/"listen":"([^"]+)","admin":"([^"]+)"/);
    await waitFor("the proxy is ready", SOON, async () => (await fetch(`${adminUrl}/readyz`)).status === 200);
    const name = `proxy-${n}`;
    const ports = [{ name: "admin", containerPort: Number(new URL(adminUrl).port) }];
    const spec = { containers: [{ name: "proxy", image: "tandem", ports }] };
    await post(stage.server, stage.ownPath("pods"), {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, labels: LABELS },
      spec,
    });
    const conditions = [{ type: "Ready", status: "True" }];
    const status = { phase: "Running", podIP: address, podIPs: [{ ip: address }], conditions };
    const path = `${stage.ownPath("pods", name)}/status`;
    await stage.server.call("PATCH", path, { status }, { contentType: "application/merge-patch+json" });
    return {
      ...started,
      url,
      leave: () => stage.remove(`${stage.ownPath("pods", name)}?gracePeriodSeconds=0`),
    };
  }

  async usage(): Promise<Usage | undefined> {
    return ((await this.stage.get("AIClient", "app")) as unknown as { status?: { usage?: Usage } }).status?.usage;
  }

  async untilUsage(requests: number): Promise<Usage> {
    let seen: Usage | undefined;
    await waitFor(`${requests} requests in the status`, SOON, async () => {
      seen = await this.usage();
      return seen?.requests === requests;
    }).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(seen)}`);
    });
    return seen as Usage;
  }
}

async function chat({ url }: Proxy): Promise<{ status: number; code: string | undefined; retry: string | null }> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", connection: "close" },
    body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Hi" }] }),
  });
  const { error } = (await response.json()) as { error?: { code: string } };
  return { status: response.status, code: error?.code, retry: response.headers.get("x-should-retry") };
}

/** How many were answered, two at a time at each proxy, until all were asked or one was refused there. */
async function ask(proxies: readonly Proxy[], each = Number.POSITIVE_INFINITY): Promise<number> {
  let answered = 0;
  const at = async (proxy: Proxy) => {
    let left = each;
    let isSpent = false;
    const one = async () => {
      while (left-- > 0 && !isSpent) {
        const { status, code } = await chat(proxy);
        if (status === 200) answered++;
        else if (code === "insufficient_quota") isSpent = true;
        // Who hands budgets out is away for a moment.
        else assert.equal(code, "budget_unavailable");
      }
    };
    await Promise.all([one(), one()]);
  };
  await Promise.all(proxies.map(at));
  return answered;
}

function end(proxy: Proxy, signal: "SIGTERM" | "SIGKILL"): Promise<unknown> {
  proxy.child.kill(signal);
  return proxy.ended;
}

describe("budgets in a cluster", { skip, concurrency: true }, () => {
  const { set } = stages();

  test("three proxies spend one budget, over restarts of everything", async () => {
    const installed = await Installed.on(await set("budget"));
    const { stage } = installed;
    await installed.budget("3.00");
    let operator = await stage.startOperator();
    await stage.until("AIClient", "app", "Ready", "True");
    let proxies = await Promise.all([installed.proxy(), installed.proxy(), installed.proxy()]);
    let answered = await ask(proxies, 20);
    assert.equal(answered, 60);
    const { month, usd, tokens } = await installed.untilUsage(60);
    assert.equal(usd, "0.60");
    assert.equal(tokens, 60 * 110);
    assert.equal(month, new Date().toISOString().slice(0, 7));

    await operator.kill();
    answered += await ask(proxies.slice(0, 1), 2);
    operator = await stage.startOperator();
    await installed.untilUsage(answered);

    // All that they said last is counted, and nothing is lost.
    await Promise.all(proxies.map((proxy) => end(proxy, "SIGTERM")));
    await Promise.all(proxies.map((proxy) => proxy.leave()));
    await operator.stop();
    operator = await stage.startOperator("operator-1");
    proxies = await Promise.all([installed.proxy(), installed.proxy(), installed.proxy()]);
    answered += await ask(proxies);
    assert.ok(answered * COST <= 3 * 1.01, `${answered} were answered`);
    assert.ok(answered * COST >= 3 * 0.97, `${answered} were answered`);
    assert.deepEqual(await chat(proxies[0] as Proxy), { status: 429, code: "insufficient_quota", retry: "false" });
    const { usd: all } = await installed.untilUsage(answered);
    assert.equal(all, (answered * COST).toFixed(2));
    const exceeded = await stage.untilEvent("BudgetExceeded", "app");
    assert.equal(exceeded.type, "Warning");
    assert.match(exceeded.note, /of 3\.00 USD/);
    assert.equal((await stage.condition("AIClient", "app", "Ready"))?.status, "True");
    const client = `${stage.namespace}/app`;
    assert.equal((await operator.metrics()).get(`tandem_budget_limit_usd{client="${client}"}`), 3);

    await installed.budget("3.20");
    await waitFor("more is served", SOON, async () => (await chat(proxies[0] as Proxy)).status === 200);
    await Promise.all(proxies.map((proxy) => end(proxy, "SIGKILL")));
  });

  test("what a killed proxy may have spent is not spent by others", async () => {
    const installed = await Installed.on(await set("budget-kill"));
    await installed.budget("2.00");
    await installed.stage.startOperator();
    await installed.stage.until("AIClient", "app", "Ready", "True");
    const [killed, other] = await Promise.all([installed.proxy(), installed.proxy()]);
    let answered = await ask([killed, other], 10);
    await end(killed, "SIGKILL");
    await killed.leave();
    answered += await ask([other]);
    assert.ok(answered * COST <= 2 * 1.01, `${answered} were answered`);
    assert.ok(answered > 100, `${answered} were answered`);
    await end(other, "SIGKILL");
  });

  test("who is only warned is served, and its owner is told once", async () => {
    const installed = await Installed.on(await set("budget-warn"));
    const { stage } = installed;
    await installed.budget("0.10", "Warn");
    await stage.startOperator();
    await stage.until("AIClient", "app", "Ready", "True");
    const proxy = await installed.proxy();
    assert.equal(await ask([proxy], 12), 12);
    await installed.untilUsage(12);
    assert.match((await stage.untilEvent("BudgetExceeded", "app")).note, /0\.12 of 0\.10 USD.*served all the same/);
    assert.equal(await ask([proxy], 3), 3);
    await installed.untilUsage(15);
    const told = (await stage.events()).filter(({ reason }) => reason === "BudgetExceeded");
    assert.equal(told.length, 1);
    await end(proxy, "SIGKILL");
  });
});
