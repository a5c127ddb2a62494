/** How much of a request's body is text, and not a picture or a sound in base64? */

const BASE64 = ";base64,";
const QUOTE = 0x22;

export function textBytes(chunks: readonly Buffer[]): number {
  let bytes = 0;
  let inBase64 = false;
  for (const chunk of chunks) {
    let at = 0;
    while (at < chunk.length) {
      const next = inBase64 ? chunk.indexOf(QUOTE, at) : chunk.indexOf(BASE64, at);
      const end = next === -1 ? chunk.length : next + (inBase64 ? 1 : BASE64.length);
      if (!inBase64) bytes += end - at;
      if (next !== -1) inBase64 = !inBase64;
      at = end;
    }
  }
  return bytes;
}
