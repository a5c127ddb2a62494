/** Where does this room keep what does not belong into the repository? */

import { homedir } from "node:os";
import { join } from "node:path";

/** Programs that took minutes to build. May be removed at any time, and is filled again. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "tandem");
}

/** A cluster that runs: its keys, its store, its logs. That of the tests is another one. */
export function stateFolder(name: "cluster" | "cluster-of-tests"): string {
  return join(process.env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "tandem", name);
}
