/** What do the tests of kube/ share: an API server behind a network that breaks, and waiting with an end. */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type KubeClient, loadClient } from "../../kube/client.ts";
import type { Log } from "../../kube/log.ts";
import { type ApiServer, startApiServer } from "../control-plane/api-server.ts";
import { type FaultyApi, startFaultyApi } from "./faulty-api.ts";

const POLL_MS = 10;

export interface Rig {
  readonly server: ApiServer;
  readonly folder: string;
  /** A new network with a client behind it; both end with the rig. */
  network(token?: string): Promise<{ api: FaultyApi; client: KubeClient }>;
  /** A namespace of its own for each test. */
  namespace(): Promise<string>;
  configMap(method: "POST" | "PUT" | "DELETE", namespace: string, name: string, value?: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startRig(binaries: Parameters<typeof startApiServer>[0]): Promise<Rig> {
  const server = await startApiServer(binaries);
  const folder = await mkdtemp(join(tmpdir(), "tandem-kube-"));
  const ends: (() => Promise<void>)[] = [];
  let count = 0;
  return {
    server,
    folder,
    network: async (token) => {
      const api = await startFaultyApi(server);
      const file = join(folder, `kubeconfig-${++count}`);
      await writeFile(file, api.kubeconfig(token));
      const client = loadClient({ kubeconfig: file });
      ends.push(async () => {
        await client.close();
        await api.stop();
      });
      return { api, client };
    },
    namespace: async () => {
      const name = `test-${++count}`;
      const { status } = await server.call("POST", "/api/v1/namespaces", { metadata: { name } });
      assert.equal(status, 201);
      return name;
    },
    configMap: async (method, namespace, name, value = "") => {
      const path = `/api/v1/namespaces/${namespace}/configmaps${method === "POST" ? "" : `/${name}`}`;
      const body = method === "DELETE" ? undefined : { metadata: { name }, data: { value } };
      const answer = await server.call(method, path, body);
      assert.ok(answer.status < 300, JSON.stringify(answer.body));
    },
    stop: async () => {
      await Promise.all(ends.map((end) => end()));
      await rm(folder, { recursive: true, force: true });
      await server.stop();
    },
  };
}

/** Waits until it holds and answers how long that took; fails with the sentence. */
export async function until(what: string, timeoutMs: number, holds: () => boolean): Promise<number> {
  const begun = performance.now();
  while (!holds()) {
    if (performance.now() - begun > timeoutMs) assert.fail(`not within ${timeoutMs} ms: ${what}`);
    await sleep(POLL_MS);
  }
  return performance.now() - begun;
}

/** Keeps what was logged. */
export function testLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (fields: object, message: string) => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { lines, info: keep, warn: keep, error: keep };
}
