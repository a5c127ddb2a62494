/** Does docs/kubernetes.md say what the chart and the code do? */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { CHART, findHelm } from "./helm.ts";
import { type KubeObject, RELEASE, rendered } from "./rendered.ts";

const PAGE = readFileSync(new URL("../../docs/kubernetes.md", import.meta.url), "utf8");
const ROOT = new URL("../../", import.meta.url);
/** Where reasons of conditions are given. */
const GIVERS = [
  "routing/compile/",
  "operator/conditions.ts",
  "operator/faults.ts",
  "proxy/upstream/health.ts",
  "proxy/probe.ts",
];

const HEADER = "| what | may |";

const found = await findHelm();
const skip = "missing" in found ? found.missing : false;

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

function sources(path: string): string[] {
  const isFolder = path.endsWith("/");
  const files = isFolder ? readdirSync(new URL(path, ROOT)).map((name) => `${path}${name}`) : [path];
  return files.map((file) => readFileSync(new URL(file, ROOT), "utf8"));
}

test("every reason that a condition may have stands in the page", () => {
  const texts = GIVERS.flatMap(sources);
  const patterns = [/reason: "(\w+)"/g, /condition\("(?:False|Unknown)", "(\w+)"/g, /^ {2}40\d: "(\w+)"/gm];
  const reasons = texts.flatMap((text) =>
    patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, one = ""]) => one)),
  );
  assert.ok(reasons.length > 15);
  for (const reason of reasons) assert.ok(PAGE.includes(`\`${reason}\``) || PAGE.includes(`${reason} |`), reason);
});

test("every value that the page names is one", () => {
  const values: unknown = parse(readFileSync(`${CHART}/values.yaml`, "utf8"));
  const schema = readFileSync(`${CHART}/values.schema.json`, "utf8");
  const named = [...PAGE.matchAll(/`((?:image|proxy|operator|gateway|networkPolicy|metrics|crds)(?:\.\w+)+)/g)].map(
    ([, path = ""]) => path,
  );
  assert.ok(named.length > 20);
  for (const path of named) {
    const value = path
      .split(".")
      .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], values);
    assert.ok(value !== undefined || schema.includes(`"${path.split(".").at(-1)}"`), path);
  }
});

describe("the page's tables of rights", { skip }, () => {
  test("they say what the chart's rules say", async () => {
    const [helm] = "helms" in found ? found.helms : [];
    assert.ok(helm);
    const objects = (await rendered(helm)) as readonly (KubeObject & { readonly rules?: readonly Rule[] })[];
    const [, proxy = "", watched = "", own = ""] = PAGE.slice(
      PAGE.indexOf("## Rights"),
      PAGE.indexOf("## Ports"),
    ).split(/^\|---\|---\|$/m);
    const rulesOf = (kind: string, name: string) =>
      objects.find((object) => object.kind === kind && object.metadata.name.startsWith(name))?.rules ?? [];
    for (const [table, rules] of [
      [proxy, rulesOf("Role", `${RELEASE}-proxy`)],
      [watched, rulesOf("ClusterRole", `${RELEASE}-operator`)],
      [own, rulesOf("Role", `${RELEASE}-operator`)],
    ] as const) {
      const rows = table.split("\n").filter((line) => line.startsWith("| ") && line !== HEADER);
      const said = rows.map((row) => (/\| ([a-z, ]+)(?:;.*)? \|$/.exec(row)?.[1] ?? "").split(", "));
      assert.deepEqual(
        said,
        rules.map(({ verbs }) => verbs),
      );
      for (const [i, { resourceNames = [] }] of rules.entries()) {
        for (const name of resourceNames) assert.ok(rows[i]?.includes(name.replace(RELEASE, "R")), name);
      }
    }
  });
});
