/** How are the settings for callers made ready? What is not asked for is not loaded. */
import type { CallerSettings } from "../settings.ts";
import type { ConnectionsOptions } from "../upstream/connections.ts";
import { Callers } from "./callers.ts";
import { keysLine } from "./keys-line.ts";

/** Rejects with an Error that names the setting. */
export async function openCallers(
  settings: CallerSettings | undefined,
  ways: Pick<ConnectionsOptions, "egress" | "connectTo" | "env">,
  onProblem: (message: string) => void,
): Promise<{ readonly callers: Callers | undefined; close(): void }> {
  if (!settings) return { callers: undefined, close: () => undefined };
  const { jwt, maxmindPath } = settings;
  const line = jwt && keysLine(jwt.jwksURL, ways);
  const tokens = jwt && line && new (await import("./tokens.ts")).Tokens(jwt, line);
  const countries =
    maxmindPath === undefined
      ? undefined
      : await (await import("./countries.ts")).openCountries(maxmindPath, onProblem);
  const close = () => {
    countries?.close();
    line?.close();
  };
  return { callers: new Callers(settings, tokens, countries), close };
}
