/** What is said to somebody whose values cannot be, and are the values, their schema and their page one? */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import type { ValueSchema } from "../../charts/values-page.ts";
import { parseSettings } from "../../proxy/settings-schema.ts";
import { CHART, findHelm, type Helm, IMAGE } from "./helm.ts";
import { RELEASE } from "./rendered.ts";

const GENERATE = fileURLToPath(new URL("../../charts/generate.ts", import.meta.url));
const VALUES = parse(readFileSync(join(CHART, "values.yaml"), "utf8")) as Record<string, unknown>;
const SCHEMA = JSON.parse(readFileSync(join(CHART, "values.schema.json"), "utf8")) as ValueSchema;

/** Whole sentences of the chart's own. */
const REFUSED: readonly { readonly set: readonly string[]; readonly release?: string; readonly says: string }[] = [
  {
    set: ["image.repository="],
    says: "image.repository is not set: no image of Tandem is published yet, so make one in the checkout with `npm run image` (or `docker build -t NAME .`), push or import it where your nodes find it, and give its name with --set image.repository=NAME",
  },
  {
    set: [],
    release: "2nd",
    says: 'the release name "2nd" cannot name a Service: begin it with a letter and use only lower-case letters, digits and -',
  },
  {
    set: ["proxy.connectTo.api\\.openai\\.com=http://127.0.0.1:8101"],
    says: "proxy.connectTo sends keys and prompts elsewhere than the manifests say: it needs proxy.dev=true",
  },
  {
    set: ["gateway.callers.residencyHeader=x-residency"],
    says: "gateway.callers.residencyHeader needs gateway.callers.trustedProxies: name the networks of the proxies that set it",
  },
  {
    set: ["proxy.autoscaling.enabled=true", "proxy.autoscaling.minReplicas=20"],
    says: "proxy.autoscaling.minReplicas is 20 and must not be above maxReplicas, which is 10",
  },
  {
    set: ["metrics.serviceMonitor.enabled=true"],
    says: "metrics.serviceMonitor.enabled needs the Prometheus operator, whose API monitoring.coreos.com/v1 this cluster does not have: install it first, or leave the value false",
  },
];

/** Parts of the sentences that Helm makes of the schema. */
const OUT_OF_SCHEMA: readonly { readonly set: string; readonly says: string }[] = [
  { set: "proxy.replica=2", says: "at '/proxy': additional properties 'replica' not allowed" },
  { set: "gatway.location=eu", says: "additional properties 'gatway' not allowed" },
  { set: "proxy.service.port=0", says: "at '/proxy/service/port': minimum: got 0, want 1" },
  { set: "proxy.service.type=ExternalName", says: "at '/proxy/service/type': value must be one of" },
  { set: "image.pullPolicy=Sometimes", says: "at '/image/pullPolicy': value must be one of" },
  { set: "image.digest=abc", says: "at '/image/digest': 'abc' does not match pattern" },
  { set: "watchNamespaces={A_}", says: "at '/watchNamespaces/0': 'A_' does not match pattern" },
  { set: "watchNamespaces={a,a}", says: "at '/watchNamespaces': items at 0 and 1 are equal" },
  { set: "proxy.drainSeconds=10m", says: "at '/proxy/drainSeconds': got string, want integer" },
  { set: "proxy.connectTo.a=ftp://b", says: "at '/proxy/connectTo/a': 'ftp://b' does not match pattern" },
  { set: "gateway.limits.requestBytes=3Kb", says: "at '/gateway/limits/requestBytes': '3Kb' does not match pattern" },
  { set: "gateway.egress.proxyURL=forward:3128", says: "at '/gateway/egress/proxyURL': 'forward:3128' does not match" },
  { set: "gateway.limit.requestBytes=3", says: "at '/gateway': additional properties 'limit' not allowed" },
];

