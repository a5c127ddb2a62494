/** How do people read the chart's values? As a table, made from its schema and its defaults. */

export interface ValueSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, ValueSchema>>;
  readonly additionalProperties?: boolean | ValueSchema;
  readonly items?: ValueSchema;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Row {
  readonly path: string;
  readonly schema: ValueSchema;
  /** Undefined: left out of values.yaml. */
  readonly byDefault: unknown;
}

/** Markdown. Throws when a value has no description. */
export function valuesPage(schema: ValueSchema, defaults: unknown): string {
  const rows = rowsOf(schema, defaults, "").map(
    ({ path, schema: value, byDefault }) =>
      `| \`${path}\` | ${kindOf(value)} | ${defaultText(byDefault)} | ${textOf(path, value)} |`,
  );
  return [
    "<!-- Generated from charts/tandem/values.schema.json and values.yaml by `npm run generate`. Edit those, not this. -->",
    "",
    "# Values of the chart",
    "",
    "A value that is not listed here is refused by `helm install`, and so is one that is out of bounds.",
    "",
    "| value | kind | default | meaning |",
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function rowsOf({ properties = {} }: ValueSchema, defaults: unknown, prefix: string): Row[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const path = `${prefix}${name}`;
    const byDefault = (defaults as Readonly<Record<string, unknown>> | undefined)?.[name];
    // What is an object by Kubernetes' own schema is one value here; so is the whole of `resources`.
    const isOne = schema.properties === undefined || name === "resources";
    return isOne ? [{ path, schema, byDefault }] : rowsOf(schema, byDefault, `${path}.`);
  });
}

function kindOf(schema: ValueSchema): string {
  const { type, minimum, maximum } = schema;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(", ");
  if (Array.isArray(type)) return "size";
  if (type === "integer") return `${minimum?.toLocaleString("en")} to ${maximum?.toLocaleString("en")}`;
  if (type === "boolean") return "`true`, `false`";
  if (type === "array") return `list${schema.items?.type === "object" ? "" : ` of ${schema.items?.type}s`}`;
  if (typeof schema.additionalProperties === "object") return "map of strings";
  return String(type);
}

function defaultText(value: unknown): string {
  return value === undefined || value === "" ? "" : `\`${JSON.stringify(value).replaceAll('"', "")}\``;
}

function textOf(path: string, { description }: ValueSchema): string {
  if (description === undefined) throw new Error(`values.schema.json: ${path} has no description`);
  return description.replaceAll("|", "\\|");
}
