/** What does every object of Kubernetes have? The parts that Tandem reads. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface KubeObject {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
  readonly metadata: ObjectMeta;
}

/** The paths of the kinds that Tandem writes. */
const PLURALS: Readonly<Record<string, string>> = {
  AIClient: "aiclients",
  AIProvider: "aiproviders",
  AIRoute: "airoutes",
  ConfigMap: "configmaps",
  Lease: "leases",
  Secret: "secrets",
};

/** Where an object is: `/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME`. Throws for a kind it does not know. */
export function pathOf({ apiVersion = "", kind = "", metadata }: KubeObject): string {
  const plural = PLURALS[kind];
  if (plural === undefined) throw new RangeError(`nobody told where ${kind} is`);
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return `${root}/namespaces/${metadata.namespace}/${plural}/${metadata.name}`;
}
