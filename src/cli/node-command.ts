import type { Command } from 'commander';
import { ControlClient } from '../local/control-client.ts';
import { clusterLayout } from '../local/layout.ts';
import { withClusterOptions, type ClusterOptions } from './cluster-options.ts';
import type { CliContext } from './context.ts';

const verbs = {
  stop: 'shut a node down in order',
  start: 'start a node that is stopped or crashed',
  crash: 'pull the plug of a node: everything on it is killed',
} as const;

export function registerNode(program: Command, context: CliContext): void {
  const node = program.command('node').description('stop, start and crash nodes of the local cluster');
  for (const [verb, description] of Object.entries(verbs) as readonly [keyof typeof verbs, string][]) {
    withClusterOptions(node.command(`${verb} <node>`)).description(description).action(async (name: string, options: ClusterOptions) => {
      const client = new ControlClient(clusterLayout(options.stateRoot, options.name));
      await context.progress.step(`node ${verb} ${name}`, () => client.node(name, verb, context.signal));
    });
  }
  const component = program.command('component').description('processes of the local cluster');
  withClusterOptions(component.command('restart <component>')).description('restart one, such as kube-apiserver or n1/kubelet').action(async (name: string, options: ClusterOptions) => {
    const client = new ControlClient(clusterLayout(options.stateRoot, options.name));
    await context.progress.step(`restart ${name}`, () => client.restartComponent(name, context.signal));
  });
}
