/** How do tests talk to an API server about Tandem's objects? */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import type { ApiAnswer, ApiServer } from "./api-server.ts";
import type { TestObject } from "./objects.ts";

export const PLURALS: Readonly<Record<string, string>> = {
  AIProvider: "aiproviders",
  AIRoute: "airoutes",
  AIClient: "aiclients",
};

const CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const ESTABLISHED_TIMEOUT_MS = 10_000;

/** Where a namespace's objects of a kind are. */
export function pathOf(kind: string, namespace: string, name?: string): string {
  const path = `/apis/tandem.dev/v1alpha1/namespaces/${namespace}/${PLURALS[kind]}`;
  return name === undefined ? path : `${path}/${name}`;
}

/** Creates the CRDs of this checkout and waits until they are Established. */
export async function installCrds(server: ApiServer): Promise<void> {
  for (const name of Object.values(PLURALS)) {
    const crd = parse(readFileSync(new URL(`../../crds/${name}.yaml`, import.meta.url), "utf8"));
    const answer = await server.call("POST", CRD_PATH, crd);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
  }
  await Promise.all(Object.values(PLURALS).map((name) => waitUntilEstablished(server, name)));
}

async function waitUntilEstablished(server: ApiServer, plural: string): Promise<void> {
  const deadline = Date.now() + ESTABLISHED_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const { body } = await server.call("GET", `${CRD_PATH}/${plural}.tandem.dev`);
    const { status } = body as { status?: { conditions?: { type: string; status: string }[] } };
    const isEstablished = status?.conditions?.some((one) => one.type === "Established" && one.status === "True");
    if (isEstablished && (await server.call("GET", `/apis/tandem.dev/v1alpha1/${plural}`)).status === 200) return;
    await sleep(50);
  }
  assert.fail(`${plural} did not become Established`);
}

/** As `kubectl apply --server-side` does, with the text as it stands where one is given. */
export function applyText(
  server: ApiServer,
  object: TestObject,
  text: string = JSON.stringify(object),
): Promise<ApiAnswer> {
  const path = pathOf(object.kind, String(object.metadata.namespace), String(object.metadata.name));
  const query = "fieldManager=test&force=true&fieldValidation=Strict";
  return server.call("PATCH", `${path}?${query}`, text, { contentType: "application/apply-patch+yaml" });
}

/** As `kubectl create --dry-run=server` does. */
export function tryToCreate(server: ApiServer, object: TestObject): Promise<ApiAnswer> {
  return server.call("POST", `${pathOf(object.kind, "ai")}?dryRun=All&fieldValidation=Strict`, object);
}

export interface Status {
  readonly code?: number;
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly field: string; readonly message: string }[] };
}

/** What the API server says, without its remarks on itself; `isCutShort` when it stopped before it had judged all. */
export function sentencesOf(status: Status): { sentences: string[]; isCutShort: boolean } {
  if (status.code === 400) {
    const fields = status.message?.matchAll(/unknown field "[^"]*"/g) ?? [];
    return { sentences: Array.from(fields, ([sentence]) => sentence), isCutShort: true };
  }
  const all = (status.details?.causes ?? []).map(({ field, message }) => `${field}: ${message}`);
  // The second sentence repeats the first about a fraction where an integer is due.
  const remarks = /some validation rules were not checked|Checked value must be of type/;
  const sentences = all.filter((sentence) => !remarks.test(sentence));
  return { sentences, isCutShort: all.some((sentence) => sentence.includes("some validation rules were not checked")) };
}

/** What `kubectl get` prints. */
export async function table(server: ApiServer, plural: string): Promise<{ columns: string[]; rows: unknown[][] }> {
  const accept = "application/json;as=Table;g=meta.k8s.io;v=v1";
  const { body } = await server.call("GET", `/apis/tandem.dev/v1alpha1/namespaces/ai/${plural}`, undefined, { accept });
  const { columnDefinitions, rows } = body as { columnDefinitions: { name: string }[]; rows: { cells: unknown[] }[] };
  return { columns: columnDefinitions.map(({ name }) => name), rows: rows.map(({ cells }) => cells) };
}
