/** Which objects are there at this moment? Page by page. */
import type { KubeClient } from "./client.ts";
import type { KubeObject } from "./objects.ts";

interface Page<T> {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

export interface Listed<T> {
  readonly items: readonly T[];
  /** From where a watch goes on. */
  readonly resourceVersion: string;
}

const PAGE_SIZE = "500";

/** Items say what they are, which those of a list do not by themselves. */
export async function list<T extends KubeObject>(
  client: KubeClient,
  path: string,
  options: { readonly query?: Readonly<Record<string, string>>; readonly signal?: AbortSignal } = {},
): Promise<Listed<T>> {
  const items: T[] = [];
  let token: string | undefined;
  let resourceVersion: string;
  do {
    const query = { ...options.query, limit: PAGE_SIZE, ...(token !== undefined && { continue: token }) };
    const page: Page<T> = await client.request<Page<T>>("GET", path, { ...options, query });
    const kind = page.kind?.replace(/List$/, "");
    for (const item of page.items) items.push({ apiVersion: page.apiVersion, kind, ...item });
    resourceVersion = page.metadata.resourceVersion;
    token = page.metadata.continue || undefined;
  } while (token !== undefined);
  return { items, resourceVersion };
}
