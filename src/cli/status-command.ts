import type { Command } from 'commander';
import type { ClusterStatus } from '../local/cluster.ts';
import type { ComponentStatus } from '../local/component.ts';
import { ControlClient } from '../local/control-client.ts';
import { clusterLayout } from '../local/layout.ts';
import { withClusterOptions, type ClusterOptions } from './cluster-options.ts';
import type { CliContext } from './context.ts';
import { formatTable } from './table.ts';

export function registerStatus(program: Command, context: CliContext): void {
  withClusterOptions(program.command('status'))
    .description('show the local cluster, its nodes and their processes')
    .option('--json', 'as JSON', false)
    .action(async (options: ClusterOptions & { readonly json: boolean }) => {
      const status = await new ControlClient(clusterLayout(options.stateRoot, options.name)).status(context.signal);
      context.print(options.json ? JSON.stringify(status, null, 2) : statusText(status));
    });
}

export function statusText(status: ClusterStatus): string {
  const rows = [
    ['NAME', 'STATE', 'PID', 'RESTARTS', 'LAST EXIT'],
    ...status.components.map((component) => componentRow(component, '')),
    ...status.nodes.flatMap((node) => [
      [node.name, node.state, String(node.initPid ?? '-'), '', node.address],
      ...node.components.map((component) => componentRow(component, '  ')),
    ]),
  ];
  return [`Cluster ${status.name}: ${status.ready ? 'ready' : 'not ready'}, kubeconfig ${status.kubeconfig}`, formatTable(rows)].join('\n');
}

function componentRow(component: ComponentStatus, indent: string): readonly string[] {
  return [`${indent}${component.name}`, component.state, String(component.pid ?? '-'), String(component.restarts), component.lastExit ?? ''];
}
