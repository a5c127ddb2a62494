/** What do the providers' documents say of an operation, and is a value as they say? */
import { readFileSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import type { Json, JsonObject } from "./plain-schema.ts";

export type DocumentName = "openai" | "azure-v1" | "azure-dated";

export interface DescribedOperation {
  readonly query: readonly { readonly name: string; readonly required: boolean; readonly schema: JsonObject }[];
  /** Schemas by content type. */
  readonly body?: Readonly<Record<string, JsonObject>>;
  /** By status, then by content type; an empty object is an answer without a body. */
  readonly answers: Readonly<Record<string, Readonly<Record<string, JsonObject>>>>;
}

export interface Described {
  /** By method and path below the API base, `POST chat/completions`; Azure's dated form with its deployment. */
  readonly operations: Readonly<Record<string, DescribedOperation>>;
  readonly schemas: Readonly<Record<string, JsonObject>>;
  readonly notServed: readonly string[];
}

export interface Document extends Described {
  readonly name: DocumentName;
  /** What is wrong with the value; undefined: nothing. */
  faultOf(schema: JsonObject, value: Json): string | undefined;
}

const documents = new Map<DocumentName, Document>();

export function documentNamed(name: DocumentName): Document {
  const known = documents.get(name);
  if (known) return known;
  const text = readFileSync(new URL(`${name}.json`, import.meta.url), "utf8");
  const described = JSON.parse(text) as Described;
  // Formats say how to read a text (`unixtime`, `binary`), and example URLs of theirs do not hold all of them.
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: name, schemas: described.schemas });
  const validators = new Map<JsonObject, ValidateFunction>();
  const document: Document = {
    name,
    ...described,
    faultOf(schema, value) {
      let validate = validators.get(schema);
      if (!validate) {
        validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/schemas/', `"${name}#/schemas/`)));
        validators.set(schema, validate);
      }
      if (validate(value)) return undefined;
      return ajv.errorsText(validate.errors, { dataVar: "it", separator: "; " }).slice(0, 2000);
    },
  };
  documents.set(name, document);
  return document;
}

/** The schema of what stands in a 2xx answer of that type; undefined: there is no such answer. */
export function answerSchema(operation: DescribedOperation, type: string): JsonObject | undefined {
  for (const types of Object.values(operation.answers)) {
    if (types[type]) return types[type];
  }
  return undefined;
}
