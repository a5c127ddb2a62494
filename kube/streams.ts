/** How do the bytes of an answer become its text, or the lines of a watch? */

const NEWLINE = 0x0a;

type Bytes = AsyncIterable<Buffer>;

export async function textOf(body: Bytes, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) throw new Error(`the answer is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size).toString("utf8");
}

/** Whole lines only: a stream that ends within one is broken. */
export async function* linesOf(body: Bytes, limit: number): AsyncGenerator<string> {
  let begun: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    let from = 0;
    for (let to = chunk.indexOf(NEWLINE); to !== -1; to = chunk.indexOf(NEWLINE, from)) {
      begun.push(chunk.subarray(from, to));
      yield Buffer.concat(begun).toString("utf8");
      begun = [];
      size = 0;
      from = to + 1;
    }
    if (from === chunk.length) continue;
    size += chunk.length - from;
    if (size > limit) throw new Error(`an event is larger than ${limit} bytes`);
    begun.push(chunk.subarray(from));
  }
  if (begun.length > 0) throw new Error("the stream ended in the middle of an event");
}
