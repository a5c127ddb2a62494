/** What may the operator do? Exactly what the chart gives it, as objects of rbac.authorization.k8s.io. */

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

const READ = ["get", "list", "watch"] as const;
const KINDS = ["aiproviders", "airoutes", "aiclients"] as const;

/** In every watched namespace, or everywhere. */
export const WATCHED_RULES: readonly Rule[] = [
  { apiGroups: ["tandem.dev"], resources: KINDS, verbs: READ },
  { apiGroups: ["tandem.dev"], resources: KINDS.map((kind) => `${kind}/status`), verbs: ["patch"] },
  { apiGroups: [""], resources: ["secrets"], verbs: READ },
  { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
];

/** In the release's own namespace. */
export function ownRules(release: string): readonly Rule[] {
  const core = { apiGroups: [""] };
  const leases = { apiGroups: ["coordination.k8s.io"], resources: ["leases"] };
  return [
    { ...core, resources: ["configmaps"], verbs: [...READ, "create", "patch", "delete"] },
    { ...core, resources: ["secrets"], verbs: ["create"] },
    { ...core, resources: ["secrets"], resourceNames: [`${release}-companion`], verbs: [...READ, "patch"] },
    { ...leases, verbs: ["create"] },
    { ...leases, resourceNames: [`${release}-operator`], verbs: [...READ, "update"] },
    { ...core, resources: ["pods"], verbs: READ },
    { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
  ];
}
