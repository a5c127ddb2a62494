/**
 * Which pages follow from the proxy's tables? `npm run generate` writes them.
 *
 * With `--check` nothing is written, and the exit code is 1 when a page is not what would be written.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { changedFieldsPage } from "./changed-fields-page.ts";
import { errorsPage } from "./errors-page.ts";
import { operationsPage } from "./operations-page.ts";

const pages = [
  { file: new URL("errors.md", import.meta.url), text: errorsPage() },
  { file: new URL("changed-fields.md", import.meta.url), text: changedFieldsPage() },
  { file: new URL("operations.md", import.meta.url), text: operationsPage() },
];

if (process.argv.includes("--check")) {
  const stale = pages.filter(({ file, text }) => read(file) !== text).map(({ file }) => file.pathname);
  if (stale.length > 0) {
    process.stderr.write(`${stale.join(", ")}: not up to date: run npm run generate\n`);
    process.exitCode = 1;
  }
} else {
  for (const { file, text } of pages) writeFileSync(file, text);
}

function read(file: URL): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
