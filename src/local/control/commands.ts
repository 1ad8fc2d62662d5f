import type { ClusterLayout } from '../layout.ts';
import type { NetworkPlan } from '../network-plan.ts';

export interface CommandContext {
  readonly plan: NetworkPlan;
  readonly layout: ClusterLayout;
  /** Folder of the binaries. */
  readonly binaries: string;
}

/** Path of a component's kubeconfig on the host. */
export function kubeconfigPath(layout: ClusterLayout, who: string): string {
  return `${layout.kubeconfigs}/${who}.kubeconfig`;
}

export function etcdCommand({ plan, layout, binaries }: CommandContext): readonly string[] {
  const pki = layout.pki;
  const [client, peer] = [`https://${plan.gateway}:2379`, `https://${plan.gateway}:2380`];
  return [
    `${binaries}/etcd`, '--name=yado', `--data-dir=${layout.etcd}`,
    `--listen-client-urls=${client}`, `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=yado=${peer}`,
    '--client-cert-auth', `--trusted-ca-file=${pki}/etcd-ca.crt`, `--cert-file=${pki}/etcd-server.crt`, `--key-file=${pki}/etcd-server.key`,
    '--peer-client-cert-auth', `--peer-trusted-ca-file=${pki}/etcd-ca.crt`, `--peer-cert-file=${pki}/etcd-server.crt`, `--peer-key-file=${pki}/etcd-server.key`,
    // There is nobody to lose an election to.
    '--heartbeat-interval=50', '--election-timeout=500',
    '--snapshot-count=10000', '--quota-backend-bytes=2147483648', '--auto-compaction-mode=periodic', '--auto-compaction-retention=30m',
    '--log-level=warn',
  ];
}

export function apiServerCommand({ plan, layout, binaries }: CommandContext): readonly string[] {
  const pki = layout.pki;
  return [
    `${binaries}/kube-apiserver`, `--bind-address=${plan.gateway}`, `--advertise-address=${plan.gateway}`, '--secure-port=6443',
    `--etcd-servers=https://${plan.gateway}:2379`, `--etcd-cafile=${pki}/etcd-ca.crt`, `--etcd-certfile=${pki}/etcd-client.crt`, `--etcd-keyfile=${pki}/etcd-client.key`,
    `--client-ca-file=${pki}/cluster-ca.crt`, `--tls-cert-file=${pki}/apiserver.crt`, `--tls-private-key-file=${pki}/apiserver.key`,
    `--kubelet-certificate-authority=${pki}/cluster-ca.crt`, `--kubelet-client-certificate=${pki}/apiserver-kubelet-client.crt`, `--kubelet-client-key=${pki}/apiserver-kubelet-client.key`,
    '--kubelet-preferred-address-types=InternalIP', '--allow-privileged=true',
    '--authorization-mode=Node,RBAC', '--enable-admission-plugins=NodeRestriction',
    `--service-cluster-ip-range=${plan.serviceCidr}`, '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${pki}/service-account.pub`, `--service-account-signing-key-file=${pki}/service-account.key`,
    `--requestheader-client-ca-file=${pki}/front-proxy-ca.crt`, '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-username-headers=X-Remote-User', '--requestheader-group-headers=X-Remote-Group', '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--proxy-client-cert-file=${pki}/front-proxy-client.crt`, `--proxy-client-key-file=${pki}/front-proxy-client.key`,
    // The host reaches workloads, but no service addresses.
    '--enable-aggregator-routing=true', '--profiling=false',
  ];
}

export function controllerManagerCommand({ plan, layout, binaries }: CommandContext): readonly string[] {
  const kubeconfig = kubeconfigPath(layout, 'controller-manager');
  const pki = layout.pki;
  return [
    `${binaries}/kube-controller-manager`, ...servingFlags(plan, layout, kubeconfig, 10257), '--use-service-account-credentials=true',
    `--service-account-private-key-file=${pki}/service-account.key`, `--root-ca-file=${pki}/cluster-ca.crt`,
    `--cluster-signing-cert-file=${pki}/cluster-ca.crt`, `--cluster-signing-key-file=${pki}/cluster-ca.key`,
    // A dead node is noticed sooner than upstream's 50 s: its lease is renewed every 4 s here.
    '--node-monitor-period=2s', '--node-monitor-grace-period=16s',
  ];
}

export function schedulerCommand({ plan, layout, binaries }: CommandContext): readonly string[] {
  return [`${binaries}/kube-scheduler`, ...servingFlags(plan, layout, kubeconfigPath(layout, 'scheduler'), 10259)];
}

function servingFlags(plan: NetworkPlan, layout: ClusterLayout, kubeconfig: string, port: number): readonly string[] {
  return [
    `--kubeconfig=${kubeconfig}`, `--authentication-kubeconfig=${kubeconfig}`, `--authorization-kubeconfig=${kubeconfig}`,
    `--bind-address=${plan.gateway}`, `--secure-port=${port}`, `--tls-cert-file=${layout.pki}/components.crt`, `--tls-private-key-file=${layout.pki}/components.key`,
    '--leader-elect=false', '--profiling=false',
    // At the default of 20 the first start takes seconds longer: each controller gets its account and token through this.
    '--kube-api-qps=300', '--kube-api-burst=500',
  ];
}

/** DNS of the cluster. Names of elsewhere are asked of the host's own servers, when it has any. */
export function corefile({ plan, layout }: CommandContext, hostResolvConf: string): string {
  const upstream = /^\s*nameserver\s+\S+/m.test(hostResolvConf) ? '  forward . /etc/resolv.conf {\n    max_concurrent 200\n  }\n' : '';
  return `.:53 {
  bind ${plan.gateway}
  errors
  ready ${plan.gateway}:8181
  prometheus ${plan.gateway}:9153
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfigPath(layout, 'coredns')}
    pods insecure
    fallthrough in-addr.arpa
    ttl 5
  }
${upstream}  cache 30
}
`;
}
