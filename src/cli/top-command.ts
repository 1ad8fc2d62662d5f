import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { YadoError } from '../base/errors.ts';
import type { VirtualMachine } from '../kube/yadokari.ts';
import { findVirtualMachine, localClusterOf, withTarget, withTargetOptions, type ClusterTarget, type TargetOptions } from './cluster-target.ts';
import type { CliContext } from './context.ts';
import { formatTable } from './table.ts';
import { localAgents, proxiedAgents, readAgents, type AgentPages, type AgentSource } from './top/agents.ts';
import { parseFigures, usageBetween, type MachineUsage } from './top/figures.ts';

interface TopOptions extends TargetOptions {
  readonly allNamespaces: boolean;
}

/** Agents read their guests' figures at most once a second: this much later they are others for sure. */
const INTERVAL_MS = 1100;

export function registerTop(program: Command, context: CliContext): void {
  withTargetOptions(program.command('top [vm]'))
    .description('what virtual machines use: processors over a second, and resident memory')
    .option('-A, --all-namespaces', 'of all namespaces', false)
    .action(async (name: string | undefined, options: TopOptions) => {
      if (name !== undefined && options.allNamespaces) throw new YadoError('BadUsage', 'A virtual machine has a name in one namespace only: leave out -A or the name', { disposition: 'stalled' });
      await withTarget(options, async (target) => top(target, name, options, context));
    });
}

async function top(target: ClusterTarget, name: string | undefined, { allNamespaces, stateRoot }: TopOptions, { signal, print, progress }: CliContext): Promise<void> {
  const vm = name === undefined ? undefined : await findVirtualMachine(target, name, signal);
  const local = await localClusterOf(target.server, stateRoot) !== undefined;
  const agents = await (local ? localAgents : proxiedAgents)(target.client, signal);
  // Only the machine's own node knows of it.
  const { usages, failures } = await measure(vm?.status?.node === undefined ? agents : agents.filter(({ node }) => node === vm.status?.node), signal);
  const wanted = usages.filter((usage) => allNamespaces || (usage.namespace === target.namespace && (name === undefined || usage.machine === name)));
  if (vm !== undefined && wanted.length === 0) throw withoutFigures(vm, failures);
  for (const [node, failure] of failures) progress.line(`Nothing is known of the machines on ${node}: ${failure}`);
  if (wanted.length === 0) progress.line(`No virtual machine runs${allNamespaces ? '' : ` in namespace ${target.namespace}`}`);
  else print(usageTable(wanted, allNamespaces));
}

async function measure(agents: readonly AgentSource[], signal: AbortSignal): Promise<{ readonly usages: readonly MachineUsage[]; readonly failures: AgentPages['failures'] }> {
  const { pages: earlier } = await readAgents(agents, signal);
  await systemClock.sleep(INTERVAL_MS, signal);
  const { pages: later, failures } = await readAgents(agents, signal);
  const figures = [...later].map(([node, page]) => ({ node, before: parseFigures(earlier.get(node) ?? ''), now: parseFigures(page) }));
  return {
    usages: figures.flatMap(({ before, now }) => usageBetween(before, now)),
    failures: new Map([...failures, ...figures.filter(({ now }) => now.at === 0).map(({ node }) => [node, 'its libvirt does not answer its agent'] as const)]),
  };
}

function withoutFigures({ metadata: { name }, status }: VirtualMachine, failures: AgentPages['failures']): YadoError {
  const reason = failures.get(status?.node ?? '') ?? `it is ${status?.printableStatus ?? 'not scheduled yet'}`;
  return new YadoError('NoFigures', `There are no figures of ${name}: ${reason}`, { disposition: 'stalled' });
}

/** As `kubectl top pod` shows pods. */
export function usageTable(usages: readonly MachineUsage[], withNamespace: boolean): string {
  const sorted = usages.toSorted((a, b) => a.namespace.localeCompare(b.namespace) || a.machine.localeCompare(b.machine));
  const rows = sorted.map(({ namespace, machine, cores, memoryBytes, node }) => [
    ...(withNamespace ? [namespace] : []),
    machine, cores === undefined ? '-' : `${Math.ceil(cores * 1000)}m`, memoryBytes === undefined ? '-' : `${Math.floor(memoryBytes / 2 ** 20)}Mi`, node,
  ]);
  return formatTable([[...(withNamespace ? ['NAMESPACE'] : []), 'NAME', 'CPU(cores)', 'MEMORY(bytes)', 'NODE'], ...rows]);
}
