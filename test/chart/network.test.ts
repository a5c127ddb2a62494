/** Who may speak with whom, by the chart's NetworkPolicies? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findHelm } from "./helm.ts";
import { type Endpoint, isAllowed, type Labels } from "./network-policy.ts";
import { NAMESPACE, podsOf, rendered } from "./rendered.ts";

const found = await findHelm();
const skip = "missing" in found ? found.missing : false;

function pod(namespace: string, labels: Labels, namespaceLabels: Labels = {}): Endpoint {
  return { namespace, namespaceLabels: { "kubernetes.io/metadata.name": namespace, ...namespaceLabels }, labels };
}

const OUTSIDE: Endpoint = { namespace: "", namespaceLabels: {}, labels: undefined };
const DNS = pod("kube-system", { "k8s-app": "kube-dns" });
const APPLICATION = pod("shop", { app: "shop" });
const PROMETHEUS = pod("monitoring", { app: "prometheus" });
const NEIGHBOUR = pod(NAMESPACE, { app: "something-else" });

/** Who, with whom, port, whether. `operator`, `proxy` and `test` are the chart's own pods. */
type Row = readonly [from: Endpoint | Own, to: Endpoint | Own, port: number, allowed: boolean];
type Own = "operator" | "proxy" | "test";

const BY_DEFAULT: readonly Row[] = [
  [APPLICATION, "proxy", 8080, true],
  [OUTSIDE, "proxy", 8080, true],
  ["test", "proxy", 8080, true],
  [APPLICATION, "proxy", 9090, false],
  [NEIGHBOUR, "proxy", 9090, false],
  [OUTSIDE, "proxy", 9090, false],
  ["proxy", "proxy", 9090, false],
  ["operator", "proxy", 9090, true],
  [PROMETHEUS, "proxy", 9090, true],
  [PROMETHEUS, "operator", 9090, true],
  [APPLICATION, "operator", 9090, false],
  ["proxy", "operator", 9090, false],
  [APPLICATION, "operator", 8080, false],
  ["proxy", OUTSIDE, 443, true],
  ["proxy", OUTSIDE, 6443, true],
  ["proxy", OUTSIDE, 80, false],
  ["proxy", OUTSIDE, 22, false],
  ["proxy", APPLICATION, 5432, false],
  ["proxy", DNS, 53, true],
  ["operator", DNS, 53, true],
  ["operator", OUTSIDE, 443, true],
  ["operator", OUTSIDE, 6443, true],
  ["operator", OUTSIDE, 80, false],
  ["operator", "proxy", 8080, false],
];

const CASES: readonly { readonly name: string; readonly args: readonly string[]; readonly rows: readonly Row[] }[] = [
  { name: "by default", args: [], rows: BY_DEFAULT },
  {
    name: "with named clients",
    args: ["--set-json", 'networkPolicy.clients=[{"namespaceSelector":{"matchLabels":{"tandem-client":"true"}}}]'],
    rows: [
      [APPLICATION, "proxy", 8080, false],
      [pod("shop", {}, { "tandem-client": "true" }), "proxy", 8080, true],
      [OUTSIDE, "proxy", 8080, false],
      ["test", "proxy", 8080, true],
    ],
  },
  {
    name: "without monitoring",
    args: ["--set-json", "networkPolicy.monitoring=[]"],
    rows: [
      [PROMETHEUS, "proxy", 9090, false],
      [PROMETHEUS, "operator", 9090, false],
      ["operator", "proxy", 9090, true],
    ],
  },
  {
    name: "over the simulators and through a forward proxy",
    args: [
      "--set",
      "proxy.dev=true,proxy.connectTo.a=http://simulators.ai.svc:8101,proxy.connectTo.b=http://plain.example",
      "--set",
      "gateway.egress.proxyURL=http://forward.example:3128",
    ],
    rows: [
      ["proxy", pod("ai", { app: "simulators" }), 8101, true],
      ["proxy", OUTSIDE, 80, true],
      ["proxy", OUTSIDE, 3128, true],
      ["proxy", OUTSIDE, 8102, false],
      ["operator", OUTSIDE, 8101, false],
    ],
  },
  {
    name: "with an issuer's keys on a port of their own",
    args: [
      "--set-json",
      'gateway.callers={"jwt":{"header":"x-token","issuer":"https://login.example","audience":"tandem","jwksURL":"https://login.example:8443/keys","residencyClaim":"zone"}}',
    ],
    rows: [
      ["proxy", OUTSIDE, 8443, true],
      ["proxy", OUTSIDE, 8444, false],
      ["operator", OUTSIDE, 8443, false],
    ],
  },
  {
    name: "switched off",
    args: ["--set", "networkPolicy.enabled=false"],
    rows: [[APPLICATION, "operator", 9090, true]],
  },
];

describe("NetworkPolicies", { skip }, () => {
  for (const { name, args, rows } of CASES) {
    test(name, async () => {
      const [helm] = "helms" in found ? found.helms : [];
      assert.ok(helm);
      const objects = await rendered(helm, ...args);
      const own = (component: Own): Endpoint => {
        const labelled = podsOf(objects).map(({ metadata }) => metadata.labels ?? {});
        const labels = labelled.find((one) => one["app.kubernetes.io/component"] === component);
        assert.ok(labels, component);
        return pod(NAMESPACE, labels);
      };
      const resolved = (end: Endpoint | Own) => (typeof end === "string" ? own(end) : end);
      for (const [from, to, port, allowed] of rows) {
        const connection = { from: resolved(from), to: resolved(to), port };
        assert.equal(isAllowed(objects, connection), allowed, JSON.stringify({ from, to, port }));
      }
      const dns = { from: own("proxy"), to: DNS, port: 53, protocol: "UDP" } as const;
      assert.ok(isAllowed(objects, dns), "DNS goes by UDP");
    });
  }
});
