/** What does the log say when Entra ID gave no token? */
import type { Logger } from "../telemetry/log.ts";
import type { FailedFetch } from "./authorizations.ts";

/** One line for each failed fetch. */
export function logFailedFetch(log: Logger, { providers, authority, error, validUntil }: FailedFetch): void {
  const { code, traceID: trace_id } = error;
  const fields = { provider: providers.join(", "), authority, code, trace_id };
  const what = `no access token: ${error.message}`;
  if (validUntil === undefined) log.error(fields, `${what}; the provider is passed over until there is one`);
  else log.warn(fields, `${what}; the last one serves until ${new Date(validUntil).toISOString()}`);
}
