/** A folder for one test, gone when the test has ended. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

export interface Scratch {
  readonly folder: string;
  path(name: string): string;
  /** Makes the folders above it too, and returns the path. */
  write(name: string, text: string | Uint8Array): Promise<string>;
}

export async function scratchFolder(t: TestContext): Promise<Scratch> {
  const folder = await mkdtemp(join(tmpdir(), "tandem-manifests-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = (name: string) => join(folder, name);
  return {
    folder,
    path,
    async write(name, text) {
      await mkdir(dirname(path(name)), { recursive: true });
      await writeFile(path(name), text);
      return path(name);
    },
  };
}

export function provider(name: string, fields = ""): string {
  return `apiVersion: tandem.dev/v1alpha1
kind: AIProvider
metadata: {name: ${name}, namespace: ai}
spec:
  type: OpenAI
  auth: {apiKey: {secretRef: {name: openai, key: api-key}}}
${fields}`;
}

export function route(name: string, backends: string): string {
  return `apiVersion: tandem.dev/v1alpha1
kind: AIRoute
metadata: {name: ${name}, namespace: ai}
spec:
  models: [${name}]
  backends:
${backends}
`;
}

export function secret(value: string, name = "openai"): string {
  return `apiVersion: v1
kind: Secret
metadata: {name: ${name}, namespace: ai}
stringData: {api-key: "${value}"}
`;
}
