import { describeVirtualNodeFaults } from '../env/virtual-node-faults.ts';

/** A few deaths; hundreds of them: `npm run test:soak`. */
describeVirtualNodeFaults(4);
