/**
 * What do the bytes of a JSON text say, without parsing it?
 *
 * The codes of single bytes are not here: a file that loops over bytes names those it looks for itself. V8 puts a file's
 * own constant into the comparison; an imported one is loaded and checked again at each byte.
 */

/** Between the tokens of JSON. */
export function isSpace(code: number): boolean {
  return code <= 0x20 && (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09);
}

/** Compared in place: a string made for each key would cost more than the scan. */
export function stands(data: Buffer, at: number, word: Buffer): boolean {
  for (let i = 0; i < word.length; i++) if (data[at + i] !== word[i]) return false;
  return true;
}
