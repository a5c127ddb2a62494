/** What does somebody say who hands out budgets? (`POST /status/usage`) */
import { z } from "zod";

const text = z.string().max(4096);
const count = z.number().min(0).max(Number.MAX_SAFE_INTEGER);

export const questionSchema = z.strictObject({
  /** Of the proxy that is meant; another takes none of it. */
  instance: text,
  /** Higher than of any question before. */
  sequence: count,
  /** What has changed after this version is asked for. */
  since: count,
  grants: z.array(z.strictObject({ client: text, month: text, upTo: count, isLast: z.boolean() })).max(10_000),
});

export type Question = z.infer<typeof questionSchema>;
