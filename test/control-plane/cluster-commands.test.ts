/** Do `tandem explain` and `tandem check` say of a cluster's objects what they say of the same files? */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { findBinaries } from "../../cluster/binaries.ts";
import { CONTROL_PLANE } from "../../cluster/programs.ts";
import { CONNECT_TO } from "../cli/over-simulators.ts";
import { EXAMPLES, QUICKSTART, startProgram, tandem, temporaryFolder } from "../cli/tandem.ts";
import { type ApiServer, startApiServer } from "./api-server.ts";
import type { TestObject } from "./objects.ts";
import { applyText, installCrds, PLURALS } from "./tandem-api.ts";

const found = await findBinaries(CONTROL_PLANE);
const skip = "missing" in found ? found.missing : false;

const PLUGIN = fileURLToPath(new URL("../../cli/kubectl-tandem.js", import.meta.url));
const SECRETS = { openai: "sk-demo-openai", azure: "demo-azure-key" };
const EXPLAIN = ["explain", "--model", "gpt-4o", "--client", "demo"];

describe("commands over a cluster", { skip }, () => {
  let server: ApiServer;
  let kubeconfig: string;
  let mayReadNoSecrets: string;

  before(async () => {
    if ("missing" in found) return;
    server = await startApiServer(found.binaries);
    const folder = await temporaryFolder();
    kubeconfig = join(folder, "kubeconfig");
    await writeFile(kubeconfig, server.kubeconfig());
    await installCrds(server);
    await server.call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "ai" } });
    for (const [name, value] of Object.entries(SECRETS)) await secret(name, "api-key", value);
    await secret("demo-client-key", "key", "tdm-demo-key-for-trying-out");
    await applyFile(join(QUICKSTART, "01-two-providers.yaml"));
    await applyFile(join(EXAMPLES, "02-canary.yaml"));
    mayReadNoSecrets = join(folder, "reader");
    await writeFile(mayReadNoSecrets, server.kubeconfig(await readerToken()));
  });

  after(() => server?.stop());

  function secret(name: string, key: string, value: string) {
    const object = { apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: { [key]: value } };
    return server.call("POST", "/api/v1/namespaces/ai/secrets", object);
  }

  async function applyFile(file: string): Promise<void> {
    for (const document of readFileSync(file, "utf8").split(/^---$/m)) {
      const object = parse(document) as TestObject;
      if (PLURALS[object.kind] === undefined) continue;
      const { status, body } = await applyText(server, object, document);
      assert.ok(status < 300, JSON.stringify(body));
    }
  }

  /** Of somebody who may look at Tandem's objects and nothing else. */
  async function readerToken(): Promise<string> {
    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    const rules = [{ apiGroups: ["tandem.dev"], resources: ["*"], verbs: ["get", "list"] }];
    await server.call("POST", "/api/v1/namespaces/ai/serviceaccounts", { metadata: { name: "reader" } });
    await server.call("POST", `${rbac}/clusterroles`, { metadata: { name: "reader" }, rules });
    await server.call("POST", `${rbac}/clusterrolebindings`, {
      metadata: { name: "reader" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "reader" },
      subjects: [{ kind: "ServiceAccount", name: "reader", namespace: "ai" }],
    });
    const path = "/api/v1/namespaces/ai/serviceaccounts/reader/token";
    const { body } = await server.call("POST", path, { spec: {} });
    return (body as { status: { token: string } }).status.token;
  }

  test("explain says the same as of the files", async () => {
    const [cluster, files] = await Promise.all([
      tandem([...EXPLAIN, "--kubeconfig", kubeconfig]),
      tandem([...EXPLAIN, "--manifests", QUICKSTART, join(EXAMPLES, "02-canary.yaml")]),
    ]);
    assert.equal(cluster.code, 0, cluster.stderr);
    assert.equal(cluster.stdout, files.stdout);
  });

  test("KUBECONFIG is a list for what knows kubectl's rule, --kubeconfig one file", async () => {
    const folder = await temporaryFolder();
    const { contexts, ...config } = JSON.parse(server.kubeconfig());
    const [first, second, missing] = ["first", "second", "missing"].map((name) => join(folder, name));
    const { "current-context": current, ...rest } = config;
    await writeFile(first as string, JSON.stringify(rest));
    await writeFile(second as string, JSON.stringify({ "current-context": current, contexts }));
    const env = { KUBECONFIG: [missing, first, second].join(delimiter) };
    const released = await tandem(["rollback", "--release"], env);
    assert.deepEqual([released.code, released.stdout], [0, "no route is held\n"], released.stderr);
    const plugin = await startProgram(PLUGIN, EXPLAIN, env).ended;
    const explained = await tandem([...EXPLAIN, "--kubeconfig", kubeconfig]);
    assert.deepEqual([plugin.code, plugin.stdout], [0, explained.stdout], plugin.stderr);

    // What was typed is not mixed with the list, and a command that also takes files asks no cluster by itself.
    const one = await tandem(["rollback", "--release", "--kubeconfig", first as string], env);
    assert.deepEqual([one.code, one.stderr.includes("has no current-context")], [2, true], one.stderr);
    const list = await tandem(["rollback", "--release", "--kubeconfig", env.KUBECONFIG], {});
    assert.deepEqual([list.code, list.stderr.includes("ENOENT")], [2, true], list.stderr);
    const files = await startProgram(PLUGIN, [...EXPLAIN, "--manifests", QUICKSTART], env).ended;
    assert.equal(files.code, 0, files.stderr);
    assert.match((await tandem(EXPLAIN, env)).stderr, /--manifests PATH is missing, or --kubeconfig FILE/);
    const nothing = await tandem(["rollback"], { KUBECONFIG: missing as string });
    assert.deepEqual(
      [nothing.code, nothing.stderr],
      [2, `tandem: --kubeconfig: no kubeconfig is there: looked for ${missing}\n`],
    );
  });

  test("explain without the right to read Secrets takes them to be right, and says so", async () => {
    const { code, stdout, stderr } = await tandem([...EXPLAIN, "--kubeconfig", mayReadNoSecrets]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /1\. openai +first for 90\.0 %/);
    assert.match(stderr, /Secret ai\/openai may not be read/);
  });

  test("check asks each backend with the cluster's keys", async () => {
    const { code, stdout, stderr } = await tandem(["check", "--kubeconfig", kubeconfig, ...CONNECT_TO]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /6 of 6 backends answer/);
    assert.ok(!(stdout + stderr).includes(SECRETS.openai));
  });

  test("a cluster that is not there: one line", async () => {
    const nowhere = join(await temporaryFolder(), "nowhere");
    await writeFile(nowhere, server.kubeconfig().replaceAll(server.url, "https://127.0.0.1:1"));
    const { code, stderr } = await tandem([...EXPLAIN, "--kubeconfig", nowhere]);
    assert.equal(code, 1);
    assert.match(stderr, /^tandem: the cluster could not be read: .*ECONNREFUSED.*\n$/);
  });
});
