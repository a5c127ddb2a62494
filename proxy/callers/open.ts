/** How are the settings for callers made ready? What is not asked for is not loaded. */
import type { CallerSettings } from "../settings.ts";
import { Callers } from "./callers.ts";

/** Rejects with an Error that names the setting. */
export async function openCallers(
  settings: CallerSettings | undefined,
  onProblem: (message: string) => void,
): Promise<{ readonly callers: Callers | undefined; close(): void }> {
  if (!settings) return { callers: undefined, close: () => undefined };
  const { jwt, maxmindPath } = settings;
  const tokens = jwt && new (await import("./tokens.ts")).Tokens(jwt);
  const countries =
    maxmindPath === undefined
      ? undefined
      : await (await import("./countries.ts")).openCountries(maxmindPath, onProblem);
  return { callers: new Callers(settings, tokens, countries), close: () => countries?.close() };
}
