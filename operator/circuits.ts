/**
 * Which breakers opened and closed?
 *
 * The owner of a provider is told by an event, with the failures that led to it. Many proxies see the same outage, and a
 * provider that flaps changes every few seconds: the same change is told once in a while.
 */
import type { KubeObject } from "../kube/objects.ts";
import type { EventNote, Events } from "./events.ts";
import type { CircuitChange, ProxyState } from "./fleet.ts";

/** Milliseconds: the same change of the same breaker is told once in this time, whichever proxy saw it. */
const QUIET = 60_000;
/** What is older when it is first seen is history: another operator has told it. */
const NEWS = 60_000;
const MOST_REMEMBERED = 10_000;

export class CircuitChanges {
  readonly #told = new Map<string, number>();

  /** `now`: Unix milliseconds. */
  tell(proxies: readonly ProxyState[], providers: ReadonlyMap<string, KubeObject>, events: Events, now: number): void {
    for (const { pod, report } of proxies) {
      for (const change of report?.circuits ?? []) {
        const object = providers.get(change.provider);
        const at = Date.parse(change.at);
        if (object === undefined || !(now - at < NEWS)) continue;
        const kind = `${change.provider} ${change.model ?? ""} ${change.state}`;
        const last = this.#told.get(kind);
        if (last !== undefined && at - last < QUIET) continue;
        this.#told.delete(kind);
        this.#told.set(kind, at);
        events.tell(object, noteOf(change, pod));
      }
    }
    for (const kind of this.#told.keys()) {
      if (this.#told.size <= MOST_REMEMBERED) break;
      this.#told.delete(kind);
    }
  }
}

function noteOf({ model, state, detail, causes }: CircuitChange, pod: string): EventNote {
  const what = model ? `Model ${model}` : "The whole provider";
  if (state === "closed") {
    const note = `${what} is asked again (seen by ${pod}): ${detail}.`;
    return { type: "Normal", reason: "CircuitClosed", action: "Request", note };
  }
  const failures = causes.map((cause) => cause.detail + idsOf(cause));
  const why = failures.length > 0 ? `its last failures were ${failures.join("; ")}` : detail;
  const note = `${what} is left alone for a while (seen by ${pod}): ${why}.`;
  return { type: "Warning", reason: "CircuitOpened", action: "Request", note };
}

function idsOf({ requestId, providerRequestId }: CircuitChange["causes"][number]): string {
  if (requestId === undefined) return "";
  const own = providerRequestId === undefined ? "" : `, the provider's id ${providerRequestId}`;
  return ` (request ${requestId}${own})`;
}
