/**
 * What may the chart's ServiceAccounts do, and what may they not? Asked of a real API server with their own tokens.
 *
 * Where a rule names an object, `list` and `watch` work with a field selector for that name alone.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { findBinaries } from "../../cluster/binaries.ts";
import { CONTROL_PLANE } from "../../cluster/programs.ts";
import { type ApiServer, startApiServer } from "../control-plane/api-server.ts";
import { findHelm, type Helm } from "./helm.ts";
import { apply, createNamespace } from "./kube-paths.ts";
import { NAMESPACE, rendered } from "./rendered.ts";

const WATCHED = "ai";
const UNWATCHED = "payments";
const RBAC_KINDS = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];

const helmFound = await findHelm();
const serverFound = await findBinaries(CONTROL_PLANE);
const skip = "missing" in helmFound ? helmFound.missing : "missing" in serverFound ? serverFound.missing : false;

/** `get,list group/resource/subresource NAMESPACE[/NAME]`; "" is the core group's, `*` every namespace. */
interface Table {
  readonly may: readonly string[];
  readonly mayNot: readonly string[];
}

const PROXY: Table = {
  may: [
    `list,watch configmaps ${NAMESPACE}/tandem-table`,
    `list,watch secrets ${NAMESPACE}/tandem-companion`,
    `get configmaps ${NAMESPACE}/tandem-shard-0123456789abcdef`,
  ],
  mayNot: [
    `get,create,update,patch,delete secrets ${NAMESPACE}/tandem-companion`,
    `list,watch,get secrets ${NAMESPACE}`,
    `get,list,watch secrets ${NAMESPACE}/openai`,
    `get,list,watch secrets ${WATCHED}`,
    `list,watch configmaps ${NAMESPACE}`,
    `list,watch configmaps ${NAMESPACE}/tandem-shard-0123456789abcdef`,
    `create,update,patch,delete configmaps ${NAMESPACE}/tandem-table`,
    `get,list,watch configmaps ${WATCHED}`,
    `get,list,watch tandem.dev/aiproviders ${WATCHED}`,
    `get,list,watch tandem.dev/airoutes ${NAMESPACE}`,
    `patch,update tandem.dev/airoutes/status ${WATCHED}`,
    `get,list,watch,delete pods ${NAMESPACE}`,
    `get pods/log ${NAMESPACE}`,
    `create pods/exec ${NAMESPACE}`,
    `get,create,update coordination.k8s.io/leases ${NAMESPACE}/tandem-operator`,
    `create events.k8s.io/events ${NAMESPACE}`,
    `create events ${NAMESPACE}`,
    `create serviceaccounts/token ${NAMESPACE}`,
    `list namespaces *`,
    `list nodes *`,
  ],
};

const OPERATOR: Table = {
  may: [
    `get,list,watch tandem.dev/aiproviders,airoutes,aiclients ${WATCHED}`,
    `patch tandem.dev/aiproviders/status,airoutes/status,aiclients/status ${WATCHED}`,
    `get,list,watch secrets ${WATCHED}`,
    `create,patch events.k8s.io/events ${WATCHED}`,
    `create,patch events.k8s.io/events ${NAMESPACE}`,
    `get,list,watch,create,patch,delete configmaps ${NAMESPACE}`,
    `create secrets ${NAMESPACE}`,
    `get,list,watch,patch secrets ${NAMESPACE}/tandem-companion`,
    `create coordination.k8s.io/leases ${NAMESPACE}`,
    `get,list,watch,update coordination.k8s.io/leases ${NAMESPACE}/tandem-operator`,
    `get,list,watch pods ${NAMESPACE}`,
  ],
  mayNot: [
    `create,update,patch,delete tandem.dev/aiproviders,airoutes,aiclients ${WATCHED}`,
    `update tandem.dev/airoutes/status ${WATCHED}`,
    `create,update,patch,delete secrets ${WATCHED}`,
    `update,delete secrets ${NAMESPACE}/tandem-companion`,
    `patch,update,delete secrets ${NAMESPACE}/openai`,
    `get,list,create,patch,delete configmaps ${WATCHED}`,
    `update,deletecollection configmaps ${NAMESPACE}`,
    `get,update,delete coordination.k8s.io/leases ${NAMESPACE}/another`,
    `delete,patch coordination.k8s.io/leases ${NAMESPACE}/tandem-operator`,
    `get,list,watch pods ${WATCHED}`,
    `create,delete,patch pods ${NAMESPACE}`,
    `get pods/log ${NAMESPACE}`,
    `create pods/exec ${NAMESPACE}`,
    `create events ${NAMESPACE}`,
    `get,list,patch apps/deployments ${NAMESPACE}`,
    `create serviceaccounts/token ${NAMESPACE}`,
    `create,patch rbac.authorization.k8s.io/roles ${NAMESPACE}`,
    `get,patch apiextensions.k8s.io/customresourcedefinitions *`,
    `list namespaces *`,
    `list nodes *`,
  ],
};

