/**
 * How is Tandem started for a measurement? The real command on real manifests, with everything on that a default install has:
 * key check, routing with a fallback provider, circuit breaker, health checks, metrics, access log to a file.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Launch, Place } from "../targets.ts";
import { MODEL } from "../traffic.ts";

export const CLIENT_KEY = "tdm-bench-key-of-no-value-at-all";

const HERE = fileURLToPath(new URL("../..", import.meta.url));

/** The Tandem of a checkout: this one, when none is named. */
export function tandem(place: Place, checkout = HERE): Launch {
  const manifests = join(place.folder, "manifests.yaml");
  writeFileSync(manifests, MANIFESTS);
  const upstream = `http://127.0.0.1:${place.upstreamPort}`;
  const profile = place.profile ? ["--cpu-prof", `--cpu-prof-dir=${place.folder}`, "--cpu-prof-interval=200"] : [];
  const run = [
    ...["run", "--manifests", manifests, "--state", join(place.folder, "state")],
    ...["--listen", `127.0.0.1:${place.port}`, "--admin", `127.0.0.1:${place.adminPort}`],
    ...["--dev", "--connect-to", `api.openai.com=${upstream}`, "--connect-to", `bench.openai.azure.com=${upstream}`],
  ];
  const cli = join(checkout, "cli", "bin.js");
  return { argv: [process.execPath, ...profile, cli, ...run], output: join(place.folder, "access.log") };
}

const MANIFESTS = `
apiVersion: v1
kind: Secret
metadata: {name: openai, namespace: bench}
stringData: {api-key: sk-bench-key-of-no-value}
---
apiVersion: v1
kind: Secret
metadata: {name: azure, namespace: bench}
stringData: {api-key: bench-azure-key-of-no-value}
---
apiVersion: v1
kind: Secret
metadata: {name: client, namespace: bench}
stringData: {key: ${CLIENT_KEY}}
---
apiVersion: tandem.dev/v1alpha1
kind: AIProvider
metadata: {name: openai, namespace: bench}
spec:
  type: OpenAI
  auth:
    apiKey: {secretRef: {name: openai, key: api-key}}
  models:
  - name: ${MODEL}
  health: {path: /models, interval: 10s, timeout: 5s, failureThreshold: 3}
  circuitBreaker: {failureThreshold: 5, recoveryTimeout: 60s}
---
apiVersion: tandem.dev/v1alpha1
kind: AIProvider
metadata: {name: azure, namespace: bench}
spec:
  type: AzureOpenAI
  endpoint: https://bench.openai.azure.com
  region: swedencentral
  auth:
    apiKey: {secretRef: {name: azure, key: api-key}}
  models:
  - name: ${MODEL}
    deployment: bench
    deploymentType: DataZoneStandard
---
apiVersion: tandem.dev/v1alpha1
kind: AIRoute
metadata: {name: chat, namespace: bench}
spec:
  models: [${MODEL}]
  backends:
  - {name: openai, providerRef: {name: openai}, priority: 1}
  - {name: azure, providerRef: {name: azure}, priority: 2}
  failover: {retrySameProvider: 1, fallbackToNext: true}
---
apiVersion: tandem.dev/v1alpha1
kind: AIClient
metadata: {name: bench, namespace: bench}
spec:
  keys:
  - {name: current, secretRef: {name: client, key: key}}
`;
