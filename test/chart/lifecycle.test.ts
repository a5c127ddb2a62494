/**
 * Does the chart live through what people do with it: install, upgrade, uninstall, install elsewhere under another name?
 *
 * On a real API server without nodes, so nobody waits for pods. Charts of other versions are copies with another schema.
 */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { findBinaries } from "../../cluster/binaries.ts";
import { CONTROL_PLANE } from "../../cluster/programs.ts";
import { type ApiServer, startApiServer } from "../control-plane/api-server.ts";
import { CHART, findHelm, IMAGE, type Outcome } from "./helm.ts";
import { createNamespace, pathOf } from "./kube-paths.ts";
import type { KubeObject } from "./rendered.ts";

const CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const CLIENTS = "aiclients.tandem.dev";
const CLIENT_PATH = "/apis/tandem.dev/v1alpha1/namespaces/apps/aiclients";
const POLL_MS = 50;
const MAX_POLLS = 200;
const NAMESPACES = ["first", "second", "third", "apps"];

const helmFound = await findHelm();
const serverFound = await findBinaries(CONTROL_PLANE);
const skip = "missing" in helmFound ? helmFound.missing : "missing" in serverFound ? serverFound.missing : false;

interface Crd {
  readonly metadata: { readonly resourceVersion: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly versions: readonly {
      readonly schema: { readonly openAPIV3Schema: { properties: { spec: { properties: Record<string, unknown> } } } };
    }[];
  };
}

