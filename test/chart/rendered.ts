/** Which objects does the chart make of some values? */
import { parseAllDocuments } from "yaml";
import { CHART, type Helm, IMAGE } from "./helm.ts";

export const RELEASE = "tandem";
export const NAMESPACE = "tandem-system";

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
}

export async function rendered(helm: Helm, ...args: readonly string[]): Promise<readonly KubeObject[]> {
  return objectsIn(await helm.template(RELEASE, CHART, "--namespace", NAMESPACE, ...IMAGE, ...args));
}

export function objectsIn(text: string): readonly KubeObject[] {
  const documents = parseAllDocuments(text);
  if ("empty" in documents) return [];
  return documents.map((document) => document.toJS() as KubeObject | null).filter((object) => object !== null);
}

/** The pods that its Deployments would make, and its own Pods. */
export function podsOf(objects: readonly KubeObject[]): readonly KubeObject[] {
  return objects.flatMap((object) => {
    if (object.kind === "Pod") return [object];
    if (object.kind !== "Deployment") return [];
    const template = object.spec?.template as Pick<KubeObject, "metadata" | "spec"> | undefined;
    if (template === undefined) return [];
    const { metadata, spec } = template;
    const { name, namespace } = object.metadata;
    return [{ apiVersion: "v1", kind: "Pod", metadata: { ...metadata, name, namespace }, spec } as KubeObject];
  });
}
