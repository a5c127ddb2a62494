/**
 * Which providers refuse the gateway's configuration?
 *
 * A refused key, an unknown deployment, an account without money: another provider may answer, and somebody must mend it.
 * The owner is told by an event, not more often than is useful.
 */
import type { KubeObject } from "../kube/objects.ts";
import type { Events } from "./events.ts";
import type { Fault, ProxyState } from "./fleet.ts";

/** Milliseconds: the same fault is told once in this time. */
const QUIET = 600_000;
const MOST_REMEMBERED = 10_000;

const REASONS: Readonly<Record<number, string>> = {
  401: "CredentialsRefused",
  403: "AccessDenied",
  404: "ModelNotFound",
  429: "QuotaExhausted",
};

export class ConfigurationFaults {
  readonly #told = new Map<string, number>();

  /** `now` on a monotonic clock, milliseconds. */
  tell(proxies: readonly ProxyState[], providers: ReadonlyMap<string, KubeObject>, events: Events, now: number): void {
    for (const { pod, report } of proxies) {
      for (const fault of report?.faults ?? []) {
        const object = providers.get(fault.provider);
        const id = `${fault.provider} ${fault.model} ${fault.status} ${fault.at}`;
        const kind = `${fault.provider} ${fault.model} ${fault.status}`;
        if (object === undefined || this.#told.has(id)) continue;
        this.#told.set(id, now);
        const last = this.#told.get(kind);
        if (last !== undefined && now - last < QUIET) continue;
        this.#told.set(kind, now);
        events.tell(object, {
          type: "Warning",
          reason: REASONS[fault.status] ?? "Refused",
          action: "Request",
          note: noteOf(fault, pod),
        });
      }
    }
    for (const id of this.#told.keys()) {
      if (this.#told.size <= MOST_REMEMBERED) break;
      this.#told.delete(id);
    }
  }
}

function noteOf({ model, status, code, requestID }: Fault, pod: string): string {
  const what = code ? `${status} ${code}` : String(status);
  const id = requestID ? `, the provider's request id ${requestID}` : "";
  return `The provider answered ${what} for model ${model} (seen by ${pod}${id}): ${adviceFor(status)}.`;
}

function adviceFor(status: number): string {
  return status === 429 ? "its account has no money left" : "check its Secret, its deployments and its rights";
}
