import { Option, type Command } from 'commander';
import { YadoError } from '../base/errors.ts';
import type { VirtualMachine } from '../kube/yadokari.ts';
import type { RemoteConsoleType } from '../openstack/compute/types.ts';
import { ControlClient } from '../local/control-client.ts';
import { clusterLayout, defaultClusterName } from '../local/layout.ts';
import { LibvirtHypervisor } from '../vm/drivers/libvirt/hypervisor.ts';
import { findVirtualMachine, localClusterOf, withTarget, withTargetOptions, type TargetOptions } from './cluster-target.ts';
import { consoleSession } from './console-session.ts';
import type { CliContext } from './context.ts';
import { CONSOLE_TYPES, printServerConsole } from './tenant/server-console.ts';

interface ConsoleOptions extends TargetOptions {
  readonly log: boolean;
  readonly type?: RemoteConsoleType;
}

export function registerConsole(program: Command, context: CliContext): void {
  withTargetOptions(program.command('console <vm>'))
    .description("the serial console of a virtual machine of a local cluster, which Ctrl-] leaves; or the address of a server's console of an OpenStack cloud")
    .option('--log', 'of a server: print what its console has shown, instead', false)
    .addOption(new Option('--type <type>', 'of a server: the kind of console (default: the first that the cloud has)').choices(CONSOLE_TYPES))
    .action(async (name: string, options: ConsoleOptions) => runConsole(name, options, context));
}

async function runConsole(name: string, options: ConsoleOptions, context: CliContext): Promise<void> {
  const { signal, progress, terminal } = context;
  const { vm, cluster } = await withTarget(options, async (target) => {
    const found = await findVirtualMachine(target, name, signal);
    if (found.spec.provider !== undefined) await printServerConsole(target.client, found, options, context);
    else if (options.log || options.type !== undefined) throw new YadoError('BadUsage', `${name} runs in this cluster: --log and --type are for servers of an OpenStack cloud`, { disposition: 'stalled' });
    return { vm: found, cluster: options.name ?? await localClusterOf(target.server, options.stateRoot) ?? defaultClusterName };
  });
  if (vm.spec.provider !== undefined) return;
  const socketPath = await libvirtSocket(vm, new ControlClient(clusterLayout(options.stateRoot, cluster)), cluster, signal);
  // Nothing is started here, so nobody asks what guests run on.
  await using hypervisor = new LibvirtHypervisor({ socketPath, acceleration: () => Promise.resolve('tcg') });
  const console = await hypervisor.openConsole(vm.metadata.uid ?? '', signal);
  const interactive = terminal.input.isTTY === true;
  if (interactive) progress.line(`Console of ${name}; Enter wakes it, Ctrl-] leaves`);
  const end = await consoleSession({ console, terminal, signal });
  if (interactive) progress.line(end === 'closed' ? `\nThe console closed: ${name} ended, or somebody else took the console` : '');
}

/** The node's own libvirt, seen from the host. */
async function libvirtSocket(vm: VirtualMachine, client: ControlClient, cluster: string, signal: AbortSignal): Promise<string> {
  const { metadata: { name }, status } = vm;
  if (status?.node === undefined) throw new YadoError('NotRunning', `${name} is on no node (${status?.printableStatus ?? 'not scheduled yet'}); see \`kubectl describe vm ${name}\``, { disposition: 'stalled' });
  const node = (await client.status(signal)).nodes.find((candidate) => candidate.name === status.node);
  if (node === undefined) throw new YadoError('NotLocal', `${name} runs on ${status.node}, which is no node of the local cluster ${cluster}; name its cluster with --name`, { disposition: 'stalled' });
  if (node.initPid === undefined) throw new YadoError('NodeNotRunning', `${name} is on ${node.name}, which is ${node.state}; start it with \`yado node start ${node.name}\``, { disposition: 'stalled' });
  return `/proc/${node.initPid}/root/run/libvirt/libvirt-sock`;
}