/** What `gateway:` may hold: the chart and the proxy must agree. */
const SETTINGS: readonly { readonly set: string; readonly isGood: boolean }[] = [
  { set: "limits.requestBytes=64Mi", isGood: true },
  { set: "limits.requestBytes=65536", isGood: true },
  { set: "limits.headerBytes=1M", isGood: true },
  { set: "limits.replayBytes=1.5Gi", isGood: false },
  { set: "limits.unknown=1", isGood: false },
  { set: "egress.allowedCIDRs={10.0.0.0/8,fd00::/8}", isGood: true },
  { set: "egress.allowedCIDRs={10.0.0.0}", isGood: false },
  { set: "egress.proxyURL=https://forward.example:3128", isGood: true },
  { set: "egress.proxyURL=socks5://forward.example:3128", isGood: false },
  { set: "egress.clusterCidrs={10.0.0.0/8}", isGood: false },
  { set: "sharedState.urlSecretRef.name=redis,gateway.sharedState.urlSecretRef.key=url", isGood: true },
  { set: "sharedState.urlSecretRef.name=redis", isGood: false },
  { set: "location=eu-west", isGood: true },
  { set: `location=${"x".repeat(64)}`, isGood: false },
];

const found = await findHelm();
const skip = "missing" in found ? found.missing : false;

async function refusal(helm: Helm, sets: readonly string[], release = RELEASE): Promise<string> {
  const args = [release, CHART, ...IMAGE, ...sets.flatMap((set) => ["--set", set])];
  return helm.template(...args).then(
    () => "",
    (error: Error) => error.message,
  );
}

describe("values that cannot be", { skip }, () => {
  for (const helm of "helms" in found ? found.helms : []) {
    for (const { set, release, says } of REFUSED) {
      test(`${helm.name} says one sentence: ${says.slice(0, 60)}…`, async () => {
        const said = await refusal(helm, set, release);
        assert.ok(said.includes(`: ${says}\n`), said);
      });
    }
    test(`${helm.name} refuses what is out of the schema, and names the value`, async () => {
      for (const { set, says } of OUT_OF_SCHEMA) {
        const said = await refusal(helm, [set]);
        assert.ok(said.includes(says), `${set}: ${said}`);
      }
    });
    test(`${helm.name} refuses a Kubernetes that is too old`, async () => {
      const { code, stderr } = await helm.run(["template", RELEASE, CHART, ...IMAGE, "--kube-version", "1.29.0"]);
      assert.notEqual(code, 0);
      assert.match(stderr, /requires kubeVersion: >=1\.30\.0-0/);
    });
    test(`${helm.name} lint is content`, async () => {
      const { code, stdout, stderr } = await helm.run(["lint", "--strict", CHART, ...IMAGE]);
      assert.equal(code, 0, stdout + stderr);
    });
    test(`the chart and the proxy agree on gateway:, with ${helm.name}`, async () => {
      for (const { set, isGood } of SETTINGS) {
        const args = [RELEASE, CHART, ...IMAGE, "--show-only", "templates/proxy/settings.yaml", "--set"];
        const text = await helm.template(...args, `gateway.${set}`, "--skip-schema-validation");
        const { data } = parse(text) as { data: Record<string, string> };
        const settings: unknown = parse(String(data["settings.yaml"]));
        assert.equal((await refusal(helm, [`gateway.${set}`])) === "", isGood, `the chart: ${set}`);
        if (isGood) parseSettings(settings);
        else assert.throws(() => parseSettings(settings), `the proxy: ${set}`);
      }
    });
  }
});

test("what is generated is up to date: the CRDs' copies and docs/values.md", () => {
  const { status, stderr } = spawnSync(process.execPath, [GENERATE, "--check"], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});

test("the proxy takes the default settings", () => {
  assert.ok(parseSettings(VALUES.gateway));
});

test("every value has a default or is said to be left out", () => {
  const leftOut = leaves(SCHEMA, "").filter((path) => valueAt(path) === undefined);
  const allowed = leftOut.filter((path) => path === "global" || /^gateway\.|\.resources\./.test(path));
  assert.deepEqual(leftOut, allowed);
});

function leaves({ properties }: ValueSchema, path: string): string[] {
  if (properties === undefined) return [path.slice(1)];
  return Object.entries(properties).flatMap(([name, schema]) => leaves(schema, `${path}.${name}`));
}

function valueAt(path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], VALUES);
}
