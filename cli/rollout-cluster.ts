/** How is a rollout in a cluster looked at, promoted and aborted? With the caller's own rights. */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, type KubeClient } from "../kube/client.ts";
import type { KubeObject } from "../kube/objects.ts";
import { validSpec } from "../routing/compile/validate.ts";
import type { AIRouteSpec } from "../routing/objects.generated.ts";
import { PROMOTED_STEP } from "../routing/rollout/machine.ts";
import { type Memory, readMemory } from "../routing/rollout/memory.ts";
import { rolloutSpec } from "../routing/rollout/spec.ts";
import { CommandError } from "./command.ts";
import type { ShownRollout } from "./rollout-text.ts";

interface RouteObject extends KubeObject {
  readonly status?: { readonly rollout?: unknown };
}

/** Milliseconds. */
const POLL = 250;
const PATIENCE = 15_000;
const NOT_FOUND = 404;

export class ClusterRollout {
  readonly #client: KubeClient;
  readonly #path: string;
  readonly #key: string;

  constructor(client: KubeClient, namespace: string, name: string) {
    this.#client = client;
    this.#key = `${namespace}/${name}`;
    const names = [namespace, name].map(encodeURIComponent);
    this.#path = `/apis/tandem.dev/v1alpha1/namespaces/${names[0]}/airoutes/${names[1]}`;
  }

  async look(): Promise<ShownRollout> {
    const route = await this.#client.request<RouteObject>("GET", this.#path).catch((error: unknown) => {
      if (error instanceof ApiError && error.status === NOT_FOUND) {
        throw new CommandError(`there is no AIRoute ${this.#key}: -n NAMESPACE names another namespace`);
      }
      throw new CommandError(`the AIRoute could not be read: ${(error as Error).message}`);
    });
    const spec = validSpec(route) as AIRouteSpec | undefined;
    if (spec === undefined) {
      throw new CommandError(`the spec of AIRoute ${this.#key} is not valid: its condition Accepted says why`);
    }
    if (spec.rollout === undefined) throw new CommandError(`AIRoute ${this.#key} has no spec.rollout`);
    return { route: this.#key, spec: rolloutSpec(spec.rollout), memory: readMemory(route.status?.rollout) };
  }

  /** A value that stands there already promotes nothing: it is taken away first, and the operator must have seen that. */
  async promote(step: number): Promise<void> {
    const { memory } = await this.look();
    if (memory?.seenPromotion === String(step)) {
      await this.#annotate(null);
      await this.#until(
        (now) => now?.seenPromotion === undefined,
        "has not taken note of the former promotion being gone",
      );
    }
    await this.#annotate(String(step));
    await this.#until((now) => now?.stepIndex !== step || now.phase !== "Waiting", "has not taken the promotion yet");
  }

  async abort(): Promise<void> {
    await this.#patch({ spec: { rollout: { state: "Abort" } } });
    await this.#until((now) => now?.outcome === "Aborted", "has not gone back to stable yet");
  }

  #annotate(value: string | null): Promise<void> {
    return this.#patch({ metadata: { annotations: { [PROMOTED_STEP]: value } } });
  }

  async #patch(body: object): Promise<void> {
    const contentType = "application/merge-patch+json";
    await this.#client.request("PATCH", this.#path, { body, contentType }).catch((error: unknown) => {
      throw new CommandError(`the AIRoute could not be changed: ${(error as Error).message}`);
    });
  }

  async #until(is: (memory: Memory | undefined) => boolean, otherwise: string): Promise<void> {
    const end = performance.now() + PATIENCE;
    while (!is((await this.look()).memory)) {
      if (performance.now() > end) throw new CommandError(`the operator ${otherwise}: does it run?`);
      await sleep(POLL);
    }
  }
}
