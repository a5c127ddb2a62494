/**
 * What is there now: Tandem's objects, the Secrets that they name, the proxies, and what was published?
 *
 * Caches over watches. Whoever asks gets what the API server said last; whoever listens hears that something changed
 * that matters.
 */
import { isDeepStrictEqual } from "node:util";
import type { KubeClient } from "../kube/client.ts";
import type { Log } from "../kube/log.ts";
import type { KubeObject } from "../kube/objects.ts";
import { type Change, Reflector, type ReflectorOptions } from "../kube/reflector.ts";
import { type ConfigMap, companionName } from "../kube/table-objects.ts";
import type { Pod } from "./fleet.ts";
import { NamedSecrets, type SecretObject } from "./named-secrets.ts";
import { OwnObjects } from "./own-objects.ts";
import { ownSelector, proxySelector, type Release } from "./release.ts";
import type { Described } from "./status-writer.ts";

export interface WorldOptions {
  readonly client: KubeClient;
  readonly release: Release;
  /** Empty: all. */
  readonly watchNamespaces: readonly string[];
  readonly log: Log;
  /** Something that a table or a status is made of has changed. */
  onChange(): void;
  /** Pods of proxies came, went or changed. */
  onPods(): void;
  /** A status changed. Who changed it is for others to say. */
  onStatus(object: Described): void;
}

const PLURALS = ["aiproviders", "airoutes", "aiclients"] as const;
const API = "/apis/tandem.dev/v1alpha1";
const ANNOTATIONS = "tandem.dev/";

export class World {
  readonly #objects: readonly Reflector<Described>[];
  readonly #pods: Reflector<Pod>;
  readonly #ownConfigMaps: Reflector<ConfigMap>;
  readonly #ownSecrets: Reflector<SecretObject>;
  readonly secrets: NamedSecrets;
  readonly configMaps: OwnObjects<ConfigMap>;
  readonly companion: OwnObjects<SecretObject>;

  constructor(options: WorldOptions) {
    const { client, log, release, onChange, onPods } = options;
    const own = `/api/v1/namespaces/${release.namespace}`;
    const common = { client, log };
    this.#objects = pathsOf(options.watchNamespaces).map((path) => {
      return new Reflector<Described>({ ...common, path, onChange: (change) => this.#onObject(options, change) });
    });
    this.#pods = new Reflector<Pod>({
      ...common,
      path: `${own}/pods`,
      labelSelector: proxySelector(release),
      onChange: onPods,
    });
    this.#ownConfigMaps = ownReflector<ConfigMap>(
      { ...common, path: `${own}/configmaps`, labelSelector: ownSelector(release) },
      (change) => this.configMaps.observe(change) && onChange(),
    );
    this.#ownSecrets = ownReflector<SecretObject>(
      { ...common, path: `${own}/secrets`, fieldSelector: `metadata.name=${companionName(release.name)}` },
      (change) => this.companion.observe(change) && onChange(),
    );
    this.configMaps = new OwnObjects(this.#ownConfigMaps);
    this.companion = new OwnObjects(this.#ownSecrets);
    this.secrets = new NamedSecrets({ client, log, onChange });
  }

  /** Never rejects: what cannot be listed yet is tried until it can. */
  async start(): Promise<void> {
    const all = this.#fixed();
    for (const reflector of all) reflector.start();
    await Promise.all(all.map((reflector) => reflector.whenSynced()));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#fixed().map((reflector) => reflector.stop()), this.secrets.stop()]);
  }

  get isSynced(): boolean {
    return this.#fixed().every((reflector) => reflector.isSynced);
  }

  objects(): readonly Described[] {
    return this.#objects.flatMap((reflector) => reflector.list());
  }

  pods(): readonly Pod[] {
    return this.#pods.list();
  }

  relists(): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const { counters } of this.#all()) {
      for (const [reason, count] of Object.entries(counters.relists)) sums[reason] = (sums[reason] ?? 0) + count;
    }
    return sums;
  }

  missedEvents(): number {
    return this.#all().reduce((sum, { counters }) => sum + counters.missedEvents, 0);
  }

  #onObject({ onChange, onStatus }: WorldOptions, change: Change<Described>): void {
    const { type, object } = change;
    const isSameSpec =
      type === "modified" &&
      change.previous.metadata.uid === object.metadata.uid &&
      change.previous.metadata.generation === object.metadata.generation &&
      isDeepStrictEqual(askedFor(change.previous), askedFor(object));
    if (isSameSpec) onStatus(object);
    else onChange();
  }

  #fixed(): readonly Reflector<KubeObject>[] {
    return [...this.#objects, this.#pods, this.#ownConfigMaps, this.#ownSecrets];
  }

  #all(): readonly Reflector<KubeObject>[] {
    return [...this.#fixed(), ...this.secrets.reflectors()];
  }
}

/** Annotations that change what an object means, without another generation. */
function askedFor({ metadata }: KubeObject): readonly (readonly [string, string])[] {
  return Object.entries(metadata.annotations ?? {}).filter(([name]) => name.startsWith(ANNOTATIONS));
}

function ownReflector<T extends KubeObject>(
  options: Omit<ReflectorOptions<T>, "onChange">,
  onChange: (change: Change<T>) => void,
): Reflector<T> {
  return new Reflector<T>({ ...options, onChange });
}

function pathsOf(namespaces: readonly string[]): string[] {
  if (namespaces.length === 0) return PLURALS.map((plural) => `${API}/${plural}`);
  return namespaces.flatMap((namespace) => PLURALS.map((plural) => `${API}/namespaces/${namespace}/${plural}`));
}
