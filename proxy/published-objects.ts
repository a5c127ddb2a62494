/** What do the two objects say now by which a proxy is told its table: the index and the companion Secret? */
import type { KubeClient } from "../kube/client.ts";
import type { KubeObject } from "../kube/objects.ts";
import { Reflector } from "../kube/reflector.ts";
import { type ConfigMap, companionName, type IndexData, indexName } from "../kube/table-objects.ts";
import type { StoredSecret } from "../routing/companion.ts";
import type { Logger } from "./telemetry/log.ts";

export interface Release {
  readonly name: string;
  readonly namespace: string;
}

export interface PublishedObjectsOptions {
  readonly client: KubeClient;
  readonly release: Release;
  readonly log: Logger;
  onChange(): void;
}

export class PublishedObjects {
  readonly #release: Release;
  readonly #indexes: Reflector<ConfigMap>;
  readonly #secrets: Reflector<KubeObject & StoredSecret>;

  constructor({ client, release, log, onChange }: PublishedObjectsOptions) {
    const own = `/api/v1/namespaces/${release.namespace}`;
    const common = { client, log, onChange: () => onChange() };
    const named = (name: string) => `metadata.name=${name}`;
    this.#release = release;
    this.#indexes = new Reflector({
      ...common,
      path: `${own}/configmaps`,
      fieldSelector: named(indexName(release.name)),
    });
    this.#secrets = new Reflector({
      ...common,
      path: `${own}/secrets`,
      fieldSelector: named(companionName(release.name)),
    });
  }

  start(): void {
    this.#indexes.start();
    this.#secrets.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#indexes.stop(), this.#secrets.stop()]);
  }

  /** The same object until it changes; undefined when there is none. */
  get index(): IndexData | undefined {
    const { name, namespace } = this.#release;
    const data = this.#indexes.get(`${namespace}/${indexName(name)}`)?.data;
    return data?.index === undefined ? undefined : (data as unknown as IndexData);
  }

  /** The same object until it changes. */
  get secret(): StoredSecret | undefined {
    const { name, namespace } = this.#release;
    return this.#secrets.get(`${namespace}/${companionName(name)}`);
  }

  /** When the API server last said anything about the index, Unix milliseconds; 0 for never. */
  get lastContact(): number {
    return this.#indexes.lastContact;
  }
}
