/** Under which path of the API does an object of the chart stand? */
import assert from "node:assert/strict";
import type { ApiAnswer, ApiServer } from "../control-plane/api-server.ts";
import type { KubeObject } from "./rendered.ts";

const CLUSTER_WIDE = ["Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"];

export function pathOf(apiVersion: string, kind: string, namespace?: string, name?: string): string {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = CLUSTER_WIDE.includes(kind) ? "" : `/namespaces/${namespace}`;
  const lower = kind.toLowerCase();
  const plural = lower.endsWith("y") ? `${lower.slice(0, -1)}ies` : `${lower}s`;
  return `${root}${scope}/${plural}${name === undefined ? "" : `/${name}`}`;
}

/** As `kubectl apply --server-side` does. */
export function apply(server: ApiServer, object: KubeObject, { dryRun = false } = {}): Promise<ApiAnswer> {
  const { apiVersion, kind, metadata } = object;
  const path = pathOf(apiVersion, kind, metadata.namespace, metadata.name);
  const query = `fieldManager=test&force=true&fieldValidation=Strict${dryRun ? "&dryRun=All" : ""}`;
  return server.call("PATCH", `${path}?${query}`, object, { contentType: "application/apply-patch+yaml" });
}

export async function createNamespace(
  server: ApiServer,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
  const { status, body } = await server.call("POST", "/api/v1/namespaces", namespace);
  assert.equal(status, 201, JSON.stringify(body));
}
