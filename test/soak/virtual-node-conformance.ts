import { conformanceSuite } from '../env/conformance-suite.ts';
import { conformanceTable } from '../env/conformance-table.ts';

conformanceSuite('a virtual node beside a kubelet, the whole table', { table: conformanceTable, deadlineMs: 240_000, timeoutMs: 3_600_000 });
