/** What does a part of a path mean? The part itself when it is not well encoded: then it names nothing that is known. */
export function decodedPart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
