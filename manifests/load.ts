/**
 * What objects do these files hold?
 *
 * The files play the API server: a later PATH replaces objects of an earlier one, as `kubectl apply` would.
 */
import type { SecretValues } from "../routing/secrets.ts";
import { stepsOf } from "./field-path.ts";
import { ManifestError } from "./manifest-error.ts";
import { type ManifestObject, type ParsedFile, parseFile } from "./objects.ts";
import { listFiles, readText } from "./read-files.ts";

export { ManifestError } from "./manifest-error.ts";

export interface Loaded {
  /** AIProvider, AIRoute and AIClient as plain JSON, with `metadata.namespace` filled in; sorted by kind and key. */
  readonly objects: readonly object[];
  readonly secrets: readonly SecretValues[];
  /** Where an object, or a field of it such as `spec.backends[0].weight`, was read; the nearest above where it is absent. */
  locate(kind: string, namespace: string, name: string, field?: string): { file: string; line: number } | undefined;
  /** All that were read, in the order of reading. */
  readonly files: readonly string[];
}

export interface LoadOptions {
  /** From where `${NAME}` in a Secret's `stringData` is taken; nothing when absent. */
  readonly env?: NodeJS.ProcessEnv;
  /** What an earlier load with the same `env` has parsed: what has the same text is not parsed again. */
  readonly parsed?: ParsedFiles;
}

export type ParsedFiles = Map<string, ParsedFile>;

const MAX_FILES = 10_000;
/** Files open at the same time; between batches the event loop serves others. */
const BATCH = 16;

/** Throws ManifestError for what makes the set unusable. */
export async function loadManifests(paths: readonly string[], options: LoadOptions = {}): Promise<Loaded> {
  const sets: string[][] = [];
  for (const path of paths) sets.push(await listFiles(path));
  const files = sets.flat();
  refuseCount(files, paths);
  const parsed = options.parsed ?? new Map();
  const byId = new Map<string, ManifestObject>();
  for (const set of sets) {
    for (const [id, object] of await readSet(set, parsed, options.env ?? {})) byId.set(id, object);
  }
  const read = new Set(files);
  for (const file of parsed.keys()) if (!read.has(file)) parsed.delete(file);
  return loadedOf(byId, files);
}

function refuseCount(files: readonly string[], paths: readonly string[]): void {
  const [file] = paths;
  if (files.length === 0)
    throw new ManifestError({ file, message: "there is no *.yaml, *.yml or *.json in it; add one" });
  if (files.length <= MAX_FILES) return;
  throw new ManifestError({
    file,
    message: `there are ${files.length} files, and at most ${MAX_FILES} are read; join some`,
  });
}

/** The objects of one PATH by kind, namespace and name. */
async function readSet(files: readonly string[], parsed: ParsedFiles, env: NodeJS.ProcessEnv) {
  const byId = new Map<string, ManifestObject>();
  for (let i = 0; i < files.length; i += BATCH) {
    const batch = await Promise.all(files.slice(i, i + BATCH).map((file) => readObjects(file, parsed, env)));
    for (const object of batch.flat()) {
      const id = idOf(object.kind, object.namespace, object.name);
      const other = byId.get(id);
      if (other) throw twice(other, object);
      byId.set(id, object);
    }
  }
  return byId;
}

async function readObjects(file: string, parsed: ParsedFiles, env: NodeJS.ProcessEnv) {
  const text = await readText(file);
  const before = parsed.get(file);
  if (before?.text === text) return before.objects;
  const now = await parseFile(text, file, env, before);
  parsed.set(file, now);
  return now.objects;
}

function twice(first: ManifestObject, second: ManifestObject): ManifestError {
  const { kind, namespace, name, file } = second;
  const line = lineOf(second);
  const message = `${kind} ${namespace}/${name} is here and in ${first.file}:${lineOf(first)}; keep one of them, or give the other file as a later PATH`;
  return new ManifestError({ file, line, field: "metadata.name", message });
}

function lineOf(object: ManifestObject): number {
  return object.document.lineOf(["metadata", "name"]);
}

function loadedOf(byId: ReadonlyMap<string, ManifestObject>, files: readonly string[]): Loaded {
  const all = [...byId.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  return {
    objects: all.flatMap(({ content }) => ("object" in content ? [content.object] : [])),
    secrets: all.flatMap(({ content }) => ("secret" in content ? [content.secret] : [])),
    files,
    locate(kind, namespace, name, field) {
      const object = byId.get(idOf(kind, namespace, name));
      return object && { file: object.file, line: object.document.lineOf(field === undefined ? [] : stepsOf(field)) };
    },
  };
}

function idOf(kind: string, namespace: string, name: string): string {
  return `${kind} ${namespace}/${name}`;
}
