/**
 * What does the chart make of each set of values?
 *
 * `golden/NAME.values.yaml` gives `NAME.out.yaml`, with either Helm. `UPDATE_GOLDEN=1` writes the expected files anew: read
 * the difference before it is committed. The CRDs are left out here: they are held against `crds/` instead.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { CHART, findHelm, IMAGE } from "./helm.ts";
import { type KubeObject, NAMESPACE, objectsIn, RELEASE, rendered } from "./rendered.ts";

const FOLDER = join(import.meta.dirname, "golden");
const CRDS = join(import.meta.dirname, "..", "..", "crds");
const UPDATE = process.env.UPDATE_GOLDEN === "1";
const NAMES = readdirSync(FOLDER).flatMap((name) => /^(.+)\.values\.yaml$/.exec(name)?.[1] ?? []);

const found = await findHelm();
const skip = "missing" in found ? found.missing : false;

/** Helm 4 leaves an empty line between documents where Helm 3 leaves none. */
function plain(text: string): string {
  return `${text.replace(/\n+---\n/g, "\n---\n").trim()}\n`;
}

describe("helm template", { skip }, () => {
  for (const helm of "helms" in found ? found.helms : []) {
    for (const name of NAMES) {
      test(`${name} with ${helm.name}`, async () => {
        const values = ["--values", join(FOLDER, `${name}.values.yaml`), "--set", "crds.enabled=false"];
        const monitoring = ["--api-versions", "monitoring.coreos.com/v1"];
        const args = [RELEASE, CHART, "--namespace", NAMESPACE, ...IMAGE, ...values, ...monitoring];
        const text = plain(await helm.template(...args));
        const file = join(FOLDER, `${name}.out.yaml`);
        if (UPDATE) writeFileSync(file, text);
        assert.equal(text, existsSync(file) ? readFileSync(file, "utf8") : "", file);
        assert.doesNotMatch(text, /[ \t]$/m, "no line ends with a blank");
        assert.doesNotMatch(text, /<no value>|null$/m);
      });
    }

    test(`the CRDs are those of crds/, kept on uninstall, with ${helm.name}`, async () => {
      const objects = (await rendered(helm)).filter(({ kind }) => kind === "CustomResourceDefinition");
      const files = readdirSync(CRDS).filter((name) => name.endsWith(".yaml"));
      assert.equal(objects.length, files.length);
      for (const file of files) {
        const written = parse(readFileSync(join(CRDS, file), "utf8")) as KubeObject;
        const object = objects.find(({ metadata }) => metadata.name === written.metadata.name);
        assert.deepEqual(object?.spec, written.spec, file);
        assert.equal(object?.metadata.annotations?.["helm.sh/resource-policy"], "keep");
      }
    });

    test(`every object has the recommended labels, with ${helm.name}`, async () => {
      const args = ["--namespace", NAMESPACE, ...IMAGE, "--values", join(FOLDER, "everything.values.yaml")];
      const text = await helm.template(RELEASE, CHART, ...args, "--api-versions", "monitoring.coreos.com/v1");
      for (const { kind, metadata } of objectsIn(text)) {
        const { labels = {} } = metadata;
        const of = (name: string) => labels[`app.kubernetes.io/${name}`];
        const isCrd = kind === "CustomResourceDefinition";
        const where = `${kind} ${metadata.name}`;
        assert.deepEqual([of("name"), of("part-of"), of("managed-by")], ["tandem", "tandem", "Helm"], where);
        assert.ok(of("version"), where);
        assert.equal(of("instance"), isCrd ? undefined : RELEASE, where);
        assert.ok(isCrd || ["operator", "proxy", "metrics", "test"].includes(String(of("component"))), where);
      }
    });
  }
});
