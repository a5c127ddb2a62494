/**
 * What follows from the CRDs? `npm run generate` writes the types of the objects, the embedded schemas and the page of
 * fields.
 *
 * The YAML files beside this one are the source of truth. With `--check` nothing is written, and the exit code is 1 when
 * a file is not what would be written.
 */

import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { writeGenerated } from "../docs/write-generated.ts";
import { type FieldSchema, fieldsPage } from "./fields-page.ts";

type Schema = FieldSchema;

interface Crd {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

const NOTICE = "// Generated from crds/*.yaml by `npm run generate`. Edit those, not this.";
const CRD_FILES = ["aiproviders.yaml", "airoutes.yaml", "aiclients.yaml"];
const OBJECTS_FILE = new URL("../routing/objects.generated.ts", import.meta.url);
const FIELDS_FILE = new URL("../docs/fields.md", import.meta.url);
const SCHEMAS_FILE = new URL("../routing/schemas.generated.ts", import.meta.url);

const crds = CRD_FILES.map((file) => parse(readFileSync(new URL(file, import.meta.url), "utf8")) as Crd);
const outputs = [
  { file: OBJECTS_FILE, text: objectsModule(crds) },
  { file: SCHEMAS_FILE, text: schemasModule(crds) },
  { file: FIELDS_FILE, text: fieldsPage(crds.map((crd) => ({ kind: crd.spec.names.kind, schema: schemaOf(crd) }))) },
];

writeGenerated(outputs);

/** The TypeScript types of all kinds. */
function objectsModule(all: readonly Crd[]): string {
  const kinds = all.map((crd) => crd.spec.names.kind);
  return [
    "/**",
    " * What do users write, and what does Tandem answer in status?",
    " *",
    " * The objects as `validateObject` hands them on: defaults are filled in, unknown fields are gone.",
    " */",
    "",
    NOTICE,
    "",
    `export type TandemObject = ${kinds.join(" | ")};`,
    "",
    `export const API_VERSION = "${apiVersion(all[0])}";`,
    "",
    "/** What every Kubernetes object says of itself, as far as Tandem reads it. */",
    "export interface ObjectMeta {",
    "  readonly name: string;",
    "  readonly namespace: string;",
    "  readonly uid?: string;",
    "  readonly generation?: number;",
    "  readonly creationTimestamp?: string;",
    "  readonly annotations?: Readonly<Record<string, string>>;",
    "}",
    ...all.flatMap(kindTypes),
    "",
  ].join("\n");
}

function apiVersion(crd: Crd | undefined): string {
  return `${crd?.spec.group}/${crd?.spec.versions[0]?.name}`;
}

function schemaOf(crd: Crd): Schema {
  const version = crd.spec.versions[0];
  if (version === undefined) throw new Error(`${crd.spec.names.kind}: no version`);
  return version.schema.openAPIV3Schema;
}

function kindTypes(crd: Crd): string[] {
  const kind = crd.spec.names.kind;
  const schema = schemaOf(crd);
  const { spec, status } = schema.properties ?? {};
  if (spec === undefined || status === undefined) throw new Error(`${kind}: no spec or status`);
  return [
    "",
    comment(schema, ""),
    `export interface ${kind} {`,
    `  readonly apiVersion: "${apiVersion(crd)}";`,
    `  readonly kind: "${kind}";`,
    "  readonly metadata: ObjectMeta;",
    `  readonly spec: ${kind}Spec;`,
    `  readonly status?: ${kind}Status;`,
    "}",
    "",
    comment(spec, ""),
    `export interface ${kind}Spec ${objectType(spec, "")}`,
    "",
    comment(status, ""),
    `export interface ${kind}Status ${objectType(status, "")}`,
  ];
}

function typeOf(schema: Schema, indent: string): string {
  switch (schema.type) {
    case "string":
      return schema.enum === undefined ? "string" : schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    case "integer":
      return "number";
    case "boolean":
      return "boolean";
    case "array":
      return listType(schema, indent);
    case "object":
      return objectType(schema, indent);
    default:
      return wordOrListType(schema, indent);
  }
}

function listType(schema: Schema, indent: string): string {
  const item = typeOf(schema.items ?? {}, indent);
  return item.includes(" | ") && !item.startsWith("{") ? `readonly (${item})[]` : `readonly ${item}[]`;
}

/** A schema without a type is one word, by its pattern, or a list. */
function wordOrListType(schema: Schema, indent: string): string {
  const word = /^\^(\w+)\$$/.exec(schema.pattern ?? "")?.[1];
  if (word === undefined || schema.items === undefined) throw new Error(`no type for ${JSON.stringify(schema)}`);
  return `"${word}" | ${listType(schema, indent)}`;
}

function objectType(schema: Schema, indent: string): string {
  const fields = Object.entries(schema.properties ?? {});
  if (fields.length === 0) return "Readonly<Record<string, never>>";
  const inner = `${indent}  `;
  const lines = fields.flatMap(([name, field]) => {
    const isThere = schema.required?.includes(name) || field.default !== undefined;
    return [comment(field, inner), `${inner}readonly ${name}${isThere ? "" : "?"}: ${typeOf(field, inner)};`];
  });
  return ["{", ...lines, `${indent}}`].join("\n");
}

function comment(schema: Schema, indent: string): string {
  const byDefault = schema.default === undefined ? "" : ` Default: \`${defaultText(schema.default)}\`.`;
  return `${indent}/** ${schema.description ?? ""}${byDefault} */`.replace("  */", " */");
}

function defaultText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The schemas as JSON text: parsed when first needed, which is quicker than a module of object literals. */
function schemasModule(all: readonly Crd[]): string {
  const entries = all.map((crd) => {
    const text = JSON.stringify(schemaOf(crd), withoutDescriptions, 1);
    if (text.includes("`") || text.includes("${")) throw new Error("a schema would end the template literal");
    return `  ${crd.spec.names.kind}: String.raw\`${text}\`,`;
  });
  return [
    "/** What are the schemas of the three kinds? JSON text of each `openAPIV3Schema`, without its descriptions. */",
    "",
    NOTICE,
    "",
    "export const SCHEMA_TEXTS = {",
    ...entries,
    "} as const;",
    "",
  ].join("\n");
}

function withoutDescriptions(key: string, value: unknown): unknown {
  return key === "description" && typeof value === "string" ? undefined : value;
}
