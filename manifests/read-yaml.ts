/**
 * What does a YAML or JSON text hold, and on which line is each field?
 *
 * Read as YAML 1.2 with merge keys. What kubectl, which reads YAML 1.1, would understand differently is refused: the
 * same file has to mean the same on a laptop and in a cluster.
 */
import {
  type Document,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  Scalar,
  stringify,
  visit,
} from "yaml";
import { fieldOf, type Step } from "./field-path.ts";
import { ManifestError } from "./manifest-error.ts";
import { readText } from "./read-files.ts";
import { YAML_SENTENCES } from "./yaml-sentences.ts";

/** Aliases make a small file large; kubectl and the API server bound them too. Per document. */
const MAX_ALIASES = 100;

const SCALARS: readonly { readonly pattern: RegExp; readonly message: string }[] = [
  {
    // Just these spellings: https://github.com/go-yaml/yaml/blob/v2/resolve.go
    pattern: /^(?:y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF)$/,
    message: "kubectl reads y, n, yes, no, on and off as booleans; put the text in quotes, or write true or false",
  },
  {
    // https://pkg.go.dev/strconv#ParseInt with base 0, after the underscores are taken out.
    pattern: /^[-+]?(?:0[0-7]+|0b[01_]+|\d[\d_]*_[\d_.]*)$/,
    message:
      "kubectl reads a leading 0 as octal, 0b as binary, and _ as nothing; write the number in decimal, or put the text in quotes",
  },
  {
    pattern: /^[-+]?\.(?:nan|inf)$/i,
    message: "JSON has no such number; write another, or put the text in quotes",
  },
];

export interface YamlDocument {
  /** Plain JSON; null for a document of comments only. */
  readonly value: unknown;
  /** The line of the field, or of what is nearest above it. From 1. */
  lineOf(steps: readonly Step[]): number;
}

type Doc = Document.Parsed;

interface Place {
  readonly file: string;
  lineAt(offset: number): number;
}

/** Throws ManifestError. `linesBefore`: of the file, above this text. */
export function parseYaml(text: string, file: string, linesBefore = 0): YamlDocument[] {
  const lines = new LineCounter();
  // Without a line break in the text the counter knows of no line: it is the first.
  const place: Place = { file, lineAt: (offset) => Math.max(1, lines.linePos(offset).line) + linesBefore };
  return parse(text, file, lines).map((doc) => {
    refuseErrors(doc, place);
    refuseDirective(doc, place);
    refuseAmbiguity(doc, place);
    return { value: plainValue(doc, place), lineOf: (steps) => lineOf(doc, steps, place) };
  });
}

/** The one document of a file. Throws ManifestError. */
export async function readYaml(file: string): Promise<unknown> {
  const [first, second] = parseYaml(await readText(file), file);
  if (second) throw new ManifestError({ file, line: second.lineOf([]), message: YAML_SENTENCES.MULTIPLE_DOCS });
  return first?.value ?? null;
}

/** Texts that YAML 1.1 would read as something else are quoted. Long lines stay whole, so that they can be searched for. */
export function toYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, compat: "yaml-1.1" });
}

function parse(text: string, file: string, lines: LineCounter): Doc[] {
  try {
    const docs = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, merge: true, stringKeys: true });
    return "empty" in docs ? [] : (docs as Doc[]);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new ManifestError({ file, message: YAML_SENTENCES.RESOURCE_EXHAUSTION }, { cause });
  }
}

function refuseErrors(doc: Doc, { file, lineAt }: Place): void {
  const error = doc.errors[0] ?? doc.warnings[0];
  if (!error) return;
  const [offset] = error.pos;
  const message = YAML_SENTENCES[error.code];
  throw new ManifestError({ file, line: lineAt(offset), field: fieldBefore(doc, offset), message });
}

/** With `%YAML 1.1` the parser would follow other rules than for the rest. */
function refuseDirective(doc: Doc, { file, lineAt }: Place): void {
  if (!doc.directives?.yaml.explicit || doc.directives.yaml.version === "1.2") return;
  throw new ManifestError({ file, line: lineAt(doc.range[0]), message: YAML_SENTENCES.BAD_DIRECTIVE });
}

function refuseAmbiguity(doc: Doc, { file, lineAt }: Place): void {
  let aliases = 0;
  visit(doc, {
    Alias(_, { range }) {
      aliases += 1;
      if (aliases <= MAX_ALIASES) return;
      const message = `more than ${MAX_ALIASES} aliases in one document; write the values out`;
      throw new ManifestError({ file, line: lineAt(range?.[0] ?? 0), message });
    },
    Scalar(_, node, ancestors) {
      if (node.type !== Scalar.PLAIN || node.tag !== undefined) return;
      const found = SCALARS.find(({ pattern }) => pattern.test(node.source ?? ""));
      if (!found) return;
      const field = fieldOf(stepsTo([...ancestors, node])) || undefined;
      throw new ManifestError({ file, line: lineAt(node.range?.[0] ?? 0), field, message: found.message });
    },
  });
}

function plainValue(doc: Doc, { file, lineAt }: Place): unknown {
  try {
    const value: unknown = doc.toJS({ maxAliasCount: MAX_ALIASES });
    // An alias inside its own anchor makes a ring, which is no JSON.
    JSON.stringify(value);
    return value;
  } catch (cause) {
    const message =
      "an alias or merge key here names no anchor, names itself, or makes too much of it; write the values out";
    throw new ManifestError({ file, line: lineAt(doc.range[0]), message }, { cause });
  }
}

/** The last field that begins before the offset. Not in a Secret: there, what is torn may be a value. */
function fieldBefore(doc: Doc, offset: number): string | undefined {
  if (!isMap(doc.contents) || !/^AI\w+$/.test(String(doc.contents.get("kind")))) return undefined;
  let found: readonly unknown[] = [];
  visit(doc, {
    Pair(_, pair, ancestors) {
      const start = isScalar(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      if (start < offset) found = [...ancestors, pair];
    },
  });
  return fieldOf(stepsTo(found)) || undefined;
}

function stepsTo(nodes: readonly unknown[]): Step[] {
  return nodes.flatMap((node, i): Step[] => {
    if (isPair(node)) return [isScalar(node.key) ? String(node.key.value) : ""];
    return isSeq(node) && i + 1 < nodes.length ? [node.items.indexOf(nodes[i + 1])] : [];
  });
}

function lineOf(doc: Doc, steps: readonly Step[], { lineAt }: Place): number {
  let offset = doc.contents?.range[0] ?? doc.range[0];
  let node: unknown = doc.contents;
  for (const step of steps) {
    const next = itemAt(node, step);
    if (!next) break;
    offset = next.offset ?? offset;
    node = next.node;
  }
  return lineAt(offset);
}

function itemAt(node: unknown, step: Step): { node: unknown; offset: number | undefined } | undefined {
  if (isSeq(node)) {
    const item =
      typeof step === "number" ? node.items[step] : node.items.find((one) => isMap(one) && one.get("name") === step);
    return item === undefined ? undefined : { node: item, offset: (item as { range?: readonly number[] }).range?.[0] };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  return pair && { node: pair.value, offset: (pair.key as Scalar).range?.[0] };
}
