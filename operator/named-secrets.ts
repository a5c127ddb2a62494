/**
 * What do the Secrets hold that Tandem's objects name?
 *
 * Watched one by one, by name: the operator never lists the Secrets of a namespace or a cluster.
 */
import type { KubeClient } from "../kube/client.ts";
import type { Log } from "../kube/log.ts";
import type { KubeObject } from "../kube/objects.ts";
import { Reflector } from "../kube/reflector.ts";
import { type NamedKey, namedSecretKeys } from "../routing/named-secrets.ts";
import { describeSecret, Redacted, type SecretValues } from "../routing/secrets.ts";

export interface SecretObject extends KubeObject {
  /** Values in base64. */
  readonly data?: Readonly<Record<string, string>>;
}

export type DescribedSecret = ReturnType<typeof describeSecret>;

export interface NamedSecretsOptions {
  readonly client: KubeClient;
  readonly log: Log;
  /** A Secret came, went, or holds something else. */
  onChange(): void;
}

export class NamedSecrets {
  readonly #options: NamedSecretsOptions;
  readonly #watched = new Map<string, Reflector<SecretObject>>();
  readonly #namedBy = new WeakMap<KubeObject, readonly string[]>();
  readonly #described = new WeakMap<SecretObject, DescribedSecret>();

  constructor(options: NamedSecretsOptions) {
    this.#options = options;
  }

  /** Watches what these objects name, and nothing else any more. */
  follow(objects: readonly KubeObject[]): void {
    const wanted = new Set(objects.flatMap((object) => this.#names(object)));
    for (const [key, reflector] of this.#watched) {
      if (wanted.has(key)) continue;
      this.#watched.delete(key);
      void reflector.stop();
    }
    for (const key of wanted) if (!this.#watched.has(key)) this.#watch(key);
  }

  /** False while a Secret has not been looked for yet: a table made now would miss it. */
  get isComplete(): boolean {
    return [...this.#watched.values()].every((reflector) => reflector.isSynced || reflector.isForbidden);
  }

  /** Facts for the compiler, and the usable values. The same Secret is described once. */
  describe(pepper: Redacted): readonly DescribedSecret[] {
    return [...this.#watched.values()]
      .flatMap((reflector) => reflector.list())
      .map((secret) => {
        const known = this.#described.get(secret);
        if (known !== undefined) return known;
        const described = describeSecret(valuesOf(secret), pepper);
        this.#described.set(secret, described);
        return described;
      });
  }

  /** What stands there; undefined: nothing, or it is not named by any object. */
  valueAt({ namespace, name, key }: NamedKey): Redacted | undefined {
    const [secret] = this.#watched.get(`${namespace}/${name}`)?.list() ?? [];
    const data = secret?.data;
    const value = data !== undefined && Object.hasOwn(data, key) ? data[key] : undefined;
    return value === undefined ? undefined : new Redacted(Buffer.from(value, "base64").toString("utf8").trim());
  }

  /** For metrics. */
  reflectors(): readonly Reflector<SecretObject>[] {
    return [...this.#watched.values()];
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#watched.values()].map((reflector) => reflector.stop()));
  }

  #watch(key: string): void {
    const { client, log, onChange } = this.#options;
    const [namespace, name] = key.split("/") as [string, string];
    const reflector = new Reflector<SecretObject>({
      client,
      log,
      path: `/api/v1/namespaces/${namespace}/secrets`,
      fieldSelector: `metadata.name=${name}`,
      onChange,
      // Whoever waits for it must not wait for ever.
      onForbidden: onChange,
    });
    this.#watched.set(key, reflector);
    reflector.start();
    // That it is not there is news too.
    void reflector.whenSynced().then(onChange);
  }

  #names(object: KubeObject): readonly string[] {
    const known = this.#namedBy.get(object);
    if (known !== undefined) return known;
    const names = [...new Set(namedSecretKeys(object).map(({ namespace, name }) => `${namespace}/${name}`))];
    this.#namedBy.set(object, names);
    return names;
  }
}

function valuesOf({ metadata, data }: SecretObject): SecretValues {
  const values = Object.entries(data ?? {}).map(([key, value]) => {
    return [key, new Redacted(Buffer.from(value, "base64").toString("utf8"))] as const;
  });
  return { namespace: metadata.namespace ?? "", name: metadata.name, values: Object.fromEntries(values) };
}
