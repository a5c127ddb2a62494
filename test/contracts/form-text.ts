/** How does a generated value look as multipart/form-data, and did a provider get the same? */
import assert from "node:assert/strict";
import type { DescribedOperation, Document } from "./documents.ts";
import type { Json, JsonObject } from "./plain-schema.ts";
import type { Random } from "./random.ts";

export interface SentForm {
  readonly type: string;
  readonly bytes: Buffer;
  /** Byte for byte; with `model` put in where another one, or none, stood. */
  assertSame(
    got: { readonly headers: Readonly<Record<string, unknown>>; readonly body: Buffer },
    model?: string,
  ): Promise<void>;
}

const FORM = "multipart/form-data";

export async function formOf(
  value: Json,
  document: Document,
  { body }: DescribedOperation,
  random: Random,
): Promise<SentForm> {
  const form = new FormData();
  for (const [name, one] of Object.entries(value as JsonObject)) {
    const isFile = isBinary(document, body?.[FORM] ?? {}, name);
    const list = Array.isArray(one) ? one : [one];
    for (const item of list) {
      if (item === null) continue;
      const key = Array.isArray(one) ? `${name}[]` : name;
      if (isFile) form.append(key, fileOf(random), `größe ${name}.bin`);
      else form.append(key, typeof item === "object" ? JSON.stringify(item) : String(item));
    }
  }
  form.append("x_unknown", "kept\nas it is");
  const encoded = new Response(form);
  const type = encoded.headers.get("content-type") ?? "";
  const bytes = Buffer.from(await encoded.arrayBuffer());
  return {
    type,
    bytes,
    async assertSame({ headers, body: got }, model) {
      if (model === undefined || form.get("model") === model) {
        assert.ok(got.equals(bytes), "the form's bytes");
        return;
      }
      const [wanted, arrived] = await Promise.all([parts(bytes, type), parts(got, String(headers["content-type"]))]);
      for (const part of wanted) if (part[0] === "model") part[1] = model;
      if (!wanted.some(([name]) => name === "model")) wanted.push(["model", model]);
      assert.deepEqual(arrived.toSorted(), wanted.toSorted());
    },
  };
}

function isBinary(document: Document, schema: JsonObject, name: string): boolean {
  let plain = schema;
  while (typeof plain.$ref === "string") plain = document.schemas[plain.$ref.slice("#/schemas/".length)] ?? {};
  const parts = [plain, ...((plain.allOf ?? []) as readonly JsonObject[])];
  return parts.some((part) =>
    JSON.stringify((part.properties as JsonObject | undefined)?.[name] ?? {}).includes('"binary"'),
  );
}

function fileOf(random: Random): Blob {
  const bytes = Array.from({ length: random.between(0, 600) }, () => random.between(0, 255));
  return new Blob([Buffer.from([...bytes, ...Buffer.from("\r\n--\r\n\r\n")])]);
}

/** Name and content of each part, content of files as Latin-1. */
async function parts(bytes: Buffer, type: string): Promise<[string, string][]> {
  const form = await new Response(Uint8Array.from(bytes), { headers: { "content-type": type } }).formData();
  return Promise.all(
    [...form].map(async ([name, one]): Promise<[string, string]> => {
      if (typeof one === "string") return [name, one];
      return [name, `${one.name} ${Buffer.from(await one.arrayBuffer()).toString("latin1")}`];
    }),
  );
}
