/** Are the CRDs written as we write CRDs, and does everything that is generated from them follow? */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { compileRule } from "../../routing/cel.ts";
import type { Schema } from "../../routing/schema/types.ts";

type DescribedSchema = Schema & { readonly description?: string };

const GENERATE = fileURLToPath(new URL("../../crds/generate.ts", import.meta.url));
/** Beyond this etcd and the reader suffer. */
const MAX_CRD_BYTES = 256 * 1024;

function schemaOf(name: string): DescribedSchema {
  const crd = parse(readFileSync(new URL(`../../crds/${name}.yaml`, import.meta.url), "utf8"));
  return crd.spec.versions[0].schema.openAPIV3Schema as DescribedSchema;
}

interface Place {
  readonly path: string;
  readonly schema: DescribedSchema;
  readonly isInList: boolean;
}

function places(schema: DescribedSchema, path: string, isInList: boolean): Place[] {
  const properties = Object.entries(schema.properties ?? {}).filter(([name]) => path !== "" || name !== "metadata");
  return [
    { path, schema, isInList },
    ...properties.flatMap(([name, property]) => places(property, path === "" ? name : `${path}.${name}`, isInList)),
    ...(schema.items === undefined ? [] : places(schema.items, `${path}[]`, true)),
  ];
}

for (const name of ["aiproviders", "airoutes", "aiclients"]) {
  describe(name, () => {
    const all = places(schemaOf(name), "", false);
    const offending = (isBad: (place: Place) => boolean) => all.filter(isBad).map(({ path }) => path);

    test("every field has a description", () => {
      assert.deepEqual(
        offending(({ schema }) => schema.description === undefined),
        [],
      );
    });

    test("every list, string and number has bounds", () => {
      const isUnbounded = ({ schema, path }: Place) => {
        if (path === "apiVersion" || path === "kind") return false;
        if (schema.type === "array")
          return schema.maxItems === undefined || schema["x-kubernetes-list-type"] === undefined;
        if (schema.type === "string") return schema.maxLength === undefined && schema.enum === undefined;
        if (schema.type === "integer")
          return schema.minimum === undefined || (schema.maximum === undefined && path.startsWith("spec"));
        return false;
      };
      assert.deepEqual(offending(isUnbounded), []);
    });

    test("no list item has a default: kubectl apply would print configured for ever", () => {
      assert.deepEqual(
        offending(({ schema, isInList }) => isInList && schema.default !== undefined),
        [],
      );
    });

    test("no enum has a value that YAML reads as a boolean", () => {
      const booleans = /^(y|n|yes|no|on|off|true|false)$/i;
      assert.deepEqual(
        offending(
          ({ path, schema }) =>
            path.startsWith("spec") && (schema.enum ?? []).some((value) => booleans.test(String(value))),
        ),
        [],
      );
    });

    test("every rule compiles and has a message", () => {
      const rules = all.flatMap(({ schema }) => schema["x-kubernetes-validations"] ?? []);
      assert.ok(name === "aiclients" || rules.length > 10);
      for (const { rule, message } of rules) {
        assert.ok(message.length > 0 && !message.includes("self"), rule);
        if (!rule.includes("oldSelf")) compileRule(rule);
      }
    });

    test("it is no larger than it must be", () => {
      assert.ok(JSON.stringify(schemaOf(name)).length < MAX_CRD_BYTES);
    });
  });
}

test("the generated files are what `npm run generate` writes", () => {
  const { status, stderr } = spawnSync(process.execPath, [GENERATE, "--check"], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});
