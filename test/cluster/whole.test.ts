/**
 * Does Tandem do its job on a real Kubernetes, with a real kubelet, as its users install it?
 *
 * One cluster, one release, from install to uninstall; requests come from a pod through the Service, and a client that
 * never retries must not see a single failure.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../cluster/client.ts";
import { applyQuickstart, createSecrets, gatewayOf, installTandem, startSimulators } from "../../cluster/install.ts";
import { clusterProblem, openCluster } from "../../cluster/open.ts";
import { apiServerProcess, goOn, processOfPod } from "./host.ts";
import { type Load, startLoad } from "./load.ts";

const skip = await clusterProblem();
const NAMESPACE = "tandem";
const EXAMPLES = new URL("../../examples/", import.meta.url);
const PROXIES = ["-l", "app.kubernetes.io/component=proxy"];

describe("a release on a real cluster", { skip }, () => {
  let cluster: Cluster;
  let key: string;
  let load: Load;

  before(async () => {
    if (skip !== false) return;
    cluster = await openCluster();
    await startSimulators(cluster, { isInstant: true });
    key = await createSecrets(cluster);
    await installTandem(cluster);
    await applyQuickstart(cluster);
    const { host, port } = await gatewayOf(cluster);
    load = await startLoad(cluster, "default", `http://${host}:${port}`, key);
  });

  after(() => cluster?.close());

  const kubectl = (...args: string[]) => cluster.kubectl(["-n", NAMESPACE, ...args]);
  const apply = (file: string) => cluster.kubectl(["apply", "-f", new URL(file, EXAMPLES).pathname]);

  async function waitFor(what: string, question: () => Promise<boolean>, seconds = 30): Promise<number> {
    const began = performance.now();
    while (!(await question())) {
      if (performance.now() - began > seconds * 1000) assert.fail(`${what}: not within ${seconds} s`);
      await sleep(200);
    }
    return performance.now() - began;
  }

  /** Runs while the load goes on, and no request may fail. */
  async function unharmed(action: () => Promise<void>): Promise<void> {
    await load.begin();
    await action();
    // A busy machine may have answered few meanwhile: those that follow must not fail either.
    await waitFor("more than 50 are answered", async () => {
      const { ok, failed } = await load.settled();
      assert.deepEqual(failed, {}, `${ok} were answered`);
      return ok > 50;
    });
  }

  async function rolledOut(): Promise<void> {
    await kubectl("rollout", "status", "deployment/tandem-proxy", "--timeout=120s");
  }

  /** Those that were told to stop have ended. */
  async function onlyTwoProxies(): Promise<void> {
    const pods = async () => (await kubectl("get", "pods", ...PROXIES, "-o=name")).trim().split("\n");
    await waitFor("the other proxies are gone", async () => (await pods()).length === 2, 60);
  }

  test("the quickstart is Ready, and every column says so", async () => {
    const rows = await cluster.kubectl(["-n", "ai", "get", "airoutes", "-o", "wide", "--no-headers"]);
    assert.match(rows, /^gpt-4o +gpt-4o +Weighted +True +True +openai 100%; then azure 100%/m);
    const providers = async () => await cluster.kubectl(["-n", "ai", "get", "aiproviders", "--no-headers"]);
    await waitFor(
      "both providers are Healthy",
      async () => ((await providers()).match(/ True +True /g) ?? []).length === 2,
    );
  });

  test("a weight edit moves traffic within a second, without a failure", async (t) => {
    await unharmed(async () => {
      await apply("02-canary.yaml");
      await waitFor("azure answers", async () => ((await load.report()).providers["azure-sweden"] ?? 0) > 0);
      const only = (weights: string) => ["-n", "ai", "patch", "airoute", "gpt-4o", "--type=json", "-p", weights];
      const patch = JSON.stringify([
        { op: "replace", path: "/spec/backends/0/weight", value: 0 },
        { op: "replace", path: "/spec/backends/1/weight", value: 100 },
      ]);
      await cluster.kubectl(only(patch));
      await sleep(1_000);
      const before = (await load.report()).providers.openai ?? 0;
      await sleep(1_000);
      const answers = ((await load.report()).providers.openai ?? 0) - before;
      t.diagnostic(`answers of openai after one second: ${answers}`);
      assert.equal(answers, 0);
    });
  });

  test("blue-green switches whole, without a failure", async () => {
    await unharmed(async () => {
      const answeringFor = async (ms: number) => {
        const before = (await load.report()).providers;
        await sleep(ms);
        const now = (await load.report()).providers;
        return Object.keys(now).filter((name) => now[name] !== (before[name] ?? 0));
      };
      await apply("04-blue-green.yaml");
      await waitFor("openai answers alone", async () => String(await answeringFor(200)) === "openai", 10);
      assert.deepEqual(await answeringFor(1_000), ["openai"]);
    });
  });

  test("a Secret's rotation reaches the proxies", async () => {
    await apply("quickstart/01-two-providers.yaml");
    const rotate = (value: string) => {
      const secret = {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "openai", namespace: "ai" },
        stringData: { "api-key": value },
      };
      return cluster.kubectl(["apply", "-f", "-"], JSON.stringify(secret));
    };
    await unharmed(async () => {
      await waitFor("openai answers", async () => {
        const before = (await load.report()).providers.openai ?? 0;
        await sleep(200);
        return ((await load.report()).providers.openai ?? 0) > before;
      });
      await rotate("sk-wrong");
      await sleep(2_000);
      const before = (await load.report()).providers;
      await sleep(1_000);
      const now = (await load.report()).providers;
      assert.equal(now.openai, before.openai, "a wrong key is in use after two seconds");
      assert.ok((now["azure-sweden"] ?? 0) > (before["azure-sweden"] ?? 0));
      await rotate("sk-demo-openai");
    });
  });

  test("2 → 5 → 2 proxies without a failure", async () => {
    await unharmed(async () => {
      await kubectl("scale", "deployment/tandem-proxy", "--replicas=5");
      await rolledOut();
      const count = async (path: string) =>
        await cluster.kubectl(["-n", "ai", "get", "airoute", "gpt-4o", `-o=jsonpath={${path}}`]);
      await waitFor("5 of 5 run it", async () =>
        (await count(".status.proxies")).includes('"programmed":5,"serving":5'),
      );
      await kubectl("scale", "deployment/tandem-proxy", "--replicas=2");
      await onlyTwoProxies();
    });
  });

  test("a rolling restart without a failure", async () => {
    await unharmed(async () => {
      await kubectl("rollout", "restart", "deployment/tandem-proxy");
      await rolledOut();
      await onlyTwoProxies();
    });
  });

  test("helm upgrade with other settings without a failure", async () => {
    await unharmed(async () => {
      await installTandem(cluster, {
        values: { gateway: { limits: { requestBytes: "16Mi" } }, proxy: { drainSeconds: 60 } },
      });
      await onlyTwoProxies();
    });
  });

  test("a killed proxy fails only what it had in flight, each with a clear error", async (t) => {
    await load.begin();
    const uid = await kubectl("get", "pods", ...PROXIES, "-o=jsonpath={.items[0].metadata.uid}");
    const pid = processOfPod(uid);
    // On another cluster nobody here can send a SIGKILL; a deletion without grace is next to it.
    if (pid === undefined) await kubectl("delete", "pod", ...PROXIES, "--grace-period=0", "--force");
    else process.kill(pid, "SIGKILL");
    await sleep(5_000);
    const { ok, failed } = await load.settled();
    t.diagnostic(`${ok} answered, failed: ${JSON.stringify(failed)}`);
    const count = Object.values(failed).reduce((sum, n) => sum + n, 0);
    assert.ok(count <= 12, `${count} failed: ${JSON.stringify(failed)}`);
    for (const what of Object.keys(failed))
      assert.match(what, /ECONNRESET|ECONNREFUSED|socket hang up|EHOSTUNREACH|aborted/);
    await rolledOut();
  });

  test("without its operator traffic goes on, and another leads", async () => {
    await unharmed(async () => {
      await kubectl("delete", "pod", "-l", "app.kubernetes.io/component=operator", "--grace-period=0", "--force");
      await sleep(5_000);
      await kubectl("rollout", "status", "deployment/tandem-operator", "--timeout=60s");
      await apply("02-canary.yaml");
      const generation = async (path: string) =>
        await cluster.kubectl(["-n", "ai", "get", "airoute", "gpt-4o", `-o=jsonpath={${path}}`]);
      await waitFor("the edit is Programmed", async () => {
        return (await generation(".metadata.generation")) === (await generation(".status.observedGeneration"));
      });
    });
  });

  test("the API server stops for 20 s: traffic is unmoved, and edits arrive when it is back", async (t) => {
    const pid = apiServerProcess();
    if (pid === undefined) {
      t.skip("the API server is not on this machine");
      return;
    }
    await unharmed(async () => {
      // The load is asked through the API server: it is not looked at until that is back.
      process.kill(pid, "SIGSTOP");
      // Longer than a leader believes in its Lease.
      await sleep(20_000);
      goOn(pid);
      await waitFor(
        "the API server answers",
        async () => (await cluster.kubectl(["get", "--raw", "/readyz"]).catch(() => "")) === "ok",
        60,
      );
      await apply("quickstart/01-two-providers.yaml");
      const path = (name: string) => cluster.kubectl(["-n", "ai", "get", "airoute", "gpt-4o", `-o=jsonpath={${name}}`]);
      const took = await waitFor(
        "the edit is in force",
        async () => {
          const [generation, observed, weights] = await Promise.all(
            [".metadata.generation", ".status.observedGeneration", ".status.weights"].map(path),
          );
          return generation === observed && weights === "openai 100%; then azure 100%";
        },
        60,
      );
      t.diagnostic(`an edit was in force ${(took / 1000).toFixed(1)} s after the API server was back`);
    });
  });

  test("no secret stands anywhere but in Secrets", async () => {
    const kinds = "configmaps,events,pods,deployments,leases,aiproviders,airoutes,aiclients";
    const companion = JSON.parse(await kubectl("get", "secret", "tandem-companion", "-o", "json")) as {
      data: Record<string, string>;
    };
    const logs = (component: string) =>
      kubectl("logs", "-l", `app.kubernetes.io/component=${component}`, "--tail=-1", "--prefix");
    const seen = await Promise.all([
      kubectl("get", kinds, "-o", "json"),
      cluster.kubectl(["-n", "ai", "get", kinds, "-o", "json"]),
      logs("proxy"),
      logs("operator"),
    ]);
    const inCompanion = Object.values(companion.data).map((value) => Buffer.from(value, "base64").toString("utf8"));
    const secrets = ["sk-demo-openai", "sk-wrong", "demo-azure-key", key, ...inCompanion];
    for (const [i, secret] of secrets.entries()) {
      for (const text of seen) {
        assert.ok(!text.includes(secret), `secret ${i} is seen`);
        assert.ok(!text.includes(Buffer.from(secret).toString("base64")), `secret ${i} is seen in base64`);
      }
    }
    assert.match(seen[2], /"status":200/, "the proxies' logs were really read");
  });

  test("helm test passes", async () => {
    await cluster.helm(["test", "tandem", "--namespace", NAMESPACE, "--timeout", "60s"]);
  });

  test("an uninstall lets what is in flight end, and leaves the CRDs and their objects", async () => {
    await load.begin();
    await cluster.helm(["uninstall", "tandem", "--namespace", NAMESPACE]);
    await sleep(2_000);
    const { ok, failed } = await load.stop();
    assert.ok(ok > 0);
    // Nobody is there any more: refused, or no answer at all where the address is still routed.
    for (const what of Object.keys(failed))
      assert.match(what, /ECONNREFUSED|EHOSTUNREACH|ECONNRESET|ETIMEDOUT/, JSON.stringify(failed));
    assert.match(await cluster.kubectl(["-n", "ai", "get", "airoutes", "--no-headers"]), /gpt-4o/);
  });

  test("another name and namespace can be installed over what was left", async () => {
    await installTandem(cluster, { release: "second", namespace: "elsewhere" });
    await waitFor("the routes are Ready again", async () => {
      const rows = await cluster.kubectl(["-n", "ai", "get", "airoutes", "--no-headers"]);
      return (rows.match(/ True +True /g) ?? []).length === 2;
    });
  });
});