describe("the chart's life", { skip, concurrency: true }, () => {
  for (const helm of "helms" in helmFound ? helmFound.helms : []) {
    // Each with an API server of its own.
    describe(`with ${helm.name}`, { concurrency: 1 }, () => {
      const folder = mkdtempSync(join(tmpdir(), "tandem-charts-"));
      const kubeconfig = join(folder, "kubeconfig");
      const older = chartWith(folder, "0.0.9", (fields) => {
        delete fields.models;
      });
      const newer = chartWith(folder, "0.2.0", (fields) => {
        fields.motto = { type: "string", maxLength: 63, description: "Of a later version." };
      });
      let server: ApiServer;

      before(async () => {
        if (!("binaries" in serverFound)) return;
        server = await startApiServer(serverFound.binaries);
        writeFileSync(kubeconfig, server.kubeconfig(), { mode: 0o600 });
        for (const namespace of NAMESPACES) await createNamespace(server, namespace);
      });

      after(async () => {
        rmSync(folder, { recursive: true, force: true });
        await server?.stop();
      });

      const run = (...args: readonly string[]) => helm.run(args, kubeconfig);
      const works = async (...args: readonly string[]) => {
        const { code, stderr, stdout } = await run(...args);
        assert.equal(code, 0, stderr);
        return stdout;
      };
      const clientFields = async () => {
        const { body } = await server.call("GET", `${CRD_PATH}/${CLIENTS}`);
        return Object.keys((body as Crd).spec.versions[0]?.schema.openAPIV3Schema.properties.spec.properties ?? {});
      };
      const namesOf = async (apiVersion: string, kind: string, namespace: string) => {
        const { body } = await server.call("GET", pathOf(apiVersion, kind, namespace));
        return (body as { items: KubeObject[] }).items.map(({ metadata }) => metadata.name);
      };
      const assertClientLives = async () => {
        const { status, body } = await server.call("GET", `${CLIENT_PATH}/demo`);
        assert.equal(status, 200, "the object is still there");
        assert.deepEqual((body as { metadata: { uid: string } }).metadata.uid, clientUid);
      };
      let clientUid = "";

      test("an earlier version is installed, and somebody uses it", async () => {
        const notes = await works("install", "one", older, "-n", "first", ...IMAGE);
        assert.match(notes, /helm test one -n first/);
        assert.ok(!(await clientFields()).includes("models"));
        const spec = { keys: [{ name: "current", secretRef: { name: "demo", key: "key" } }] };
        const demo = { apiVersion: "tandem.dev/v1alpha1", kind: "AIClient", metadata: { name: "demo" }, spec };
        const { status, body } = await server.call("POST", CLIENT_PATH, demo);
        assert.equal(status, 201, JSON.stringify(body));
        clientUid = (body as { metadata: { uid: string } }).metadata.uid;
      });

      test("an upgrade brings the CRDs up to date", async () => {
        await works("upgrade", "one", CHART, "-n", "first", ...IMAGE);
        assert.ok((await clientFields()).includes("models"));
        await assertClientLives();
      });

      test("an upgrade to the same changes no CRD", async () => {
        const before = await server.call("GET", `${CRD_PATH}/${CLIENTS}`);
        await works("upgrade", "one", CHART, "-n", "first", ...IMAGE);
        const after = await server.call("GET", `${CRD_PATH}/${CLIENTS}`);
        assert.equal((after.body as Crd).metadata.resourceVersion, (before.body as Crd).metadata.resourceVersion);
      });

      test("a second release stands beside it", async () => {
        await works("install", "beside", CHART, "-n", "third", ...IMAGE);
        assert.deepEqual(await namesOf("v1", "Service", "third"), ["beside"]);
        await works("uninstall", "beside", "-n", "third");
        await assertClientLives();
      });

      test("CRDs that it no longer renders stay", async () => {
        await works("upgrade", "one", CHART, "-n", "first", ...IMAGE, "--set", "crds.enabled=false");
        await assertClientLives();
        await works("upgrade", "one", CHART, "-n", "first", ...IMAGE);
        await give(CLIENTS, { annotations: { "meta.helm.sh/release-name": "somebody-else" } });
        await works("upgrade", "one", CHART, "-n", "first", ...IMAGE);
        await assertClientLives();
        await give(CLIENTS, { annotations: { "meta.helm.sh/release-name": "one" } });
      });

      test("after it is uninstalled nothing of it is left but the CRDs and their objects", async () => {
        await works("uninstall", "one", "-n", "first");
        for (const [apiVersion, kind] of [
          ["apps/v1", "Deployment"],
          ["v1", "Service"],
          ["v1", "ServiceAccount"],
          ["v1", "Secret"],
          ["v1", "ConfigMap"],
          ["policy/v1", "PodDisruptionBudget"],
          ["networking.k8s.io/v1", "NetworkPolicy"],
          ["rbac.authorization.k8s.io/v1", "Role"],
          ["rbac.authorization.k8s.io/v1", "RoleBinding"],
        ] as const) {
          assert.deepEqual(await namesOf(apiVersion, kind, "first"), [], kind);
        }
        const clusterRoles = await namesOf("rbac.authorization.k8s.io/v1", "ClusterRole", "");
        assert.deepEqual(
          clusterRoles.filter((name) => name.includes("operator-")),
          [],
        );
        await assertClientLives();
      });

      test("it is installed again under another name in another namespace", async () => {
        await works("install", "two", CHART, "-n", "second", ...IMAGE);
        await works("upgrade", "two", CHART, "-n", "second", ...IMAGE, "--set", "proxy.replicas=3");
        await assertClientLives();
      });

      test("a later version asks for the CRDs, with the command, and then brings them up to date", async () => {
        const refused = await run("upgrade", "two", newer, "-n", "second", ...IMAGE);
        await handOver(refused, "belong to the Helm release first/one");
        await works("upgrade", "two", newer, "-n", "second", ...IMAGE);
        assert.ok((await clientFields()).includes("motto"));
        await works("upgrade", "two", newer, "-n", "second", ...IMAGE);
        await assertClientLives();
      });

      test("an earlier version beside it does not take them back", async () => {
        const { code, stderr } = await run("install", "old", CHART, "-n", "third", ...IMAGE);
        assert.notEqual(code, 0);
        assert.match(stderr, /belong to the Helm release second\/two: set crds\.enabled=false if they are to stay so/);
        await works("install", "old", CHART, "-n", "third", ...IMAGE, "--set", "crds.enabled=false");
        assert.ok((await clientFields()).includes("motto"));
        await works("uninstall", "old", "-n", "third");
        await works("uninstall", "two", "-n", "second");
        await assertClientLives();
      });

      test("CRDs that kubectl applied are taken over", async () => {
        await server.call("DELETE", `${CRD_PATH}/${CLIENTS}`);
        const isGone = async () => (await server.call("GET", `${CRD_PATH}/${CLIENTS}`)).status === 404;
        for (let tries = 0; !(await isGone()); tries++) {
          assert.ok(tries < MAX_POLLS, "the CRD is gone");
          await sleep(POLL_MS);
        }
        const crd: unknown = parse(readFileSync(join(older, "files", "crds", "aiclients.yaml"), "utf8"));
        const options = { contentType: "application/apply-patch+yaml" };
        const query = "fieldManager=kubectl&force=true";
        const applied = await server.call("PATCH", `${CRD_PATH}/${CLIENTS}?${query}`, crd, options);
        assert.equal(applied.status, 201, JSON.stringify(applied.body));
        const refused = await run("install", "three", CHART, "-n", "third", ...IMAGE);
        await handOver(refused, "were not installed by Helm");
        const force = helm.major > 3 ? ["--force-conflicts"] : [];
        await works("install", "three", CHART, "-n", "third", ...IMAGE, ...force);
        assert.ok((await clientFields()).includes("models"));
      });

      /** Does what the commands in the sentence do. */
      async function handOver({ code, stderr }: Outcome, says: string): Promise<void> {
        assert.notEqual(code, 0);
        assert.ok(stderr.includes(`in this cluster are of another version and ${says}:`), stderr);
        const commands =
          /kubectl label --overwrite crd (.+?) (\S+=\S+) && kubectl annotate --overwrite crd (.+?) (\S+=\S+) (\S+=\S+)\n/;
        const [, names = "", label = "", sameNames, ...annotations] = commands.exec(stderr) ?? [];
        assert.ok(names !== "" && names === sameNames, stderr);
        const pairs = (all: readonly string[]) =>
          Object.fromEntries(all.map((pair) => pair.split("=") as [string, string]));
        const metadata = { labels: pairs([label]), annotations: pairs(annotations) };
        for (const name of names.split(" ")) await give(name, metadata);
      }

      async function give(crd: string, metadata: object): Promise<void> {
        const options = { contentType: "application/merge-patch+json" };
        assert.equal((await server.call("PATCH", `${CRD_PATH}/${crd}`, { metadata }, options)).status, 200, crd);
      }
    });
  }
});

/** A copy of the chart with another version and another schema of AIClient. */
function chartWith(folder: string, version: string, change: (fields: Record<string, unknown>) => void): string {
  const chart = join(folder, version);
  cpSync(CHART, chart, { recursive: true });
  const metadata = readFileSync(join(chart, "Chart.yaml"), "utf8");
  writeFileSync(join(chart, "Chart.yaml"), metadata.replace(/^(version|appVersion): .*$/gm, `$1: ${version}`));
  const file = join(chart, "files", "crds", "aiclients.yaml");
  const crd = parse(readFileSync(file, "utf8")) as Crd;
  const schema = crd.spec.versions[0]?.schema.openAPIV3Schema;
  assert.ok(schema);
  change(schema.properties.spec.properties);
  writeFileSync(file, stringify(crd));
  return chart;
}
