/** How do people read the fields of a kind? As a page of tables, made from the CRD. */

export interface FieldSchema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly required?: readonly string[];
  readonly items?: FieldSchema;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
}

interface Row {
  readonly path: string;
  readonly schema: FieldSchema;
  readonly isRequired: boolean;
}

/** Markdown: a section per kind, a row per field of its spec. */
export function fieldsPage(kinds: readonly { readonly kind: string; readonly schema: FieldSchema }[]): string {
  const sections = kinds.map(({ kind, schema }) => {
    const spec = schema.properties?.spec ?? {};
    const rows = rowsOf(spec, "spec").map(
      ({ path, schema: field, isRequired }) =>
        `| \`${path}\` | ${kindOfValue(field)} | ${valueWhenLeftOut(field, isRequired)} | ${text(field)} |`,
    );
    const rules = `\`kubectl explain ${kind.toLowerCase()}.spec\` shows the same.`;
    return [
      `## ${kind}`,
      "",
      schema.description,
      rules,
      "",
      "| field | value | left out | meaning |",
      "|---|---|---|---|",
      ...rows,
      "",
    ];
  });
  return [
    "<!-- Generated from crds/*.yaml by `npm run generate`. Edit those, not this. -->",
    "",
    "# Fields",
    "",
    "Every field of the three kinds in `tandem.dev/v1alpha1`. What is wrong with an object is said by `kubectl apply` in a cluster and by",
    "`tandem compile` without one, in the same words.",
    "",
    ...sections.flat(),
  ].join("\n");
}

function rowsOf(schema: FieldSchema, path: string): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const own = { path: `${path}.${name}`, schema: field, isRequired: schema.required?.includes(name) ?? false };
    return [own, ...rowsOf(field, own.path), ...rowsOf(field.items ?? {}, `${own.path}[]`)];
  });
}

function kindOfValue(schema: FieldSchema): string {
  const { enum: values, type, items, minimum, maximum, maxItems } = schema;
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(", ");
  if (type === "integer") return `${minimum?.toLocaleString("en")} to ${maximum?.toLocaleString("en")}`;
  if (type === "boolean") return "`true`, `false`";
  if (items === undefined) return type ?? "";
  const list = `list of ${kindOfValue(items)}, at most ${maxItems}`;
  return type === "array" ? list : `\`${schema.pattern?.replace(/\W/g, "")}\`, or ${list}`;
}

function valueWhenLeftOut({ default: byDefault, properties }: FieldSchema, isRequired: boolean): string {
  if (isRequired) return "required";
  if (byDefault === undefined) return "";
  return properties === undefined ? `\`${byDefault}\`` : "defaults below";
}

function text({ description = "" }: FieldSchema): string {
  return description.replaceAll("|", "\\|");
}
