import { describeFaults } from '../env/faults.ts';

describeFaults({ kills: 25, frozen: ['kube-apiserver'] });
