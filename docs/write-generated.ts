/** How does a generator write its files, or with `--check` say which are not what it would write? */
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";

export interface GeneratedFile {
  readonly file: URL;
  readonly text: string;
}

/** With `--check` nothing is written, and the exit code is 1 when a file is not what would be written, or one of `extra`. */
export function writeGenerated(files: readonly GeneratedFile[], extra: readonly string[] = []): void {
  if (!process.argv.includes("--check")) {
    for (const { file, text } of files) writeFileSync(file, text);
    return;
  }
  const stale = files.filter(({ file, text }) => read(file) !== text).map(({ file }) => basename(file.pathname));
  if (stale.length + extra.length === 0) return;
  process.stderr.write(`${[...stale, ...extra].join(", ")}: not up to date: run npm run generate\n`);
  process.exitCode = 1;
}

function read(file: URL): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
