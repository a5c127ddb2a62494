/** A gateway in a process of its own, to be killed: `dying-proxy.ts PROVIDER REDIS LEASE`, which tells its address. */
import { setTimeout as sleep } from "node:timers/promises";
import { Redacted } from "../../routing/secrets.ts";
import { objects, startHarness } from "./harness.ts";

const [provider = "", redis = "", lease = ""] = process.argv.slice(2);
const harness = await startHarness({
  openai: provider,
  azure: provider,
  objects: objects({ client: { limits: { maxConcurrent: 2 } } }),
  sharedState: { url: new Redacted(redis), lease: Number(lease) },
});
while (!((await harness.status()).sharedState as { exact: boolean }).exact) await sleep(20);
process.send?.(harness.url);
