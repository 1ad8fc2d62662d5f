import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CompiledDisk } from '../api/compiled-guest.ts';
import { silentLog } from '../base/log.ts';
import { KubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/event-recorder.ts';
import { FakeApi } from '../kube/fake-api.ts';
import { SimulatedHypervisor } from '../vm/drivers/simulated/hypervisor.ts';
import type { GuestDisk } from '../vm/port.ts';
import type { Anchor } from './anchor.ts';
import { DiskPlugger } from './disk-plugger.ts';
import type { GuestVolumes } from './guest-volumes.ts';
import { VolumePendingError } from './published-volumes.ts';

const signal = AbortSignal.timeout(20_000);
const own: GuestDisk = { name: 'root', path: '/d/root.qcow2', format: 'qcow2', readOnly: false, device: 'disk' };
const seed: GuestDisk = { ...own, name: 'cidata' };
const ofClaim = (name: string): CompiledDisk => ({ name, claim: { name: `claim-${name}`, mode: 'Block' }, sizeBytes: 0, ephemeral: false, readOnly: false });
const root: CompiledDisk = { name: 'root', sizeBytes: 0, ephemeral: false, readOnly: false };
const anchorWith = (...disks: readonly CompiledDisk[]) => ({ key: 'shop/web-a', namespace: 'shop', name: 'web-a', uid: 'p1', guest: { name: 'web', uid: 'u1', disks: [root, ...disks] } }) as unknown as Anchor;

async function given() {
  const hypervisor = new SimulatedHypervisor({ startMs: 0, consoleLogs: false });
  await hypervisor.start({ id: 'u1', name: 'shop.web', hostname: 'web', memoryMiB: 64, cpu: { sockets: 1, cores: 1, threads: 1 }, boot: { kind: 'firmware', firmware: 'bios' }, disks: [own, seed], interfaces: [], consoleLogPath: '/nowhere' });
  const volumes = { published: new Map<string, number>(), leaving: new Set<string>() };
  const guestVolumes = {
    isLeaving: (_: Anchor, { name }: CompiledDisk) => volumes.leaving.has(name),
    sizeBytes: async ({ name }: CompiledDisk) => volumes.published.get(name) ?? 0,
    disk: async (_: Anchor, { name }: CompiledDisk): Promise<GuestDisk> => {
      if (!volumes.published.has(name)) throw new VolumePendingError(name, 'web-a');
      return { name, path: `/k/${name}`, source: 'block', format: 'raw', readOnly: false, device: 'disk' };
    },
  } as unknown as GuestVolumes;
  const plugger = new DiskPlugger({ hypervisor, volumes: guestVolumes, events: new EventRecorder({ client: new KubeClient(new FakeApi()), controller: 'test', instance: 'n1', log: silentLog }) });
  return { hypervisor, volumes, plugger, live: async () => (await hypervisor.disks('u1')).map(({ name }) => name) };
}

describe('disks of a running guest', () => {
  it('are left alone where they are not of claims', async () => {
    const { plugger, live } = await given();
    assert.deepEqual(await plugger.settle(anchorWith(), signal), {});
    assert.deepEqual(await live(), ['root', 'cidata']);
  });

  it('are plugged in once their volume is there, and what is waited for is said', async () => {
    const { plugger, live, volumes } = await given();
    const waiting = await plugger.settle(anchorWith(ofClaim('data')), signal);
    assert.match(waiting.disks?.[0]?.message ?? '', /waiting for the volume of claim data/);
    assert.ok((waiting.againMs ?? 0) > 0);
    volumes.published.set('data', 100);
    await plugger.settle(anchorWith(ofClaim('data')), signal);
    assert.deepEqual(await live(), ['root', 'cidata', 'data']);
  });

  it('grow with their volume, and are reported with what the guest sees', async () => {
    const { plugger, volumes } = await given();
    volumes.published.set('data', 100);
    for (let step = 0; step < 2; step += 1) await plugger.settle(anchorWith(ofClaim('data')), signal);
    assert.deepEqual(await plugger.settle(anchorWith(ofClaim('data')), signal), { disks: [{ name: 'data', claim: 'claim-data', attached: true, sizeBytes: 100 }] });
    volumes.published.set('data', 200);
    assert.equal((await plugger.settle(anchorWith({ ...ofClaim('data'), sizeBytes: 200 }), signal)).disks?.[0]?.sizeBytes, 200);
  });

  it('are taken away when nobody wants them, and when the pod that holds their volume is deleted', async () => {
    const { plugger, live, volumes } = await given();
    for (const name of ['data', 'more']) volumes.published.set(name, 100);
    for (let step = 0; step < 2; step += 1) await plugger.settle(anchorWith(ofClaim('data'), ofClaim('more')), signal);
    assert.deepEqual(await live(), ['root', 'cidata', 'data', 'more']);
    await plugger.settle(anchorWith(ofClaim('more')), signal);
    assert.deepEqual(await live(), ['root', 'cidata', 'more']);
    volumes.leaving.add('more');
    await plugger.settle(anchorWith(ofClaim('more')), signal);
    assert.deepEqual(await live(), ['root', 'cidata']);
    assert.deepEqual(await plugger.settle(anchorWith(), signal), {});
  });
});
