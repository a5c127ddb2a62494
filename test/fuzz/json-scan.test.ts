/** The scan of events accepts what JSON.parse accepts, and refuses what it refuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { JsonScan } from "../../proxy/sse/json-scan.ts";
import { parsed, spoiled, valueText } from "./json-text.ts";
import { fuzz } from "./run.ts";

for (const profile of ["chat", "typed"] as const) {
  test(`values, whole and spoiled: ${profile}`, (t) => {
    const scan = new JsonScan(profile);
    fuzz(t, 500_000, (random) => {
      const written = valueText(random);
      const text = random.once(3) ? written : spoiled(written, random);
      const bytes = Buffer.from(`${text}\n`);
      const end = scan.end(bytes, 0);
      const accepted = end > 0 && bytes.toString("latin1", end).trim() === "";
      if (accepted !== (parsed(text) !== undefined)) assert.fail(`${accepted ? "accepted" : "refused"}: ${text}`);
    });
  });
}
