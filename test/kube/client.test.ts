/** Does the client reach an API server as whoever it should be, and say in one sentence why not? */

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pino } from "pino";
import { findBinaries } from "../../cluster/binaries.ts";
import { CONTROL_PLANE } from "../../cluster/programs.ts";
import { apply } from "../../kube/apply.ts";
import { ApiError, type KubeClient, loadClient } from "../../kube/client.ts";
import type { Log } from "../../kube/log.ts";
import { type KubeObject, pathOf, pluralOf } from "../../kube/objects.ts";
import type { FaultyApi } from "./faulty-api.ts";
import { type Rig, startRig, until } from "./harness.ts";

const found = await findBinaries(CONTROL_PLANE);
const skip = "missing" in found ? found.missing : false;

/** More than a hundred, at which HTTP/2 would begin to queue. */
const MANY_WATCHES = 250;
const SECRET_VALUE = "c2VjcmV0LXZhbHVl";

test("pino's logger is a log", () => {
  const log: Log = pino({ enabled: false });
  log.info({ a: 1 }, "text");
});

test("paths and plurals are Kubernetes'", () => {
  assert.equal(pathOf("v1", "pods"), "/api/v1/pods");
  assert.equal(pathOf("v1", "namespaces", undefined, "ai"), "/api/v1/namespaces/ai");
  assert.equal(
    pathOf("tandem.dev/v1alpha1", "airoutes", "ai", "chat"),
    "/apis/tandem.dev/v1alpha1/namespaces/ai/airoutes/chat",
  );
  const kinds = { AIProvider: "aiproviders", Ingress: "ingresses", NetworkPolicy: "networkpolicies" };
  for (const [kind, plural] of Object.entries(kinds)) assert.equal(pluralOf(kind), plural);
});

