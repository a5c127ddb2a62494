/**
 * How is a trace of requests kept here? `node bench/traces/pack.ts FILE.csv` writes it packed: where it is from stands in
 * SOURCES.md.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const [file = ""] = process.argv.slice(2);
writeFileSync(new URL("azure-conversations-2023.csv.gz", import.meta.url), gzipSync(readFileSync(file), { level: 9 }));
