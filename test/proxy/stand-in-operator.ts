/**
 * What would the operator write? The test plays it: each object of a publication by itself, so that they can come in
 * any order, damaged, or not at all.
 */
import assert from "node:assert/strict";
import { type ConfigMap, companionName, indexName, SHARD_KEY, shardObjectName } from "../../kube/table-objects.ts";
import { encodeTable, type Published } from "../../routing/codec.ts";
import { companionData, pepperVersion } from "../../routing/companion.ts";
import { compile } from "../../routing/compile.ts";
import { type Credentials, describeSecret, Redacted } from "../../routing/secrets.ts";
import type { ApiServer } from "../control-plane/api-server.ts";
import { KEY } from "./harness.ts";

export interface Made {
  readonly published: Published;
  readonly credentials: Credentials;
}

/** Values of the Secret that the objects name. */
export const VALUES = { openai: "sk-first", azure: "azure-first", client: KEY };

export class StandInOperator {
  readonly release: string;
  readonly namespace: string;
  pepper = new Redacted("pepper-of-the-tests");
  adminToken = "first-admin-token";
  readonly #server: ApiServer;

  constructor(server: ApiServer, namespace: string, release: string) {
    this.#server = server;
    this.namespace = namespace;
    this.release = release;
  }

  make(objects: readonly object[], values: Readonly<Record<string, string>> = VALUES): Made {
    const redacted = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, new Redacted(value)]));
    const { facts, credentials } = describeSecret({ namespace: "ai", name: "keys", values: redacted }, this.pepper);
    const { table } = compile({ objects, secrets: [facts], dev: false });
    return { published: encodeTable(table), credentials: new Map(credentials) };
  }

  /** In the order of the real one. */
  async publish(objects: readonly object[], values?: Readonly<Record<string, string>>): Promise<Made> {
    const made = this.make(objects, values);
    await this.writeSecret(made.credentials);
    await this.writeShards(made);
    await this.writeIndex(made);
    return made;
  }

  async writeSecret(credentials: Credentials): Promise<void> {
    const data = companionData(
      { pepper: this.pepper, adminToken: new Redacted(this.adminToken), idKeys: [] },
      credentials,
    );
    await this.#apply("secrets", { kind: "Secret", metadata: { name: companionName(this.release) }, data });
  }

  async writeShards({ published }: Made): Promise<void> {
    await Promise.all(Object.entries(published.shards).map(([name, text]) => this.writeShard(name, text)));
  }

  async writeShard(name: string, text: string): Promise<void> {
    const metadata = { name: shardObjectName(this.release, name) };
    await this.#apply("configmaps", { kind: "ConfigMap", metadata, immutable: true, data: { [SHARD_KEY]: text } });
  }

  async deleteShard(name: string): Promise<void> {
    const path = `/api/v1/namespaces/${this.namespace}/configmaps/${shardObjectName(this.release, name)}`;
    assert.equal((await this.#server.call("DELETE", path)).status, 200);
  }

  /** Answers when it was written: on the clock of `performance.now()`, once the API server has said so. */
  async writeIndex({ published }: Made, index: string = published.index, changedAt = new Date()): Promise<number> {
    const data = {
      index,
      "changed-at": changedAt.toISOString(),
      proxies: "1",
      pepper: pepperVersion(this.pepper),
      history: "[]",
    };
    await this.#apply("configmaps", { kind: "ConfigMap", metadata: { name: indexName(this.release) }, data });
    return performance.now();
  }

  /** A token of a service account with exactly the rights that the chart gives to proxies. */
  async proxyToken(): Promise<string> {
    const { namespace, release } = this;
    const core = `/api/v1/namespaces/${namespace}`;
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    const metadata = { name: `${release}-proxy` };
    const rule = (resource: string, verbs: string[], names: string[]) => {
      return { apiGroups: [""], resources: [resource], verbs, ...(names.length > 0 && { resourceNames: names }) };
    };
    const rules = [
      rule("configmaps", ["list", "watch"], [indexName(release)]),
      rule("secrets", ["list", "watch"], [companionName(release)]),
      rule("configmaps", ["get"], []),
    ];
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", ...metadata };
    const subjects = [{ kind: "ServiceAccount", namespace, ...metadata }];
    await this.#create(`${core}/serviceaccounts`, { metadata });
    await this.#create(`${rbac}/roles`, { metadata, rules });
    await this.#create(`${rbac}/rolebindings`, { metadata, roleRef, subjects });
    const made = await this.#create(`${core}/serviceaccounts/${metadata.name}/token`, {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { audiences: [], expirationSeconds: 3_600 },
    });
    return (made as { status: { token: string } }).status.token;
  }

  async #create(path: string, object: object): Promise<unknown> {
    const { status, body } = await this.#server.call("POST", path, object);
    assert.equal(status, 201, JSON.stringify(body));
    return body;
  }

  async #apply(plural: string, object: Pick<ConfigMap, "metadata"> & Readonly<Record<string, unknown>>): Promise<void> {
    const path = `/api/v1/namespaces/${this.namespace}/${plural}/${object.metadata.name}`;
    const query = "fieldManager=tandem-operator&force=true";
    const body = JSON.stringify({ apiVersion: "v1", ...object });
    const answer = await this.#server.call("PATCH", `${path}?${query}`, body, {
      contentType: "application/apply-patch+yaml",
    });
    assert.ok(answer.status === 200 || answer.status === 201, JSON.stringify(answer.body));
  }
}
