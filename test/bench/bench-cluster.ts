import { spawn } from 'node:child_process';
import { readdir, readFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { HttpTransport, loadKubeconfig } from '../../src/kube/transport.ts';
import type { ClusterStatus } from '../../src/local/cluster.ts';
import { statusOf } from '../env/cluster.ts';
import { tied } from '../env/tied.ts';
import { LibvirtHypervisor } from '../../src/vm/drivers/libvirt/hypervisor.ts';

export const yado = join(import.meta.dirname, '../../src/bin/yado.ts');

/** A cluster of one node for a benchmark; it goes, with its state, when it is disposed of or this process ends. */
export interface BenchCluster extends AsyncDisposable {
  readonly client: KubeClient;
  /** Milliseconds from the command to Ready. */
  readonly upMs: number;
  readonly folder: string;
  readonly kubeconfig: string;
  readonly status: ClusterStatus;
  readonly hypervisor: LibvirtHypervisor;
  /** Runs a program in the node's namespaces. */
  inNode(...command: readonly string[]): Promise<string>;
  /** Pid of the node's first process. */
  readonly nodePid: number;
}

/** `args` are further arguments of `yado up`. */
export async function startBenchCluster(name: string, ...args: readonly string[]): Promise<BenchCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'yado-bench-'));
  const kubeconfig = join(folder, 'kubeconfig');
  const started = performance.now();
  const up = spawn('setpriv', [...tied, yado, 'up', '--name', name, '--state-root', folder, '--kubeconfig', kubeconfig, '--tied', ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = new Promise<void>((resolve) => up.once('close', () => resolve()));
  const status = await readyStatus(name, folder);
  const upMs = performance.now() - started;
  const nodePid = status.nodes[0]?.initPid ?? 0;
  const client = new KubeClient(new HttpTransport(loadKubeconfig({ kubeconfig: status.kubeconfig })));
  const hypervisor = new LibvirtHypervisor({ socketPath: `/proc/${nodePid}/root/run/libvirt/libvirt-sock`, acceleration: () => Promise.resolve('tcg') });
  return {
    client, hypervisor, upMs, folder, kubeconfig: status.kubeconfig, status, nodePid,
    inNode: (...command) => run('nsenter', ['-t', String(nodePid), '-a', '--', ...command]),
    async [Symbol.asyncDispose]() {
      // Either would go on asking for a cluster that is gone.
      client.close();
      await hypervisor[Symbol.asyncDispose]();
      up.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function readyStatus(name: string, folder: string): Promise<ClusterStatus> {
  for (;;) {
    const status = await statusOf(folder, name);
    if (status?.ready === true) return status;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Pids and command lines of all processes of the node: also those of containers are in its part of the cgroup tree. */
export async function processesOf({ status }: BenchCluster): Promise<ReadonlyMap<string, string>> {
  const mark = `/yadokari/${status.name}/${status.nodes[0]?.name ?? ''}`;
  const found = new Map<string, string>();
  for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const [cgroup, command] = await Promise.all(['cgroup', 'cmdline'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')));
    if (cgroup?.includes(mark) === true) found.set(pid, (command ?? '').replaceAll('\0', ' '));
  }
  return found;
}

/** Proportional set size of a process in bytes. */
export async function proportionalSetSize(pid: string): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
}
