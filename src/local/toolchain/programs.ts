/** Kubernetes' own version, which its binaries tell. */
const kubernetesVersion = 'v1.34.4';

/** One program that is built from a module under deploy/toolchain. */
export interface ToolchainProgram {
  readonly name: string;
  /** Folder of go.mod and go.sum. */
  readonly module: string;
  readonly package: string;
  /** It is the tests of the package, as a program. */
  readonly tests?: boolean;
  readonly linkerFlags: string;
  /** Measured on two cores with an empty build cache, in this order. For the estimate only. */
  readonly seconds: number;
}

const plain = '-s -w';
const versioned = `-s -w -X k8s.io/component-base/version.gitVersion=${kubernetesVersion} -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34`;

function kubernetes(name: string, seconds: number): ToolchainProgram {
  return { name, module: 'kubernetes', package: `k8s.io/kubernetes/cmd/${name}`, linkerFlags: versioned, seconds };
}

/** In the order of building: the first shares most with the rest. */
export const toolchainPrograms: readonly ToolchainProgram[] = [
  kubernetes('kube-apiserver', 168),
  kubernetes('kubelet', 40),
  kubernetes('kube-controller-manager', 40),
  kubernetes('kube-scheduler', 12),
  kubernetes('kube-proxy', 14),
  kubernetes('kubectl', 30),
  { name: 'etcd', module: 'etcd', package: 'go.etcd.io/etcd/server/v3', linkerFlags: plain, seconds: 23 },
  { name: 'coredns', module: 'coredns', package: 'github.com/coredns/coredns', linkerFlags: plain, seconds: 92 },
  { name: 'loopback', module: 'cni', package: 'github.com/containernetworking/plugins/plugins/main/loopback', linkerFlags: plain, seconds: 7 },
];

/** Kubernetes' version that Helm assumes when it renders without a cluster. */
const helmLinkerFlags = ['helm.sh/helm/v3/internal/version.version=v3.22.0', ...['pkg/lint/rules', 'pkg/chartutil'].flatMap((name) =>
  [`helm.sh/helm/v3/${name}.k8sVersionMajor=1`, `helm.sh/helm/v3/${name}.k8sVersionMinor=34`])].map((setting) => ` -X ${setting}`).join('');

/** Programs that a cluster does not need: each is built when it is first asked for, into a folder of its own. */
export const extraPrograms: readonly ToolchainProgram[] = [
  { name: 'helm', module: 'helm', package: 'helm.sh/helm/v3/cmd/helm', linkerFlags: `${plain}${helmLinkerFlags}`, seconds: 83 },
  ...['main/bridge', 'ipam/host-local'].map((path) => ({ name: path.replace(/.*\//, ''), module: 'reference-cni', package: `github.com/containernetworking/plugins/plugins/${path}`, linkerFlags: plain, seconds: 5 })),
  { name: 'e2e.test', module: 'kubernetes-e2e', package: 'k8s.io/kubernetes/test/e2e', tests: true, linkerFlags: versioned, seconds: 110 },
  { name: 'agnhost', module: 'kubernetes-e2e', package: 'k8s.io/kubernetes/test/images/agnhost', linkerFlags: plain, seconds: 10 },
  ...['external-provisioner/v6/cmd/csi-provisioner', 'external-attacher/v4/cmd/csi-attacher', 'external-resizer/v2/cmd/csi-resizer', 'external-snapshotter/v8/cmd/csi-snapshotter', 'external-snapshotter/v8/cmd/snapshot-controller'].map((path, index) => ({ name: path.replace(/.*\//, ''), module: 'csi-sidecars', package: `github.com/kubernetes-csi/${path}`, linkerFlags: plain, seconds: index === 0 ? 100 : 20 })),
  { name: 'csi-sanity', module: 'csi-sanity', package: 'github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity', linkerFlags: plain, seconds: 5 },
];

/** What a folder of ready binaries must have; the CNI plugins may be missing there and are built then. */
export const requiredBinaries: readonly string[] = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy', 'kubectl', 'etcd', 'coredns'];
