/**
 * How does a command change one field of an object in somebody's file?
 *
 * Only where it stands: comments and the other documents of the file stay as they are.
 */
import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { isMap, parseDocument } from "yaml";
import { splitDocuments } from "./split-documents.ts";

export interface Edited {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Whether the object was found. A file that is there is whole. */
export async function editObject(
  file: string,
  { kind, namespace, name }: Edited,
  path: readonly string[],
  value: string,
): Promise<boolean> {
  const text = await readFile(file, "utf8");
  let found = false;
  const pieces = splitDocuments(text).map((piece) => {
    const document = parseDocument(piece.text);
    if (found || !isMap(document.contents)) return piece.text;
    const metadata = document.toJS() as { kind?: unknown; metadata?: { namespace?: unknown; name?: unknown } };
    const isIt =
      metadata.kind === kind &&
      metadata.metadata?.name === name &&
      (metadata.metadata.namespace ?? "default") === namespace;
    if (!isIt) return piece.text;
    found = true;
    document.setIn(path, value);
    const edited = document.toString({ lineWidth: 0, flowCollectionPadding: false });
    // A marker that began the piece is not part of what is written.
    return /^---/m.test(piece.text) && !/^---/m.test(edited) ? `---\n${edited}` : edited;
  });
  if (!found) return false;
  const draft = `${file}.${process.pid}.tandem`;
  await writeFile(draft, pieces.join(""), { mode: (await stat(file)).mode });
  await rename(draft, file);
  return true;
}
