import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../../src/base/process.ts';
import { buildGuestImage, type GuestImage } from '../../src/local/images/guest-image.ts';
import { LibvirtHypervisor } from '../../src/vm/drivers/libvirt/hypervisor.ts';
import { probeAcceleration } from '../../src/vm/drivers/libvirt/acceleration.ts';
import type { GuestDefinition } from '../../src/vm/port.ts';
import { hypervisorContract } from '../contract/hypervisor.ts';
import { LibvirtHost } from '../env/libvirt-host.ts';

const cacheFolder = join(tmpdir(), 'yado-test-images');
const folder = await mkdtemp(join(tmpdir(), 'yado-libvirt-test-'));
let host: LibvirtHost;
let image: GuestImage;

const acceleration = () => probeAcceleration({ stateFolder: join(folder, 'state') });
const open = () => new LibvirtHypervisor({ socketPath: host.socketPath, acceleration });

async function define(name: string, id: string): Promise<GuestDefinition> {
  const files = join(folder, 'tiny');
  await mkdir(join(folder, name), { recursive: true });
  return {
    id,
    name,
    hostname: 'contract',
    cpu: { sockets: 1, cores: 1, threads: 1 },
    memoryMiB: image.minimumMemoryMiB,
    boot: { kind: 'kernel', kernelPath: join(files, 'vmlinuz'), initrdPath: join(files, 'initrd.img'), commandLine: image.commandLine },
    disks: [],
    interfaces: [],
    consoleLogPath: join(folder, name, 'console.log'),
  };
}

before(async () => {
  image = await buildGuestImage({ cacheFolder });
  await mkdir(join(folder, 'tiny'));
  await run('tar', ['-xf', image.path, '-C', join(folder, 'tiny')]);
  host = await LibvirtHost.start();
}, { timeout: 300_000 });

after(async () => {
  await host?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

hypervisorContract('libvirt', async () => ({
  hypervisor: open(),
  define,
  crash: (name) => host.killQemu(name),
  interrupt: () => host.killDaemon(500),
  identity: (name) => host.qemuPid(name),
  patienceMs: 90_000,
}));

describe('libvirt', { timeout: 120_000 }, () => {
  test('costs little more than libvirt itself', async () => {
    const hypervisor = open();
    const ours: number[] = [];
    const raw: number[] = [];
    for (let round = 0; round < 3; round++) {
      const id = randomUUID();
      const guest = await define(`floor-${round}`, id);
      let started = performance.now();
      await hypervisor.start(guest);
      ours.push(performance.now() - started);
      const xml = join(folder, 'floor.xml');
      const virsh = (...args: string[]) => run('virsh', ['-c', `qemu+unix:///system?socket=${host.socketPath}`, ...args]);
      await run('sh', ['-c', `virsh -c 'qemu+unix:///system?socket=${host.socketPath}' dumpxml --inactive ${guest.name} > ${xml}`]);
      await virsh('destroy', guest.name);
      started = performance.now();
      await virsh('start', guest.name);
      raw.push(performance.now() - started);
      await hypervisor.remove(id);
    }
    const calls = performance.now();
    await Promise.all(Array.from({ length: 1000 }, () => hypervisor.get(randomUUID())));
    console.log(`# start, ms: ours (define and create) ${ours.map(Math.round).join(' ')}, virsh start ${raw.map(Math.round).join(' ')}; 1000 states ${Math.round(performance.now() - calls)} ms`);
    assert.ok(Math.min(...ours) < Math.min(...raw) + 500);
    await hypervisor[Symbol.asyncDispose]();
  });

  test('says what is wrong when nothing listens', async () => {
    const hypervisor = new LibvirtHypervisor({ socketPath: join(folder, 'nobody'), acceleration });
    await assert.rejects(hypervisor.list(), { code: 'HypervisorUnavailable', disposition: 'retry' });
    await hypervisor[Symbol.asyncDispose]();
  });

  test('says what is wrong when a definition cannot be run', async () => {
    const hypervisor = open();
    const id = randomUUID();
    const guest = await define('uefi', id);
    await assert.rejects(hypervisor.start({ ...guest, cpu: { ...guest.cpu, model: 'no-such-model' } }), { code: 'GuestRejected', disposition: 'stalled' });
    await hypervisor.remove(id);
    await hypervisor[Symbol.asyncDispose]();
  });
});
