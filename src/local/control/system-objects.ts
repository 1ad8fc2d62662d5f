import type { NetworkPlan } from '../network-plan.ts';

/** An object to apply; the kind's place in the API is asked of the server. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string } & Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** What a cluster whose control plane and DNS run outside of it needs in its API. */
export function systemObjects(plan: NetworkPlan): readonly Manifest[] {
  const rbac = 'rbac.authorization.k8s.io/v1';
  const user = (name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name });
  const role = (name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name });
  return [
    {
      apiVersion: rbac, kind: 'ClusterRole', metadata: { name: 'yadokari:coredns' },
      rules: [
        { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    },
    { apiVersion: rbac, kind: 'ClusterRoleBinding', metadata: { name: 'yadokari:coredns' }, roleRef: role('yadokari:coredns'), subjects: [user('yadokari:coredns')] },
    { apiVersion: rbac, kind: 'ClusterRoleBinding', metadata: { name: 'yadokari:apiserver-kubelet' }, roleRef: role('system:kubelet-api-admin'), subjects: [user('kube-apiserver-kubelet-client')] },
    {
      apiVersion: 'v1', kind: 'Service', metadata: { name: 'kube-dns', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/name': 'CoreDNS' } },
      spec: { clusterIP: plan.dnsAddress, ports: [{ name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 }, { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice',
      metadata: { name: 'kube-dns-host', namespace: 'kube-system', labels: { 'kubernetes.io/service-name': 'kube-dns', 'endpointslice.kubernetes.io/managed-by': 'yadokari' } },
      addressType: 'IPv4', endpoints: [{ addresses: [plan.gateway], conditions: { ready: true } }],
      ports: [{ name: 'dns', port: 53, protocol: 'UDP' }, { name: 'dns-tcp', port: 53, protocol: 'TCP' }],
    },
  ];
}
