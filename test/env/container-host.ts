import { randomUUID } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import { silentProgress } from '../../src/base/progress.ts';
import { createLog } from '../../src/base/log.ts';
import { HttpLink } from '../../src/container/link/http-link.ts';
import { SerialConnector } from '../../src/container/link/serial-connector.ts';
import { buildContainerHostImage } from '../../src/local/images/container-host-image.ts';
import type { GuestImage } from '../../src/local/images/guest-image.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { probeAcceleration } from '../../src/vm/drivers/libvirt/acceleration.ts';
import { LibvirtHypervisor } from '../../src/vm/drivers/libvirt/hypervisor.ts';
import { LibvirtHost } from './libvirt-host.ts';

const root = join(import.meta.dirname, '../..');

/** The image of a guest that hosts containers, built from the sources beside us. */
export function containerHostImage(cacheFolder: string): Promise<GuestImage> {
  return buildContainerHostImage({ cacheFolder, relaySource: join(root, 'src/bin/yado-relay'), toolchainCache: defaultCacheRoot, environment: process.env, progress: silentProgress });
}

/** A guest that hosts containers, under a libvirtd of its own, without a network. */
export class ContainerHost implements AsyncDisposable {
  readonly id = randomUUID();
  readonly #folder: string;
  readonly #host: LibvirtHost;
  readonly #hypervisor: LibvirtHypervisor;

  private constructor(folder: string, host: LibvirtHost) {
    this.#folder = folder;
    this.#host = host;
    this.#hypervisor = new LibvirtHypervisor({ socketPath: host.socketPath, acceleration: () => probeAcceleration({ stateFolder: join(folder, 'state') }) });
  }

  /** Starts the guest, with a disk for its containers; files are kept in the folder, which exists. */
  static async start(folder: string, image: GuestImage, memoryMiB = image.minimumMemoryMiB): Promise<ContainerHost> {
    const files = join(folder, 'image');
    await mkdir(files);
    await run('tar', ['-xf', image.path, '-C', files]);
    const disk = join(folder, 'containers.qcow2');
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', disk, '4G']);
    const guest = new ContainerHost(folder, await LibvirtHost.start());
    await guest.#hypervisor.info();
    await guest.#hypervisor.start({
      id: guest.id, name: 'link.host', hostname: 'host', memoryMiB,
      cpu: { sockets: 1, cores: 1, threads: 1 },
      boot: { kind: 'kernel', kernelPath: join(files, 'vmlinuz'), initrdPath: join(files, 'initrd.img'), commandLine: image.commandLine },
      disks: [{ name: 'containers', path: disk, format: 'qcow2', readOnly: false, device: 'disk' }],
      interfaces: [],
      channels: [{ name: 'dev.yadokari.relay.0', path: guest.channel }],
      consoleLogPath: join(folder, 'console.log'),
    });
    return guest;
  }

  get channel(): string {
    return join(this.#folder, 'relay.sock');
  }

  get runtimeSocket(): string {
    return join(this.#folder, 'runtime.sock');
  }

  /** The only link may be open at a time. */
  link(): Promise<HttpLink> {
    return HttpLink.open({ connector: new SerialConnector(this.channel), runtimeSocket: this.runtimeSocket, log: createLog({ level: process.env['YADO_LOG'] ?? 'silent' }) });
  }

  /** Runs a shell command in the guest by way of its QEMU guest agent, and returns what it prints. */
  async shell(command: string): Promise<string> {
    const { pid } = await this.#agent('guest-exec', { path: '/bin/sh', arg: ['-c', command], 'capture-output': true }) as { readonly pid: number };
    for (;;) {
      const status = await this.#agent('guest-exec-status', { pid }) as { readonly exited: boolean; readonly 'out-data'?: string };
      if (status.exited) return Buffer.from(status['out-data'] ?? '', 'base64').toString('utf8').trim();
      await sleep(50);
    }
  }

  async reset(): Promise<void> {
    await this.#hypervisor.reset(this.id);
  }

  async console(): Promise<string> {
    return readFile(join(this.#folder, 'console.log'), 'utf8').catch(() => '');
  }

  /** Resident memory of the guest's QEMU, in MiB. */
  async memoryMiB(): Promise<number> {
    const [usage] = await this.#hypervisor.usage();
    return Math.round((usage?.memoryBytes ?? 0) / 2 ** 20);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hypervisor.remove(this.id).catch(() => {});
    await this.#hypervisor[Symbol.asyncDispose]();
    await this.#host[Symbol.asyncDispose]();
  }

  #agent(execute: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.#hypervisor.agentCommand(this.id, execute, args, AbortSignal.timeout(20_000));
  }
}
