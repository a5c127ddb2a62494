/** Does a real API server take every object of the chart, and does a namespace that enforces "restricted" take its pods? */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findBinaries } from "../../cluster/binaries.ts";
import { CONTROL_PLANE } from "../../cluster/programs.ts";
import { type ApiServer, startApiServer } from "../control-plane/api-server.ts";
import { findHelm, type Helm } from "./helm.ts";
import { apply, createNamespace, pathOf } from "./kube-paths.ts";
import { type KubeObject, NAMESPACE, podsOf, rendered } from "./rendered.ts";

const FOLDER = join(import.meta.dirname, "golden");
const VALUES = ["defaults", "everything", "simulators", "watched-namespaces"];
const RESTRICTED = { "pod-security.kubernetes.io/enforce": "restricted" };

const helmFound = await findHelm();
const serverFound = await findBinaries(CONTROL_PLANE);
const skip = "missing" in helmFound ? helmFound.missing : "missing" in serverFound ? serverFound.missing : false;

describe("the chart's objects on a real API server", { skip }, () => {
  let server: ApiServer;
  let helm: Helm;

  before(async () => {
    if (!("binaries" in serverFound) || !("helms" in helmFound)) return;
    helm = helmFound.helms[0] as Helm;
    server = await startApiServer(serverFound.binaries);
    await createNamespace(server, NAMESPACE, RESTRICTED);
    for (const namespace of ["ai", "payments"]) await createNamespace(server, namespace);
  });

  after(() => server?.stop());

  const valuesOf = (name: string) => ["--values", join(FOLDER, `${name}.values.yaml`)];

  for (const name of VALUES) {
    test(`all objects of ${name} are taken, without an unknown field`, async () => {
      // Its kind is the Prometheus operator's.
      const without = ["--set", "metrics.serviceMonitor.enabled=false"];
      const objects = await rendered(helm, ...valuesOf(name), ...without);
      assert.ok(objects.length > 12);
      for (const object of objects) {
        const { status, body } = await apply(server, object, { dryRun: true });
        assert.ok(status === 200 || status === 201, `${object.kind} ${object.metadata.name}: ${JSON.stringify(body)}`);
      }
    });

    test(`all pods of ${name} are restricted`, async () => {
      const pods = podsOf(await rendered(helm, ...valuesOf(name), "--set", "metrics.serviceMonitor.enabled=false"));
      assert.equal(pods.length, 3);
      for (const pod of pods) {
        const { status, body } = await create(server, pod);
        assert.equal(status, 201, JSON.stringify(body));
      }
    });
  }

  test("the same namespace refuses a pod that is not", async () => {
    const [pod] = podsOf(await rendered(helm));
    assert.ok(pod?.spec);
    const containers = (pod.spec.containers as object[]).map((one) => ({ ...one, securityContext: {} }));
    const { status, body } = await create(server, { ...pod, spec: { ...pod.spec, containers } });
    assert.equal(status, 403);
    assert.match(String((body as { message: string }).message), /violates PodSecurity "restricted:latest"/);
  });

  test("the pods get what their processes need to write, and nothing else is writable", async () => {
    for (const { metadata, spec } of podsOf(await rendered(helm))) {
      const containers = spec?.containers as { securityContext: unknown; volumeMounts?: Mount[] }[];
      const writable = containers.flatMap(({ volumeMounts = [] }) => volumeMounts.filter(({ readOnly }) => !readOnly));
      const expected: Readonly<Record<string, string[]>> = {
        "tandem-operator": ["/tmp"],
        "tandem-proxy": ["/tmp", "/state"],
        "tandem-test": [],
      };
      assert.deepEqual(
        writable.map(({ mountPath }) => mountPath),
        expected[metadata.name],
      );
    }
  });
});

interface Mount {
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

function create(server: ApiServer, object: KubeObject) {
  return server.call(
    "POST",
    `${pathOf(object.apiVersion, object.kind, object.metadata.namespace)}?dryRun=All&fieldValidation=Strict`,
    object,
  );
}
