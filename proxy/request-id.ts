/** Under which id is a request found everywhere? `req_` and 32 random hex digits, as OpenAI's look. */
import { randomFillSync } from "node:crypto";

const ID_BYTES = 16;
/** Random bytes are drawn for so many ids at once: one draw costs as much as a hundred ids. */
const IDS_PER_DRAW = 256;

const pool = Buffer.allocUnsafe(ID_BYTES * IDS_PER_DRAW);
let next = pool.length;

export function newRequestID(): string {
  if (next === pool.length) {
    randomFillSync(pool);
    next = 0;
  }
  next += ID_BYTES;
  return `req_${pool.toString("hex", next - ID_BYTES, next)}`;
}