/** What the operator may do everywhere, or only in the namespaces that it watches. */
const ELSEWHERE = [
  `get,list,watch tandem.dev/aiproviders,airoutes,aiclients ${UNWATCHED}`,
  `get,list,watch tandem.dev/aiproviders,airoutes,aiclients *`,
  `patch tandem.dev/airoutes/status ${UNWATCHED}`,
  `get,list,watch secrets ${UNWATCHED}`,
  `list secrets *`,
  `get secrets ${NAMESPACE}/openai`,
  `create events.k8s.io/events ${UNWATCHED}`,
];

const CASES = [
  { name: "all namespaces", args: [], operator: { ...OPERATOR, may: [...OPERATOR.may, ...ELSEWHERE] } },
  {
    name: "named namespaces",
    args: ["--set", `watchNamespaces={${WATCHED}}`],
    operator: { ...OPERATOR, mayNot: [...OPERATOR.mayNot, ...ELSEWHERE] },
  },
];

for (const { name, args, operator } of CASES) {
  describe(`rights with ${name}`, { skip }, () => {
    let server: ApiServer;

    before(async () => {
      if (!("binaries" in serverFound) || !("helms" in helmFound)) return;
      server = await startApiServer(serverFound.binaries);
      for (const namespace of [NAMESPACE, WATCHED, UNWATCHED]) await createNamespace(server, namespace);
      const objects = await rendered(helmFound.helms[0] as Helm, ...args);
      for (const object of objects.filter(({ kind }) => RBAC_KINDS.includes(kind))) {
        const { status, body } = await apply(server, object);
        assert.equal(status, 201, JSON.stringify(body));
      }
      for (const secret of ["tandem-companion", "openai"]) {
        await server.call("POST", `/api/v1/namespaces/${NAMESPACE}/secrets`, {
          apiVersion: "v1",
          kind: "Secret",
          metadata: { name: secret },
        });
      }
    });

    after(() => server?.stop());

    for (const [component, table] of Object.entries({ operator, proxy: PROXY })) {
      test(`the ${component} may what it needs`, () => assertAll(server, component, table.may, true));
      test(`the ${component} may nothing else`, () => assertAll(server, component, table.mayNot, false));
    }

    test("the proxy lists its one Secret by name, and no others", async () => {
      const options = { token: await tokenOf(server, "proxy") };
      const secrets = `/api/v1/namespaces/${NAMESPACE}/secrets`;
      const byName = await server.call(
        "GET",
        `${secrets}?fieldSelector=metadata.name%3Dtandem-companion`,
        undefined,
        options,
      );
      assert.equal(byName.status, 200);
      assert.equal((byName.body as { items: unknown[] }).items.length, 1);
      const other = await server.call("GET", `${secrets}?fieldSelector=metadata.name%3Dopenai`, undefined, options);
      assert.equal(other.status, 403);
      assert.equal((await server.call("GET", secrets, undefined, options)).status, 403);
      assert.equal((await server.call("GET", `${secrets}/tandem-companion`, undefined, options)).status, 403);
    });
  });
}

async function assertAll(server: ApiServer, component: string, rights: readonly string[], allowed: boolean) {
  const token = await tokenOf(server, component);
  for (const right of rights) {
    for (const attributes of attributesOf(right)) {
      const review = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview" };
      const { status, body } = await server.call(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        { ...review, spec: { resourceAttributes: attributes } },
        { token },
      );
      assert.equal(status, 201, JSON.stringify(body));
      const answer = (body as { status: { allowed: boolean } }).status.allowed;
      assert.equal(answer, allowed, `${component}: ${right}: ${JSON.stringify(attributes)}`);
    }
  }
}

function attributesOf(right: string): Record<string, string>[] {
  const [verbs = "", what = "", where = ""] = right.split(" ");
  const [, group = "", resources = ""] = /^(?:([\w.-]+\.[\w.-]+|apps)\/)?(.+)$/.exec(what) ?? [];
  const [namespace = "", name] = where === "*" ? [""] : where.split("/");
  return verbs.split(",").flatMap((verb) =>
    resources.split(",").map((one) => {
      const [resource = "", subresource = ""] = one.split("/");
      return { verb, group, resource, subresource, namespace, ...(name !== undefined && { name }) };
    }),
  );
}

async function tokenOf(server: ApiServer, component: string): Promise<string> {
  const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/tandem-${component}/token`;
  const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} };
  const { status, body } = await server.call("POST", path, request);
  assert.equal(status, 201, JSON.stringify(body));
  return (body as { status: { token: string } }).status.token;
}
