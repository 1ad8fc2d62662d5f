/** Kubernetes' own version, which its binaries tell. */
const kubernetesVersion = 'v1.34.4';

/** One program that is built from a module under deploy/toolchain. */
export interface ToolchainProgram {
  readonly name: string;
  /** Folder of go.mod and go.sum. */
  readonly module: string;
  readonly package: string;
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

/** What a folder of ready binaries must have; the CNI plugins may be missing there and are built then. */
export const requiredBinaries: readonly string[] = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy', 'kubectl', 'etcd', 'coredns'];
