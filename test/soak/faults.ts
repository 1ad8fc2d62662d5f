import { describeFaults } from '../env/faults.ts';

describeFaults({ kills: 120, frozen: ['kube-apiserver', 'etcd', 'n1/libvirtd', 'n1/containerd', 'n1/agent', 'operator'] });
