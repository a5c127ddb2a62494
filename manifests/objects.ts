/**
 * Which object is a document of a manifest?
 *
 * Only what must be known to tell objects apart is looked at here; what stands in a spec is the compiler's to judge.
 */

import { setImmediate } from "node:timers/promises";
import type { SecretValues } from "../routing/secrets.ts";
import { fieldOf } from "./field-path.ts";
import { type Fields, isFields } from "./fields.ts";
import { type Fail, ManifestError } from "./manifest-error.ts";
import { parseYaml, type YamlDocument } from "./read-yaml.ts";
import { secretValues } from "./secret-values.ts";
import { type Piece, splitDocuments } from "./split-documents.ts";

export interface ManifestObject {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly file: string;
  readonly document: YamlDocument;
  /** Plain JSON with `metadata.namespace` filled in, or the values of a Secret. */
  readonly content: { readonly object: object } | { readonly secret: SecretValues };
}

const DEFAULT_NAMESPACE = "default";
const SECRET = "Secret";
const NAMESPACE = "Namespace";
const API_VERSIONS: Readonly<Record<string, string>> = {
  [SECRET]: "v1",
  [NAMESPACE]: "v1",
  AIProvider: "tandem.dev/v1alpha1",
  AIRoute: "tandem.dev/v1alpha1",
  AIClient: "tandem.dev/v1alpha1",
};
/** RFC 1123 subdomain, as Kubernetes wants most names: no slash can make one object look like another. */
const NAME = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const SHOWN_CHARACTERS = 60;

/** What was parsed of one file. */
export interface ParsedFile {
  readonly text: string;
  readonly objects: readonly ManifestObject[];
  readonly byPiece: ReadonlyMap<string, ParsedPiece>;
}

interface ParsedPiece {
  readonly linesBefore: number;
  readonly objects: readonly ManifestObject[];
}

/** Milliseconds of parsing, after which others get their turn: a gateway answers requests meanwhile. */
const LONGEST_TURN = 10;

/** The objects of one file, in its order; Namespaces are left out. Throws ManifestError. */
export async function parseFile(
  text: string,
  file: string,
  env: NodeJS.ProcessEnv,
  last?: ParsedFile,
): Promise<ParsedFile> {
  // A file that is being written is empty first, and so is one that was cut: neither means that its objects are gone.
  if (text.trim() === "")
    throw new ManifestError({ file, message: "it is empty; write an object, or remove the file" });
  const objects: ManifestObject[] = [];
  const byPiece = new Map<string, ParsedPiece>();
  let turn = performance.now();
  for (const piece of splitDocuments(text)) {
    const parsed = last?.byPiece.get(piece.text) ?? parsePiece(piece, file, env);
    byPiece.set(piece.text, parsed);
    for (const object of parsed.objects) objects.push(moved(object, piece.linesBefore - parsed.linesBefore));
    if (performance.now() - turn < LONGEST_TURN) continue;
    await setImmediate();
    turn = performance.now();
  }
  return { text, objects, byPiece };
}

function parsePiece({ text, linesBefore }: Piece, file: string, env: NodeJS.ProcessEnv): ParsedPiece {
  const documents = parseYaml(text, file, linesBefore).filter(({ value }) => value !== null);
  return { linesBefore, objects: documents.flatMap((document) => objectOf(document, file, env) ?? []) };
}

/** The same object, with lines added or taken away above it. */
function moved(object: ManifestObject, lines: number): ManifestObject {
  const { document } = object;
  return lines === 0
    ? object
    : { ...object, document: { ...document, lineOf: (steps) => document.lineOf(steps) + lines } };
}

function objectOf(document: YamlDocument, file: string, env: NodeJS.ProcessEnv): ManifestObject | undefined {
  const fail: Fail = (steps, message) =>
    new ManifestError({ file, line: document.lineOf(steps), field: fieldOf(steps) || undefined, message });
  const { value } = document;
  if (!isFields(value)) throw fail([], "this is no Kubernetes object; begin with apiVersion, kind and metadata");
  const kind = kindOf(value, fail);
  if (kind === NAMESPACE) return undefined;
  const { name, namespace } = identityOf(value, fail);
  const content =
    kind === SECRET
      ? { secret: { namespace, name, values: secretValues(value, env, fail) } }
      : { object: { ...value, metadata: { ...(value.metadata as Fields), namespace } } };
  return { kind, namespace, name, file, document, content };
}

function kindOf({ kind, apiVersion }: Fields, fail: Fail): string {
  if (kind === undefined) throw fail([], "kind is missing; write kind: AIProvider, AIRoute, AIClient or Secret");
  if (typeof kind !== "string" || !Object.hasOwn(API_VERSIONS, kind)) {
    throw fail(
      ["kind"],
      `${shown(kind)} is not for Tandem; only AIProvider, AIRoute, AIClient, Secret and Namespace may be here`,
    );
  }
  const expected = API_VERSIONS[kind];
  if (apiVersion === expected) return kind;
  const steps = apiVersion === undefined ? [] : ["apiVersion"];
  const fault = apiVersion === undefined ? "is missing" : `${shown(apiVersion)} is not known for ${kind}`;
  throw fail(steps, `apiVersion ${fault}; write apiVersion: ${expected}`);
}

function identityOf({ metadata }: Fields, fail: Fail): { name: string; namespace: string } {
  if (!isFields(metadata)) throw fail([], "metadata is missing; write metadata: {name: NAME, namespace: NAMESPACE}");
  const { name, namespace = DEFAULT_NAMESPACE } = metadata;
  const rule = "use lower-case letters, digits, - and . (at most 253 characters, a letter or digit at both ends)";
  if (name === undefined) throw fail(["metadata"], "metadata.name is missing; give the object a name");
  if (!isName(name)) throw fail(["metadata", "name"], `${shown(name)} is not a name; ${rule}`);
  if (!isName(namespace)) throw fail(["metadata", "namespace"], `${shown(namespace)} is not a namespace; ${rule}`);
  return { name, namespace };
}

function isName(value: unknown): value is string {
  return typeof value === "string" && NAME.test(value);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}…`;
}
