import { describeVirtualNodeFaults } from '../env/virtual-node-faults.ts';

describeVirtualNodeFaults(4);
