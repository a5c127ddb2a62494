/** Where is the server that counts clients' limits for all proxies? */
import type { GatewaySettings } from "../proxy/settings.ts";
import { Redacted } from "../routing/secrets.ts";
import { UsageError } from "./command.ts";

const VARIABLE = "TANDEM_SHARED_STATE_URL";
const ADDRESS = /^rediss?:\/\/[^/\s]+/;

/** Of the environment: an address has a password in it, so it stands in no file of settings. Throws UsageError. */
export function readSharedState(settings: GatewaySettings, env: NodeJS.ProcessEnv): { url: Redacted } | undefined {
  const url = env[VARIABLE];
  if (url === undefined || url === "") {
    if (settings.sharedState === undefined) return undefined;
    const { name, key } = settings.sharedState.urlSecretRef;
    throw new UsageError(`settings: sharedState: set ${VARIABLE} to the address in key ${key} of Secret ${name}`);
  }
  if (!ADDRESS.test(url) || !URL.canParse(url)) {
    throw new UsageError(
      `${VARIABLE} is not an address such as redis://redis:6379/0 or rediss://:PASSWORD@redis:6380/0`,
    );
  }
  return { url: new Redacted(url) };
}
