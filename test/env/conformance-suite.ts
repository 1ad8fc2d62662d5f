import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ConformanceCase } from './conformance-case.ts';
import { conformanceNodes, startConformanceCluster } from './conformance-cluster.ts';
import type { ConformanceNode } from './conformance-node.ts';
import { compareAll, complaints, type Verdict } from './conformance-run.ts';
import type { TestCluster } from './cluster.ts';

export interface SuiteOptions {
  /** By what the pods are about. */
  readonly table: Readonly<Record<string, readonly ConformanceCase[]>>;
  /** For one pod on one node, in milliseconds. */
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  /** Says what has come of each pod as it is known: a run of hours must not be for nothing when it is broken off. */
  readonly progress?: boolean;
}

/** Runs the pods on the kubelet's node and on the machine of one cluster, and has a test for each. */
export function conformanceSuite(title: string, { table, deadlineMs, timeoutMs, progress = false }: SuiteOptions): void {
  describe(title, { timeout: timeoutMs }, () => {
    let cluster: TestCluster;
    let nodes: readonly [ConformanceNode, ConformanceNode] | undefined;
    let verdicts: readonly Verdict[] = [];

    before(async () => {
      cluster = await startConformanceCluster();
      nodes = await conformanceNodes(cluster);
      const told = (verdict: Verdict): void => console.log(`${verdict.one.name}: ${complaints(verdict).length === 0 ? 'the same' : `otherwise\n${complaints(verdict).join('\n')}`}`);
      verdicts = await compareAll(Object.values(table).flat(), nodes, deadlineMs, progress ? told : undefined);
    });
    after(async () => {
      for (const node of nodes ?? []) await node[Symbol.asyncDispose]();
      await cluster?.[Symbol.asyncDispose]();
    });

    for (const [group, cases] of Object.entries(table)) {
      describe(group, () => {
        for (const { name } of cases) {
          it(name, () => {
            const verdict = verdicts.find(({ one }) => one.name === name);
            assert.ok(verdict !== undefined, 'it has not been run');
            assert.equal(complaints(verdict).join('\n'), '');
          });
        }
      });
    }
  });
}
