/**
 * Where is the book of budgets kept?
 *
 * In ConfigMaps beside the table, guarded by the version that they were made from: an operator that leads no more cannot
 * write over what the next one counted.
 */
import type { KubeClient } from "../../kube/client.ts";
import type { ConfigMap } from "../../kube/table-objects.ts";
import { PAGES, type Page } from "../../routing/budgets/pages.ts";
import { applyWhole } from "../apply-whole.ts";
import { inParallel } from "../in-parallel.ts";
import type { OwnObjects } from "../own-objects.ts";
import { ownMeta, ownSelector, type Release } from "../release.ts";

export interface UsageStoreOptions {
  readonly client: KubeClient;
  readonly release: Release;
  readonly configMaps: OwnObjects<ConfigMap>;
  /** Throws when another operator may be writing by now. */
  mayWrite(): void;
  onWrite(): void;
}

const LABEL = "tandem.dev/usage";
const PAGE_KEY = "page";
const EMPTY = JSON.stringify({ version: 1, clients: {}, pods: {} });
const PARALLEL_WRITES = 8;

export class UsageStore {
  readonly #options: UsageStoreOptions;
  readonly #versions = new Map<string, string>();

  constructor(options: UsageStoreOptions) {
    this.#options = options;
  }

  /** From the API server itself: a watch may be late, and what is missed would be spent twice. */
  async read(): Promise<string[]> {
    const { client, release } = this.#options;
    const path = `/api/v1/namespaces/${release.namespace}/configmaps`;
    const query = { labelSelector: `${ownSelector(release)},${LABEL}` };
    const { items } = await client.request<{ items: ConfigMap[] }>("GET", path, { query });
    this.#versions.clear();
    const wanted = new Set(Array.from({ length: PAGES }, (_, n) => this.#nameOf(n)));
    return items.flatMap(({ metadata, data }) => {
      if (!wanted.has(metadata.name)) return [];
      this.#versions.set(metadata.name, metadata.resourceVersion ?? "");
      return [data?.[PAGE_KEY] ?? EMPTY];
    });
  }

  /** Rejects when one was not written. */
  async write(pages: readonly Page[]): Promise<void> {
    await inParallel(PARALLEL_WRITES, pages, (page) => this.#write(page));
  }

  async #write({ number, text = EMPTY }: Page): Promise<void> {
    const { client, release, configMaps, mayWrite, onWrite } = this.#options;
    const name = this.#nameOf(number);
    const resourceVersion = this.#versions.get(name);
    const metadata = {
      ...ownMeta(release, name, { [LABEL]: "true" }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    };
    const page: ConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { [PAGE_KEY]: text } };
    const stored = await applyWhole(client, page, mayWrite);
    this.#versions.set(name, stored.metadata.resourceVersion ?? "");
    configMaps.wrote(stored);
    onWrite();
  }

  #nameOf(number: number): string {
    return `${this.#options.release.name}-usage-${number}`;
  }
}
