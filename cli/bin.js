#!/usr/bin/env node
/**
 * How does `tandem` start fast? Plain JavaScript: with the cache on before the first TypeScript file is read, Node need
 * not load its type stripper at all, which would cost 20 MB and as many milliseconds at every start.
 */
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// In a place that only this user writes to; it never fails. NODE_COMPILE_CACHE names another, NODE_DISABLE_COMPILE_CACHE=1 none.
enableCompileCache(join(homedir(), ".cache", "tandem"));
await import("./tandem.ts");
