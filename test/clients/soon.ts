/** When does something come about that takes a moment? */
import assert from "node:assert/strict";

const PATIENCE_MS = 10_000;

export async function soon(isSo: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!isSo()) {
    assert.ok(performance.now() < deadline, `it did not come about that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
