/** How is a rollout of `tandem run` looked at, promoted and aborted? By its admin port, and in the manifests' files. */
import { editObject } from "../manifests/edit-object.ts";
import { loadManifests, ManifestError } from "../manifests/load.ts";
import { PROMOTED_STEP } from "../routing/rollout/machine.ts";
import { readMemory } from "../routing/rollout/memory.ts";
import type { RolloutSpec } from "../routing/rollout/spec.ts";
import { CommandError, UsageError } from "./command.ts";
import type { ShownRollout } from "./rollout-text.ts";
import { place } from "./tell.ts";

interface Status {
  readonly source?: {
    readonly rollouts?: Readonly<Record<string, { readonly spec: RolloutSpec; readonly status: unknown }>>;
  };
}

/** Milliseconds. */
const TIMEOUT = 5_000;

export class LaptopRollout {
  readonly #admin: string;
  readonly #manifests: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #namespace: string;
  readonly #name: string;

  constructor(admin: string, manifests: readonly string[], env: NodeJS.ProcessEnv, namespace: string, name: string) {
    this.#admin = admin;
    this.#manifests = manifests;
    this.#env = env;
    this.#namespace = namespace;
    this.#name = name;
  }

  async look(): Promise<ShownRollout> {
    const route = `${this.#namespace}/${this.#name}`;
    const url = new URL("/status", this.#admin);
    const { source } = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT), headers: { connection: "close" } })
      .then((response) => response.json() as Promise<Status>)
      .catch((error: Error) => {
        throw new CommandError(
          `no gateway answers at ${this.#admin} (${error.message}): --admin URL, or --kubeconfig FILE for a cluster`,
        );
      });
    const rollout = source?.rollouts?.[route];
    if (rollout === undefined)
      throw new CommandError(
        `the gateway at ${this.#admin} has no rollout of AIRoute ${route}: -n NAMESPACE names another namespace`,
      );
    return { route, spec: rollout.spec, memory: readMemory(rollout.status) };
  }

  async promote(step: number): Promise<void> {
    const { memory } = await this.look();
    if (memory?.seenPromotion === String(step)) {
      throw new UsageError(
        `the annotation ${PROMOTED_STEP} says ${step} already since before the step began to wait: take it out of the file, and ask again`,
      );
    }
    await this.#edit(["metadata", "annotations", PROMOTED_STEP], String(step));
  }

  abort(): Promise<void> {
    return this.#edit(["spec", "rollout", "state"], "Abort");
  }

  async #edit(path: readonly string[], value: string): Promise<void> {
    if (this.#manifests.length === 0) {
      throw new UsageError("--manifests PATH is missing, where the route stands, or --kubeconfig FILE for a cluster");
    }
    const loaded = await loadManifests(this.#manifests, { env: this.#env }).catch((error: unknown) => {
      throw error instanceof ManifestError ? new CommandError(`${place(error)}${error.message}`) : error;
    });
    const file = loaded.locate("AIRoute", this.#namespace, this.#name)?.file;
    const object = { kind: "AIRoute", namespace: this.#namespace, name: this.#name };
    if (file === undefined || !(await editObject(file, object, path, value))) {
      throw new CommandError(`AIRoute ${this.#namespace}/${this.#name} is not in these files`);
    }
  }
}
