/** How do the tests of a file share one API server and leave nothing behind? */

import { after, before } from "node:test";
import { findBinaries } from "../../cluster/binaries.ts";
import { CONTROL_PLANE } from "../../cluster/programs.ts";
import { type ApiServer, startApiServer } from "../control-plane/api-server.ts";
import { installCrds } from "../control-plane/tandem-api.ts";
import { provider, route, Stage } from "./harness.ts";
import { PlayedProxy } from "./played-proxy.ts";

const found = await findBinaries(CONTROL_PLANE);
/** For `describe`. */
export const skip = "missing" in found ? found.missing : false;

export interface Stages {
  readonly server: () => ApiServer;
  set(name: string, options?: { everywhere?: boolean }): Promise<Stage>;
}

/** To be called within `describe`. */
export function stages(): Stages {
  let server: ApiServer | undefined;
  const all: Stage[] = [];
  before(async () => {
    if ("missing" in found) return;
    server = await startApiServer(found.binaries);
    await installCrds(server);
  });
  after(async () => {
    await Promise.all(all.map((stage) => stage.end()));
    await server?.stop();
  });
  const started = () => {
    if (server === undefined) throw new Error("the API server has not been started");
    return server;
  };
  return {
    server: started,
    set: async (name, options) => {
      const stage = await Stage.set(started(), name, options);
      all.push(stage);
      return stage;
    },
  };
}

/** Two providers with their Secrets, and one route over both. */
export async function putQuickstart(stage: Stage): Promise<void> {
  await stage.putSecret("openai", { "api-key": "sk-the-first-key-of-openai" });
  await stage.putSecret("other", { "api-key": "sk-the-first-key-of-other" });
  await stage.put(provider("openai"));
  await stage.put(provider("other", { endpoint: "https://other.example.com/v1" }));
  await stage.put(route("gpt-4o", { openai: 90, other: 10 }));
}

/** `count` proxies that serve and follow. */
export function playProxies(stage: Stage, count: number): Promise<PlayedProxy[]> {
  return Promise.all(Array.from({ length: count }, (_, n) => PlayedProxy.start(stage, n)));
}
