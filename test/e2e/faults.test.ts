import { describeFaults } from '../env/faults.ts';

describeFaults({ kills: 12, frozen: ['kube-apiserver'] });
