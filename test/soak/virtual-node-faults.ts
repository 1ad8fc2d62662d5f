import { describeVirtualNodeFaults } from '../env/virtual-node-faults.ts';

describeVirtualNodeFaults(Number(process.env['YADO_TEST_KILLS'] ?? 200));
