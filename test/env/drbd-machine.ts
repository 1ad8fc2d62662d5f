import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import { guestScript, kernelGuestImage } from './kernel-guest.ts';
import { tiedProgram } from './tied.ts';

/** Networks of a machine: each may be cut by itself. */
export type Link = 'api' | 'commands' | 'replication';

export interface MachineOptions {
  readonly name: string;
  /** Of its address in the replication network. */
  readonly number: number;
  /** Number of the machine at the other end of that network. */
  readonly peer: number;
  /** For disks and sockets, shared with the peer. */
  readonly folder: string;
  readonly diskMiB: number;
  readonly memoryMiB: number;
}

/** What Debian's kernel has as modules; loaded by the command. */
const MODULES = ['virtio_blk', 'drbd', 'dm_mod', 'dm_thin_pool', 'ext4', 'xfs'];
const BOOT_MS = 400_000;
const SHELL = 3000;
const CSI = 3001;

/** Address of this machine's loopback as guests see it in the network of the API. */
export const HOST_IN_GUESTS = '10.0.2.2';

export function replicationAddress(number: number): string {
  return `10.78.0.${number}`;
}

/** A machine under Debian's kernel, emulated, on a copy of this machine's files, with a disk that outlives it. */
export class DrbdMachine implements AsyncDisposable {
  readonly name: string;
  readonly #options: MachineOptions;
  #process: ChildProcess | undefined;
  #shellPort = 0;
  csiPort = 0;
  console = '';

  private constructor(options: MachineOptions) {
    this.name = options.name;
    this.#options = options;
  }

  static async start(options: MachineOptions): Promise<DrbdMachine> {
    const machine = new DrbdMachine(options);
    await run('truncate', ['--size', `${options.diskMiB}M`, machine.#at('disk')]);
    await machine.boot();
    return machine;
  }

  /** Starts it, again after a crash, and returns once it takes commands. */
  async boot(): Promise<void> {
    const { number, memoryMiB, name } = this.#options;
    [this.#shellPort, this.csiPort] = [await freePort(), await freePort()];
    await rm(join(this.#options.folder, `link-${number}`), { force: true });
    const command = `
hostname ${name}; mount -t tmpfs tmp /tmp; mount -t tmpfs tmp /root
# The kernel's own root is what the guest began from.
printf '#!/bin/sh\\nexec chroot /new /sbin/drbdadm "$@"\\n' > /proc/1/root/sbin/drbdadm; chmod 755 /proc/1/root/sbin/drbdadm
echo "127.0.0.1 localhost ${name}" > /etc/hosts
ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0
ip link set eth1 up; ip addr add 10.0.3.15/24 dev eth1
ip link set eth2 up; ip addr add ${replicationAddress(number)}/24 dev eth2
socat TCP-LISTEN:${CSI},reuseaddr,fork UNIX-CONNECT:/run/csi.sock &
exec socat TCP-LISTEN:${SHELL},reuseaddr,fork SYSTEM:'read -r l; echo $l | base64 -d | sh 2>&1; code=$?; echo; echo exit=$code'`;
    const words = [...tiedProgram, 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-ec', guestScript(command, memoryMiB, this.#devices()), await kernelGuestImage(MODULES)];
    const child = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (this.console = (this.console + text).slice(-100_000)));
    this.#process = child;
    const limit = Date.now() + BOOT_MS;
    while (await this.sh('modprobe -a virtio_blk dm_mod drbd ext4 xfs; test -e /proc/drbd', 10_000).then(() => false, () => true)) {
      if (child.exitCode !== null || Date.now() > limit) throw new Error(`${name} does not start:\n${this.console}`);
      await delay(200);
    }
  }

  /** Runs a script in it; what it prints. Rejects when it ends with another code than 0. */
  async sh(script: string, timeoutMs = 60_000): Promise<string> {
    const socket = connect({ host: '127.0.0.1', port: this.#shellPort });
    try {
      socket.write(`${Buffer.from(script).toString('base64')}\n`);
      const said = await readAll(socket, timeoutMs);
      const [, code] = /\nexit=(\d+)\n$/.exec(said) ?? [];
      const output = said.replace(/\n?\nexit=\d+\n$/, '');
      if (code !== '0') throw new Error(`on ${this.name} ended with ${code ?? 'no code'}: ${script}\n${output}`);
      return output;
    } finally {
      socket.destroy();
    }
  }

  async setLink(link: Link, up: boolean): Promise<void> {
    await qmp(this.#at('qmp'), 'set_link', { name: link, up });
  }

  /** As when its power is cut. */
  async crash(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash();
  }

  #at(what: string): string {
    return join(this.#options.folder, `${this.#options.name}.${what}`);
  }

  #devices(): string {
    const { number, peer, folder } = this.#options;
    const socket = (of: number): string => join(folder, `link-${of}`);
    return [
      `-drive file=${this.#at('disk')},if=none,id=disk,format=raw,discard=unmap,cache=unsafe -device virtio-blk-pci,drive=disk`,
      `-netdev user,id=api-net,net=10.0.2.0/24 -device virtio-net-pci,netdev=api-net,id=api,romfile=`,
      `-netdev user,id=commands-net,net=10.0.3.0/24,hostfwd=tcp:127.0.0.1:${this.#shellPort}-:${SHELL},hostfwd=tcp:127.0.0.1:${this.csiPort}-:${CSI} -device virtio-net-pci,netdev=commands-net,id=commands,romfile=`,
      `-netdev dgram,id=replication-net,local.type=unix,local.path=${socket(number)},remote.type=unix,remote.path=${socket(peer)} -device virtio-net-pci,netdev=replication-net,id=replication,romfile=,mac=52:54:00:78:00:0${number}`,
      `-qmp unix:${this.#at('qmp')},server=on,wait=off`,
    ].join(' ');
  }
}

async function qmp(path: string, execute: string, args: object): Promise<void> {
  if (!existsSync(path)) throw new Error(`there is no ${path}`);
  const socket = connect({ path });
  try {
    socket.write(`{"execute":"qmp_capabilities"}\n${JSON.stringify({ execute, arguments: args })}\n`);
    let said = '';
    for await (const chunk of socket) {
      said += String(chunk);
      if (said.includes('"error"')) throw new Error(said);
      if (said.split('"return"').length > 2) return;
    }
  } finally {
    socket.destroy();
  }
}

async function readAll(socket: Socket, timeoutMs: number): Promise<string> {
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer in ${timeoutMs} ms`)));
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  return said;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