describe("a client of a real API server", { skip }, () => {
  let rig: Rig;
  let api: FaultyApi;
  let client: KubeClient;
  let namespace: string;

  before(async () => {
    if ("missing" in found) return;
    rig = await startRig(found.binaries);
    ({ api, client } = await rig.network());
    namespace = await rig.namespace();
  });

  after(() => rig?.stop());

  async function fileWith(name: string, text: string): Promise<string> {
    const file = join(rig.folder, name);
    await writeFile(file, text);
    return file;
  }

  test("what is missing is said when it is loaded", async () => {
    const config = JSON.parse(rig.server.kubeconfig());
    const contextless = await fileWith("contextless", JSON.stringify({ ...config, "current-context": undefined }));
    const clusterless = await fileWith("clusterless", JSON.stringify({ ...config, clusters: [] }));
    const broken = await fileWith("broken", `users:\n- user: {token: "a-token"\n  name: x`);
    const empty = await fileWith("empty", "");
    const good = await fileWith("good", JSON.stringify(config));
    const cases: [string, Parameters<typeof loadClient>[0]][] = [
      ["the kubeconfig /none cannot be read: ENOENT", { kubeconfig: "/none" }],
      [`the kubeconfig ${contextless} has no current-context`, { kubeconfig: contextless }],
      [`the kubeconfig ${clusterless} has no cluster "test", which its context names`, { kubeconfig: clusterless }],
      [`the kubeconfig ${broken} cannot be read: it is not valid YAML`, { kubeconfig: broken }],
      [`the kubeconfig ${empty} cannot be read: `, { kubeconfig: empty }],
      [`the kubeconfig ${good} has no context "prod"; it has test`, { kubeconfig: good, context: "prod" }],
      ["no API server is known, as KUBERNETES_SERVICE_HOST is not set", {}],
    ];
    for (const [sentence, options] of cases) {
      assert.throws(
        () => loadClient(options),
        ({ message }: Error) => message.startsWith(sentence) && !message.includes("\n") && !message.includes("a-token"),
        sentence,
      );
    }
  });

  test("several kubeconfigs make one: the first that says something is believed, who is missing is passed over", async () => {
    const { clusters, contexts, users, ...config } = JSON.parse(rig.server.kubeconfig());
    const silent = { ...config, "current-context": "" };
    const wrong = { ...clusters[0], cluster: { ...clusters[0].cluster, server: "https://127.0.0.1:1" } };
    const files = [
      join(rig.folder, "nobody-wrote-it"),
      await fileWith("nothing", " \n"),
      await fileWith("cluster", JSON.stringify({ ...silent, clusters })),
      await fileWith("context", JSON.stringify({ ...config, clusters: [wrong], contexts, users })),
      await fileWith("other", JSON.stringify({ ...config, "current-context": "other", contexts: [] })),
    ];
    const merged = loadClient({ kubeconfig: files });
    assert.ok((await merged.request<{ gitVersion: string }>("GET", "/version")).gitVersion);
    await merged.close();

    const [missing = "", , cluster = "", context = "", other = ""] = files;
    const cases: [string, readonly string[]][] = [
      [`no kubeconfig is there: looked for ${missing}, ${missing}`, [missing, missing]],
      ["no kubeconfig is there: looked for none", []],
      [`the kubeconfig ${missing} with ${cluster} has no current-context`, [missing, cluster]],
      [`the kubeconfig ${other} with ${context} has no context "other"; it has test`, [other, context]],
      [`the kubeconfig ${rig.folder} cannot be read: EISDIR`, [context, rig.folder]],
    ];
    for (const [sentence, kubeconfig] of cases) {
      assert.throws(
        () => loadClient({ kubeconfig }),
        ({ message }: Error) => message.startsWith(sentence),
        sentence,
      );
    }
  });

  test("it creates, reads, patches and deletes", async () => {
    const path = pathOf("v1", "configmaps", namespace);
    const body = { metadata: { name: "one" }, data: { a: "1" } };
    const created = await client.request<KubeObject>("POST", path, { body });
    assert.ok(created.metadata.resourceVersion);
    const patch = { contentType: "application/merge-patch+json", body: { data: { a: "2" } } };
    const patched = await client.request<{ data: object }>("PATCH", `${path}/one`, patch);
    assert.deepEqual(patched.data, { a: "2" });
    await client.request("DELETE", `${path}/one`);
    await assert.rejects(client.request("GET", `${path}/one`), (error: ApiError) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.status, 404);
      assert.equal(error.reason, "NotFound");
      const sentence = `GET ${path}/one: the API server answered 404 NotFound: configmaps "one" not found`;
      assert.equal(error.message, sentence);
      return true;
    });
  });

  test("server-side apply gives up what is left out", async () => {
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name: "applied" } };
    const settings = { fieldManager: "test", force: true };
    await apply(client, { ...object, data: { a: "1", b: "1" } }, settings);
    const stored = await apply(client, { ...object, data: { a: "2" } }, settings);
    assert.deepEqual(stored.data, { a: "2" });
    assert.ok((stored as KubeObject).metadata.resourceVersion);
    const other = apply(client, { ...object, data: { a: "3" } }, { fieldManager: "other", force: false });
    await assert.rejects(other, { name: "ApiError", status: 409, reason: "Conflict" });
  });

  test("a status is applied to its own subresource", async () => {
    const object = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
    const condition = { type: "Tested", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z", reason: "ByTest" };
    const status = { conditions: [{ ...condition, message: "" }] };
    const settings = { fieldManager: "test", force: true, subresource: "status" } as const;
    const stored = await apply(client, { ...object, status }, settings);
    assert.equal(stored.status.conditions.find(({ type }) => type === "Tested")?.reason, "ByTest");
  });

  test("no message quotes a secret that was written", async () => {
    const path = pathOf("v1", "secrets", namespace);
    const bodies = [
      { metadata: { name: "one" }, data: { key: `${SECRET_VALUE}!` } },
      { metadata: { name: "one" }, data: SECRET_VALUE },
      { metadata: { name: "one" }, data: { [`bad key ${SECRET_VALUE}`]: SECRET_VALUE }, type: SECRET_VALUE },
    ];
    for (const body of bodies) {
      await assert.rejects(client.request("POST", path, { body }), ({ message }: Error) => {
        assert.match(message, /^POST .*\/secrets: the API server answered 4\d\d \w+/);
        assert.ok(!message.replace(/ about .*/, "").includes(SECRET_VALUE), message);
        return true;
      });
    }
  });

  test("a request that nobody answers ends in time", async () => {
    const heal = api.fail("get", "hang");
    const begun = performance.now();
    const path = pathOf("v1", "namespaces", undefined, namespace);
    await assert.rejects(client.request("GET", path, { timeoutMs: 300 }), {
      message: `GET ${path}: no answer within 0.3 s`,
    });
    assert.ok(performance.now() - begun < 1_000);
    const stop = new AbortController();
    const stopped = client.request("GET", path, { signal: stop.signal });
    stop.abort(new Error("enough"));
    await assert.rejects(stopped, { message: "enough" });
    heal();
  });

  test("an API server that cannot be reached is named as such", async () => {
    const config = rig.server.kubeconfig().replace(rig.server.url, "https://127.0.0.1:1");
    const nowhere = loadClient({ kubeconfig: await fileWith("nowhere", config) });
    await assert.rejects(nowhere.request("GET", "/version"), { message: /^GET \/version: connect ECONNREFUSED/ });
    await nowhere.close();
  });

  test("Retry-After comes with the error", async () => {
    api.fail("get", { status: 429, reason: "TooManyRequests", retryAfterSeconds: 7 }, 1);
    const path = pathOf("v1", "namespaces", undefined, namespace);
    await assert.rejects(client.request("GET", path), { status: 429, retryAfterMs: 7_000 });
  });

  test("hundreds of watches stand side by side, and requests still pass", async () => {
    const stop = new AbortController();
    let opened = 0;
    const watches = Array.from({ length: MANY_WATCHES }, (_, index) =>
      client
        .watch(pathOf("v1", "secrets", namespace), {
          query: { fieldSelector: `metadata.name=secret-${index}` },
          inactivityMs: 60_000,
          signal: stop.signal,
          onOpen: () => opened++,
          onEvent: () => {},
        })
        .catch((error: unknown) => error),
    );
    await until("all are open", 30_000, () => opened === MANY_WATCHES);
    const begun = performance.now();
    await client.request("GET", "/version");
    assert.ok(performance.now() - begun < 1_000);
    stop.abort(new Error("enough"));
    for (const ended of await Promise.all(watches)) assert.equal((ended as Error).message, "enough");
    await until("all are closed", 5_000, () => api.openWatches === 0);
  });

  describe("as a pod", () => {
    const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
    let folder: string;
    let pod: KubeClient;

    before(async () => {
      folder = join(rig.folder, "service-account");
      await mkdir(folder);
      await writeFile(join(folder, "ca.crt"), rig.server.ca);
      process.env.KUBERNETES_SERVICE_HOST = "127.0.0.1";
      process.env.KUBERNETES_SERVICE_PORT = new URL(api.url).port;
    });

    after(async () => {
      await pod?.close();
      const restore = (name: string, value: string | undefined) => {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      };
      restore("KUBERNETES_SERVICE_HOST", host);
      restore("KUBERNETES_SERVICE_PORT", port);
    });

    test("a service account without its token is said when it is loaded", () => {
      assert.throws(() => loadClient({ serviceAccount: folder }), /^Error: the service account's token cannot be read/);
    });

    test("a token that was refused is read anew from its file", async () => {
      await writeFile(join(folder, "token"), "an-old-token\n");
      pod = loadClient({ serviceAccount: folder });
      await assert.rejects(pod.request("GET", "/api/v1/namespaces"), (error: ApiError) => {
        assert.equal(error.status, 401);
        return !error.message.includes("an-old-token");
      });
      await writeFile(join(folder, "token"), `${rig.server.adminToken}\n`);
      await pod.request("GET", "/api/v1/namespaces");
      const last = api.requests.at(-1);
      assert.equal(last?.authorization, `Bearer ${rig.server.adminToken}`);
    });
  });
});
