/**
 * Where does one YAML document end and the next begin?
 *
 * Known without parsing: `---` at the start of a line is a document marker even inside texts
 * (https://yaml.org/spec/1.2.2/#rule-c-forbidden). So of a long file only what was edited is parsed again.
 */

export interface Piece {
  /** A document, with the marker, comments and directives above it. */
  readonly text: string;
  /** Of the file, above the piece. */
  readonly linesBefore: number;
}

const MARKER = /(?:^|\n)(?=---(?:[ \t\r\n]|$))/g;
/** Comments and directives belong to the document that follows. */
const NOTHING_YET = /^(?:[ \t]*(?:#[^\n]*)?\r?\n|%[^\n]*\n)*$/;

export function splitDocuments(text: string): Piece[] {
  const starts = [...text.matchAll(MARKER)].map((match) => match.index + match[0].length);
  const pieces: Piece[] = [];
  let begin = 0;
  let linesBefore = 0;
  for (const end of [...starts, text.length]) {
    const piece = text.slice(begin, end);
    if (piece === "" || (end < text.length && NOTHING_YET.test(piece))) continue;
    pieces.push({ text: piece, linesBefore });
    linesBefore += piece.split("\n").length - 1;
    begin = end;
  }
  return pieces;
}
