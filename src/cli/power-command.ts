import type { Command } from 'commander';
import { virtualMachines } from '../kube/yadokari.ts';
import { findVirtualMachine, withTarget, withTargetOptions, type TargetOptions } from './cluster-target.ts';
import type { CliContext } from './context.ts';
import { powerChange, type PowerVerb } from './power.ts';

const verbs: Readonly<Record<PowerVerb, string>> = {
  start: 'start a virtual machine that is stopped',
  stop: 'shut a virtual machine down and keep it stopped',
  restart: 'shut a virtual machine down and start it again',
};

export function registerPower(program: Command, context: CliContext): void {
  for (const [verb, description] of Object.entries(verbs) as readonly [PowerVerb, string][]) {
    withTargetOptions(program.command(`${verb} <vm>`)).description(description).action(async (name: string, options: TargetOptions) => {
      await withTarget(options, async (target) => {
        const { signal } = context;
        const vm = await findVirtualMachine(target, name, signal);
        const { patch, message } = powerChange(vm, verb, new Date().toISOString());
        if (patch !== undefined) await target.client.patch(virtualMachines, { name, namespace: target.namespace }, patch, { signal });
        context.print(message);
      });
    });
  }
}
