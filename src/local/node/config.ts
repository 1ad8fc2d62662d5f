import { stringify } from 'yaml';
import type { NetworkPlan } from '../network-plan.ts';

export const pauseImage = 'localhost/yadokari/pause:1';

export const containerdConfig = `version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;

/** Complete, so that the node is Ready at once; pods wait for the agent behind the socket. */
export const cniConfig = `${JSON.stringify({ cniVersion: '1.0.0', name: 'k8s-pod-network', plugins: [{ type: 'yado-cni', socket: '/run/yadokari/cni.sock' }] })}\n`;

export function libvirtdConfig(hostUuid: string): string {
  return `listen_tls = 0
listen_tcp = 0
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
host_uuid = "${hostUuid}"
log_outputs = "3:stderr"
max_clients = 200
`;
}

export const qemuConfig = `stdio_handler = "file"
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
`;

/** The agent writes its own over it; until then BIRD has nothing to do. */
export function initialBirdConfig(address: string): string {
  return `log stderr all;\nrouter id ${address};\nprotocol device { scan time 10; }\n`;
}

export function kubeletConfig(plan: NetworkPlan, address: string): string {
  return stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address,
    healthzBindAddress: '127.0.0.1',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    cgroupDriver: 'cgroupfs',
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true, cacheTTL: '1m0s' }, x509: { clientCAFile: '/etc/yadokari/pki/cluster-ca.crt' } },
    authorization: { mode: 'Webhook' },
    tlsCertFile: '/etc/yadokari/pki/kubelet-server.crt',
    tlsPrivateKeyFile: '/etc/yadokari/pki/kubelet-server.key',
    clusterDomain: 'cluster.local',
    clusterDNS: [plan.dnsAddress],
    resolvConf: '/etc/yadokari/resolv.conf',
    failSwapOn: false,
    enforceNodeAllocatable: [],
    oomScoreAdj: 0,
    imageGCHighThresholdPercent: 100,
    // The host's own fullness is no reason to evict.
    evictionHard: { 'memory.available': '1Mi', 'nodefs.available': '0%', 'imagefs.available': '0%', 'nodefs.inodesFree': '0%' },
    // A quarter of it is the interval at which a node says that it lives.
    nodeLeaseDurationSeconds: 16,
    // A node whose containerd was away for a moment is taken for Ready again only with its next report; its default, 10 s, is long for that.
    nodeStatusUpdateFrequency: '2s',
    serializeImagePulls: false,
    registerNode: true,
    makeIPTablesUtilChains: false,
  });
}

export function kubeletCommand(binaries: string, node: string, address: string): readonly string[] {
  return [
    `${binaries}/kubelet`, '--config=/etc/yadokari/kubelet.yaml', '--kubeconfig=/etc/yadokari/kubelet.kubeconfig',
    `--hostname-override=${node}`, `--node-ip=${address}`, `--node-labels=yadokari.dev/local-node=true`,
  ];
}

export function kubeProxyCommand(binaries: string, node: string, plan: NetworkPlan): readonly string[] {
  return [
    `${binaries}/kube-proxy`, '--kubeconfig=/etc/yadokari/proxy.kubeconfig', `--hostname-override=${node}`, '--proxy-mode=nftables', `--cluster-cidr=${plan.podPool}`,
    '--healthz-bind-address=127.0.0.1:10256', '--metrics-bind-address=127.0.0.1:10249',
    // The table of connections belongs to the host.
    '--conntrack-max-per-core=0', '--conntrack-min=0', '--conntrack-tcp-timeout-established=0', '--conntrack-tcp-timeout-close-wait=0',
  ];
}
