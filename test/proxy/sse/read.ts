/** What comes of a stream when it arrives in pieces of such sizes, again and again? */
import { EventReader, type ReaderOptions } from "../../../proxy/sse/reader.ts";

export function read(stream: string | Buffer, sizes: readonly number[], options: ReaderOptions = {}) {
  const reader = new EventReader(options);
  const bytes = Buffer.from(stream);
  const out: Buffer[] = [];
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] as number;
    out.push(...reader.feed(bytes.subarray(at, at + size)));
    at += size;
  }
  out.push(...reader.end());
  return { reader, passed: Buffer.concat(out).toString() };
}
