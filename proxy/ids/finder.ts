/**
 * Which provider has the thing of this id?
 *
 * Asked one after the other with a GET that costs nothing, since nothing but the provider knows. What was found is
 * remembered for a while: a thing does not move.
 */
import type { Provider } from "../../routing/table.ts";
import { operationNamed } from "../dialects/operations.ts";
import { pathAt, type Target } from "../snapshot.ts";
import type { DispatchHandler } from "../upstream/connections.ts";
import { homeOf } from "./affinity.ts";

/** What an id's beginning says of its kind (OpenAI's and Azure's ids), and where such a thing is got. */
const KINDS: readonly (readonly [prefix: string, operation: string])[] = [
  ["resp_", "responses/{response_id}"],
  ["file-", "files/{file_id}"],
  ["assistant-", "files/{file_id}"],
  ["batch_", "batches/{batch_id}"],
  ["vs_", "vector_stores/{vector_store_id}"],
  ["conv_", "conversations/{conversation_id}"],
  ["cntr_", "containers/{container_id}"],
  ["ftjob-", "fine_tuning/jobs/{fine_tuning_job_id}"],
  ["eval_", "evals/{eval_id}"],
  ["chatcmpl-", "chat/completions/{completion_id}"],
];

/** What a chat said aloud: no call shows it. */
const SPOKEN = "audio_";

/** Milliseconds for one provider's answer. */
const PATIENCE = 10_000;
/** Ids remembered. */
const KEPT = 4096;

/** No provider can be asked whether it has the thing of this id. */
export function cannotBeFound(id: string): boolean {
  return id.startsWith(SPOKEN);
}

export class Finder {
  /** By id: the provider's home. */
  readonly #known = new Map<string, string>();

  /** The first of the targets' providers that has it. */
  async find(id: string, targets: readonly Target[]): Promise<Provider | undefined> {
    const kind = KINDS.find(([prefix]) => id.startsWith(prefix));
    if (!kind || !/^[\w-]+$/.test(id)) return undefined;
    const asked = new Set<string>();
    const known = this.#known.get(id);
    for (const target of targets) {
      const home = homeOf(target.provider);
      if (home === known) return target.provider;
      if (asked.has(home) || !(await has(target, kind[1], id))) {
        asked.add(home);
        continue;
      }
      const oldest = this.#known.keys().next();
      if (this.#known.size >= KEPT && !oldest.done) this.#known.delete(oldest.value);
      this.#known.set(id, home);
      return target.provider;
    }
    return undefined;
  }
}

async function has(target: Target, name: string, id: string): Promise<boolean> {
  const operation = operationNamed("GET", name);
  const path = pathAt(target, operation, name.replace(/\{\w+\}/, encodeURIComponent(id)), "");
  const { pending } = target.authorization;
  if (pending) await pending;
  const { header } = target.authorization;
  if (path === undefined || !header) return false;
  const headers = { host: target.host, [header[0]]: header[1] };
  return (await statusOf(target, path, headers)) === 200;
}

function statusOf(target: Target, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve) => {
    let status = 0;
    const handler: DispatchHandler = {
      onRequestStart: (controller) => {
        setTimeout(() => controller.abort(new Error("not in time")), PATIENCE).unref();
      },
      onResponseStart: (_controller, code) => {
        status = code;
      },
      onResponseData: () => undefined,
      onResponseEnd: () => resolve(status),
      onResponseError: () => resolve(0),
    };
    target.dispatcher.dispatch({ path, method: "GET", headers }, handler);
  });
}
