import type { Clock } from '../base/clock.ts';
import type { CgroupHierarchy } from './cgroup.ts';
import type { Report } from './component.ts';
import type { ClusterLayout } from './layout.ts';
import type { NetworkPlan } from './network-plan.ts';
import type { Pki } from './pki.ts';
import type { ClusterRecord } from './record.ts';

/** What everything in one running cluster shares. */
export interface ClusterContext {
  readonly layout: ClusterLayout;
  readonly record: ClusterRecord;
  readonly plan: NetworkPlan;
  readonly hierarchies: readonly CgroupHierarchy[];
  readonly pki: Pki;
  readonly clock: Clock;
  readonly report: Report;
  /** Environment of all processes. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The Node.js that runs our own programs. */
  readonly nodeExecutable: string;
}
