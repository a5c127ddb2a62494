/**
 * Does every file import only what its place allows?
 *
 * The rules are the invariants of ARCHITECTURE.md: one direction between the parts, one owner for each dependency, a
 * routing/ without input, output, clock, randomness and environment.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";

const ROOT = resolve(import.meta.dirname, "..");
const PARTS = [
  "bench",
  "charts",
  "cli",
  "cluster",
  "console",
  "crds",
  "kube",
  "manifests",
  "operator",
  "prices",
  "proxy",
  "routing",
  "simulators",
];

interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Packages and `node:` modules by name, own files by their path from the root. */
  readonly imports: readonly string[];
}

const IMPORT =
  /(?:^|[^.\w])(?:import|export)\s+(?:type\s+)?(?:[\w*{}\s,$]+\s+from\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)|\brequire\(\s*["']([^"']+)["']\s*\)/g;

function importsOf(path: string, text: string): string[] {
  return [...text.matchAll(IMPORT)].map(([, a, b, c]) => {
    const specifier = a ?? b ?? c ?? "";
    return specifier.startsWith(".") ? relative(ROOT, resolve(dirname(join(ROOT, path)), specifier)) : specifier;
  });
}

function sourceFiles(part: string): SourceFile[] {
  let names: string[];
  try {
    names = readdirSync(join(ROOT, part), { recursive: true, encoding: "utf8" });
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .map((name) => {
      const path = `${part}/${name}`;
      const text = readFileSync(join(ROOT, path), "utf8");
      return { path, text, imports: importsOf(path, text) };
    });
}

const files = PARTS.flatMap(sourceFiles);

function isPackage(specifier: string, name: string): boolean {
  return specifier === name || specifier.startsWith(`${name}/`);
}

/** `path: import` for every import of these files that the rule forbids. */
function offences(inPart: (path: string) => boolean, forbidden: (specifier: string) => boolean): string[] {
  return files
    .filter((file) => inPart(file.path))
    .flatMap((file) => file.imports.filter(forbidden).map((specifier) => `${file.path}: ${specifier}`));
}

test("the scan sees the imports that it judges", () => {
  const routing = files.filter((file) => file.path.startsWith("routing/"));
  assert.ok(routing.length > 10, "routing/ has files");
  assert.deepEqual(importsOf("routing/x.ts", 'import { a,\n b } from "./compile/y.ts";\nimport z from "undici";'), [
    "routing/compile/y.ts",
    "undici",
  ]);
  assert.deepEqual(importsOf("routing/x.ts", 'const a = await import("node:fs"); export * from "../proxy/a.ts";'), [
    "node:fs",
    "proxy/a.ts",
  ]);
  assert.deepEqual(importsOf("routing/x.ts", 'import "express";\nimport type { A } from "zod";'), ["express", "zod"]);
});

test("routing/ imports only itself, node:crypto, zod and cel-js", () => {
  const allowed = ["node:crypto", "zod", "@marcbachmann/cel-js"];
  const found = offences(
    (path) => path.startsWith("routing/"),
    (s) => !s.startsWith("routing/") && !allowed.some((name) => isPackage(s, name)),
  );
  assert.deepEqual(found, []);
});

test("routing/ knows no clock, randomness, environment, timer or console", () => {
  const banned =
    /\b(?:Date\.now|new Date\(\)|Math\.random|randomUUID|randomBytes|randomInt|process\.|performance\.|setTimeout|setInterval|setImmediate|console\.|globalThis|fetch\()/;
  for (const file of files.filter(({ path }) => path.startsWith("routing/") && !path.endsWith(".generated.ts"))) {
    const code = file.text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
    assert.equal(banned.exec(code)?.[0], undefined, file.path);
  }
});

test("proxy/ and operator/ never import each other", () => {
  const proxy = offences(
    (path) => path.startsWith("proxy/"),
    (s) => s.startsWith("operator/"),
  );
  const operator = offences(
    (path) => path.startsWith("operator/"),
    (s) => s.startsWith("proxy/"),
  );
  assert.deepEqual([...proxy, ...operator], []);
});

test("kube/ knows no other part", () => {
  const found = offences(
    (path) => path.startsWith("kube/"),
    (s) => PARTS.some((part) => part !== "kube" && s.startsWith(`${part}/`)),
  );
  assert.deepEqual(found, []);
});

test("no part imports the commands", () => {
  const found = offences(
    (path) => !path.startsWith("cli/") && !path.startsWith("bench/"),
    (s) => s.startsWith("cli/"),
  );
  assert.deepEqual(found, []);
});

/** Who may know a dependency. Off the request path express serves simulators and benchmarks too. */
const OWNERS: readonly { readonly name: string; readonly owners: RegExp }[] = [
  { name: "undici", owners: /^(proxy\/upstream\/|kube\/client\.ts$|bench\/)/ },
  { name: "http-proxy-middleware", owners: /^(proxy\/passthrough\.ts$|bench\/)/ },
  { name: "ws", owners: /^(proxy\/realtime\/|simulators\/realtime\/)/ },
  { name: "express", owners: /^(proxy\/admin\.ts$|operator\/admin\.ts$|simulators\/|console\/|bench\/)/ },
  { name: "prom-client", owners: /^(proxy\/telemetry\/|operator\/metrics\.ts$)/ },
  { name: "@opentelemetry", owners: /^proxy\/telemetry\// },
  { name: "ioredis", owners: /^proxy\/limits\/shared-server\.ts$/ },
  { name: "jose", owners: /^proxy\/callers\/tokens\.ts$/ },
  { name: "maxmind", owners: /^proxy\/callers\/countries\.ts$/ },
  { name: "@azure", owners: /^proxy\/authorization\/entra\.ts$/ },
  { name: "@kubernetes/client-node", owners: /^kube\/access\.ts$/ },
  {
    name: "yaml",
    owners: /^(manifests\/|crds\/generate\.ts$|charts\/generate\.ts$|cluster\/envtest-archive\.ts$|cli\/)/,
  },
];

for (const { name, owners } of OWNERS) {
  test(`${name} is known in its own place only`, () => {
    assert.deepEqual(
      offences(
        (path) => !owners.test(path),
        (s) => isPackage(s, name),
      ),
      [],
    );
  });
}

test("a proxy imports only types from node:http", () => {
  const values = /^import (?!type\b)[^;]*from "node:http";/m;
  assert.match('import { type A, createServer } from "node:http";', values);
  assert.doesNotMatch('import type { A } from "node:http";', values);
  const found = files
    .filter(({ path, text }) => path.startsWith("proxy/") && values.test(text))
    .map(({ path }) => path);
  assert.deepEqual(found, [], "take it from proxy/node-http.ts, which says why");
});
