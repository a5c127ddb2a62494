/**
 * Which pages follow from the proxy's tables? `npm run generate` writes them.
 *
 * With `--check` nothing is written, and the exit code is 1 when a page is not what would be written.
 */
import { changedFieldsPage } from "./changed-fields-page.ts";
import { errorsPage } from "./errors-page.ts";
import { operationsPage } from "./operations-page.ts";
import { writeGenerated } from "./write-generated.ts";

const pages = [
  { file: new URL("errors.md", import.meta.url), text: errorsPage() },
  { file: new URL("changed-fields.md", import.meta.url), text: changedFieldsPage() },
  { file: new URL("operations.md", import.meta.url), text: operationsPage() },
];

writeGenerated(pages);
