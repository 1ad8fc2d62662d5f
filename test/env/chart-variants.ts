import type { Values } from './helm.ts';

/** Sets of values that together render everything that the chart can render. */
export const chartVariants: Readonly<Record<string, Values>> = {
  default: [],
  'managed libvirt': ['libvirt.mode=managed', 'images.pullSecrets={registry}'],
  'native network': [
    'network.mode=native', 'network.native.podCidr=10.244.0.0/16', 'network.dns.servers={10.96.0.10}',
    'network.native.bgpPeers[0].name=rack', 'network.native.bgpPeers[0].address=10.0.0.1', 'network.native.bgpPeers[0].asNumber=64600',
  ],
  'all that can be switched on': [
    'monitoring.serviceMonitor.enabled=true', 'monitoring.prometheusRule.enabled=true', 'monitoring.dashboard.enabled=true', 'monitoring.dashboard.annotations.folder=Yadokari',
    'networkPolicies.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring', 'uninstall.virtualMachines=remove', 'crds.keep=false',
    'namespace.create=true', 'namespace.labels.team=platform', 'rbac.secretNamespaces={default,kube-public}', 'openstack.enabled=true', 'agent.imageDirectories={/var/lib/yadokari/import,/srv/images}',
    'operator.podAnnotations.a=b', 'operator.podLabels.a=b', 'operator.nodeSelector.a=b', 'operator.tolerations[0].key=a', 'operator.tolerations[0].operator=Exists', 'operator.extraArgs={--log-level=debug}',
    'agent.podAnnotations.a=b', 'agent.podLabels.a=b', 'agent.maxUnavailable=10%', 'agent.extraArgs={--log-level=debug}', 'test.guest.file=', 'test.guest.url=https://images.example/a.qcow2', 'test.guest.format=qcow2',
  ],
  'all kinds of volumes': [
    'storage.local.enabled=true', 'storage.nfs.enabled=true', 'storage.nfs.backends={nfs,archive}', 'storage.nfs.managed.archive.node=n1', 'storage.nfs.managed.archive.server=10.0.0.5', 'storage.nfs.managed.archive.path=/srv/volumes', 'storage.nfs.managed.archive.clients={10.0.0.0/24}',
    'storage.ceph.enabled=true', 'storage.drbd.enabled=true', 'storage.drbd.nodeSelector.disks=yes', 'storage.snapshotController.enabled=true', 'storage.replicas=3', 'storage.kubeletDirectory=/var/lib/k0s/kubelet', 'images.pullSecrets={registry}',
  ],
  'projects of OpenStack': ['openstack.enabled=true', 'networkPolicies.openstackTo[0].ipBlock.cidr=192.0.2.0/24'],
  'all that can be switched off': ['crds.install=false', 'rbac.aggregate=false', 'admission.install=false', 'networkPolicies.enabled=false', 'operator.replicas=1', 'agent.priorityClassName=', 'operator.priorityClassName='],
};
