/** What does an active check of a provider send, and why can it not be made? */
import type { Provider } from "../routing/table.ts";
import type { Authorization } from "./authorization/authorization.ts";
import { dialectOf } from "./dialects/dialects.ts";
import type { NoProbe, ProbeRequest } from "./upstream/health.ts";

/** At start a token may be on its way. */
export async function probeOf(provider: Provider, authorization: Authorization): Promise<ProbeRequest | NoProbe> {
  const { pending } = authorization;
  if (pending) await pending;
  const { header, missing, problem } = authorization;
  if (!header) {
    return missing === "token_unavailable"
      ? { reason: "TokenUnavailable", detail: problem }
      : { reason: "CredentialMissing", detail: problem };
  }
  const path = dialectOf(provider).apiPath(provider, provider.health?.path ?? "");
  return { path, headers: { [header[0]]: header[1] } };
}
