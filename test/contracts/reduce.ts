/**
 * What of the providers' OpenAPI documents do the tests need? Only the operations that Tandem serves, with the schemas they
 * reach, and nothing that is for people.
 *
 * `node test/contracts/reduce.ts` writes them here from `../shared/contracts`, which a clone does not have. With `--check`
 * nothing is written, and the exit code is 1 when a file is not what would be written.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { operationsAt } from "../../proxy/dialects/operations.ts";
import { type Json, type JsonObject, plainSchema } from "./plain-schema.ts";

/** Where the documents lie; a clone has none. */
export const SOURCES = new URL("../../../shared/contracts/", import.meta.url);
const METHODS = ["get", "post", "delete"];
/** Sessions on WebSockets are no requests with answers; what belongs to them is tested beside them. */
const REALTIME = "/realtime/";
const DEPLOYMENT_PREFIX = "deployments/{deployment-id}/";

export const DOCUMENTS = [
  { name: "openai", source: "openai/openapi.json" },
  { name: "azure-v1", source: "azure/v1.json" },
  { name: "azure-dated", source: "azure/inference-2025-03-01-preview.json" },
] as const;

interface OpenApi {
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, JsonObject>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonObject>> };
}

if (import.meta.main) main(process.argv.includes("--check"));

function main(isCheck: boolean): void {
  for (const { name, source } of DOCUMENTS) {
    const text = reduced(readFileSync(new URL(source, SOURCES), "utf8"));
    const file = new URL(`${name}.json`, import.meta.url);
    if (!isCheck) writeFileSync(file, text);
    else if (readFileSync(file, "utf8") !== text) {
      process.stderr.write(`${file.pathname}: not up to date: run node test/contracts/reduce.ts\n`);
      process.exitCode = 1;
    }
  }
}

/** One line of JSON: `version`, `operations` by method and path below the API base, `schemas`, `notServed`. */
export function reduced(text: string): string {
  const document = JSON.parse(text) as OpenApi;
  const operations: Record<string, Json> = {};
  const notServed: string[] = [];
  for (const [path, item] of Object.entries(document.paths)) {
    // OpenAI keeps a second form of some operations there; on the wire only a header tells them apart.
    if (path.includes("?") || path.startsWith(REALTIME)) continue;
    const below = path.slice(1);
    for (const method of METHODS.filter((one) => one in item)) {
      const name = `${method.toUpperCase()} ${below}`;
      if (isServed(method, below)) operations[name] = operationOf(item[method] as JsonObject, item);
      else notServed.push(name);
    }
  }
  const schemas = reachable(operations, document.components.schemas);
  return `${JSON.stringify({ version: document.info.version, operations, schemas, notServed })}\n`;
}

function isServed(method: string, path: string): boolean {
  const below = path.startsWith(DEPLOYMENT_PREFIX) ? path.slice(DEPLOYMENT_PREFIX.length) : path;
  return operationsAt(below)?.has(method.toUpperCase()) ?? false;
}

function operationOf(operation: JsonObject, item: JsonObject): Json {
  const parameters = [...listOf(item.parameters), ...listOf(operation.parameters)] as JsonObject[];
  const body = operation.requestBody as JsonObject | undefined;
  const good = Object.entries((operation.responses ?? {}) as JsonObject).filter(([code]) => code.startsWith("2"));
  return {
    query: parameters
      .filter((one) => one.in === "query")
      .map(({ name, required, schema }) => ({
        name: name as string,
        required: required === true,
        schema: plainSchema(schema ?? {}),
      })),
    ...(body === undefined ? {} : { body: contentOf(body) }),
    answers: Object.fromEntries(good.map(([code, answer]) => [code, contentOf(answer as JsonObject)])),
  };
}

/** Schemas by content type. */
function contentOf({ content = {} }: JsonObject): JsonObject {
  const types = Object.entries(content as JsonObject);
  return Object.fromEntries(types.map(([type, media]) => [type, plainSchema((media as JsonObject).schema ?? {})]));
}

function reachable(roots: Json, all: Readonly<Record<string, JsonObject>>): JsonObject {
  const found = new Map<string, Json>();
  const look = (value: Json): void => {
    for (const [, name = ""] of JSON.stringify(value).matchAll(/"\$ref":"#\/schemas\/([^"]+)"/g)) {
      if (found.has(name)) continue;
      const schema = plainSchema(all[name] ?? {}, name);
      found.set(name, schema);
      look(schema);
    }
  };
  look(roots);
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}
