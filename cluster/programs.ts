/** Which programs does a Kubernetes consist of, and from which Go module is each built? */

export const KUBERNETES_VERSION = "1.36.3";
const ETCD_VERSION = "3.6.16";
const HELM_3_VERSION = "3.22.0";
const HELM_4_VERSION = "4.3.1";
/** Of `pause.go`; raise it with every change there. */
const PAUSE_VERSION = "1";

/** Programs of one module are built together: what costs is the packages that they share. */
export interface GoModule {
  readonly name: string;
  /** With its version it is the folder of the cache. */
  readonly cacheName: string;
  readonly version: string;
  /** Empty: the sources lie in this folder. */
  readonly path: string;
  /** Kubernetes: its parts are released as modules of their own. */
  readonly hasParts?: boolean;
  /** Texts set by the linker: a version is no part of the sources. */
  readonly texts?: Readonly<Record<string, string>>;
}

export interface Program {
  /** Its name in the cache. */
  readonly file: string;
  readonly module: GoModule;
  /** A package, or a file of this folder. */
  readonly packagePath: string;
  /** What `go build` calls it. */
  readonly executable: string;
  readonly isInEnvtest: boolean;
}

const CACHE_OF_KUBERNETES = { cacheName: "kubernetes", version: KUBERNETES_VERSION };
const ETCD: GoModule = {
  ...CACHE_OF_KUBERNETES,
  name: "etcd",
  path: `go.etcd.io/etcd/server/v3 v${ETCD_VERSION}`,
};
const [MAJOR = "", MINOR = ""] = KUBERNETES_VERSION.split(".");
const KUBERNETES: GoModule = {
  ...CACHE_OF_KUBERNETES,
  name: "Kubernetes",
  path: `k8s.io/kubernetes v${KUBERNETES_VERSION}`,
  hasParts: true,
  // Without them it says v0.0.0-master, and every chart with a kubeVersion is refused.
  texts: Object.fromEntries(
    ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((part) => [
      [`${part}.gitVersion`, `v${KUBERNETES_VERSION}`],
      [`${part}.gitMajor`, MAJOR],
      [`${part}.gitMinor`, MINOR],
    ]),
  ),
};
const HELM_3: GoModule = {
  name: "Helm 3",
  cacheName: "helm",
  version: HELM_3_VERSION,
  path: `helm.sh/helm/v3 v${HELM_3_VERSION}`,
  // Without them `helm template` takes the cluster for a Kubernetes 1.20.
  texts: {
    "helm.sh/helm/v3/internal/version.version": `v${HELM_3_VERSION}`,
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": MAJOR,
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": MINOR,
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor": MAJOR,
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor": MINOR,
  },
};
const HELM_4: GoModule = {
  name: "Helm 4",
  cacheName: "helm",
  version: HELM_4_VERSION,
  path: `helm.sh/helm/v4 v${HELM_4_VERSION}`,
  texts: { "helm.sh/helm/v4/internal/version.version": `v${HELM_4_VERSION}` },
};
const PAUSE: GoModule = { name: "pause", cacheName: "pause", version: PAUSE_VERSION, path: "" };

function ofKubernetes(name: string, isInEnvtest = false): Program {
  return {
    file: name,
    module: KUBERNETES,
    packagePath: `k8s.io/kubernetes/cmd/${name}`,
    executable: name,
    isInEnvtest,
  };
}

function helm(module: GoModule, major: number): Program {
  const packagePath = `helm.sh/helm/v${major}/cmd/helm`;
  return { file: "helm", module, packagePath, executable: "helm", isInEnvtest: false };
}

const PROGRAM_TABLE = {
  etcd: {
    file: "etcd",
    module: ETCD,
    packagePath: "go.etcd.io/etcd/server/v3",
    executable: "server",
    isInEnvtest: true,
  },
  "kube-apiserver": ofKubernetes("kube-apiserver", true),
  "kube-controller-manager": ofKubernetes("kube-controller-manager"),
  "kube-scheduler": ofKubernetes("kube-scheduler"),
  kubelet: ofKubernetes("kubelet"),
  "kube-proxy": ofKubernetes("kube-proxy"),
  kubectl: ofKubernetes("kubectl", true),
  helm: helm(HELM_3, 3),
  helm4: helm(HELM_4, 4),
  pause: { file: "pause", module: PAUSE, packagePath: "pause.go", executable: "pause", isInEnvtest: false },
} satisfies Record<string, Program>;

export type ProgramName = keyof typeof PROGRAM_TABLE;

export const PROGRAMS: Readonly<Record<ProgramName, Program>> = PROGRAM_TABLE;

/** An API server with its store: what most tests need. */
export const CONTROL_PLANE = ["etcd", "kube-apiserver"] as const;

/** All that `npm run cluster` runs. */
export const WHOLE_CLUSTER = [
  ...CONTROL_PLANE,
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
  "kubectl",
  "helm",
  "pause",
] as const;
