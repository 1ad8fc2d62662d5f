import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { API_VERSION } from '../api/group.ts';
import { silentLog } from '../base/log.ts';
import { KubeClient } from '../kube/client.ts';
import { pods as podResource, type Pod } from '../kube/core.ts';
import { FakeApi } from '../kube/fake-api.ts';
import { Informer } from '../kube/informer.ts';
import type { KubeObject } from '../kube/object.ts';
import { memoryIpam, SimulatedNetwork } from '../network/drivers/simulated/simulated-network.ts';
import { SimulatedHypervisor } from '../vm/drivers/simulated/hypervisor.ts';
import type { DiskStore, GuestDefinition } from '../vm/port.ts';
import { MachineLookup } from './machine-lookup.ts';
import { OrphanSweeper } from './orphan-sweeper.ts';

const signal = AbortSignal.timeout(20_000);
const anchor = (name: string): Pod => ({
  apiVersion: 'v1', kind: 'Pod',
  metadata: { namespace: 'shop', name: `${name}-a`, uid: `p-${name}`, finalizers: ['yadokari.dev/guest'], labels: { 'yadokari.dev/virtual-machine': name }, annotations: { 'yadokari.dev/guest': JSON.stringify({ name, uid: `u-${name}` }) } },
  spec: { containers: [] },
});
const definition = (name: string): GuestDefinition => ({ id: `u-${name}`, name: `shop.${name}`, hostname: name, memoryMiB: 64, cpu: { sockets: 1, cores: 1, threads: 1 }, boot: { kind: 'firmware', firmware: 'bios' }, disks: [], interfaces: [], consoleLogPath: '/nowhere' });

/** A host with guests, taps and folders of these names, in a cluster that knows the anchors of `anchored` and the machines of `known`. */
async function given(names: readonly string[], anchored: readonly string[], known: readonly string[]) {
  const api = new FakeApi();
  const client = new KubeClient(api);
  for (const name of anchored) api.put('/api/v1/pods', anchor(name));
  for (const name of known) api.put('/apis/yadokari.dev/v1alpha1/namespaces/shop/virtualmachines', { apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { namespace: 'shop', name, uid: `u-${name}` } } as KubeObject);
  const pods = new Informer(client, podResource);
  const hypervisor = new SimulatedHypervisor({ startMs: 0, shutdownMs: 1, consoleLogs: false });
  const network = new SimulatedNetwork({ node: 'n1', ipam: await memoryIpam() });
  const stopped: string[] = [];
  const folders = new Set(names.map((name) => `shop.${name}.u-${name}`));
  const disks = { guests: async () => [...folders], remove: async (folder: string) => void folders.delete(folder) } as unknown as DiskStore;
  for (const name of names) {
    await hypervisor.start(definition(name));
    await network.ensureGuest({ namespace: 'shop', virtualMachine: name, uid: `u-${name}`, pod: `${name}-a`, hostname: name }, signal);
  }
  return {
    api, pods, hypervisor, network, folders,
    sweeper: new OrphanSweeper({ pods, machines: new MachineLookup(client), hypervisor, network, disks, onStopped: (found) => void stopped.splice(0, Infinity, ...found.map(({ name }) => name)), log: silentLog }),
    stopped: () => stopped,
    sync: async () => {
      pods.start();
      await pods.waitForSync(signal);
    },
    [Symbol.asyncDispose]: () => pods[Symbol.asyncDispose](),
  };
}

describe('what nobody owns', () => {
  it('is taken to be owned while the cache is incomplete', async () => {
    await using world = await given(['web'], [], []);
    assert.equal(await world.sweeper.sweep(signal), true);
    assert.deepEqual([(await world.hypervisor.get('u-web')).phase, world.network.guests.size, world.folders.size], ['running', 1, 1]);
  });

  it('is a guest without an anchor: shut down first, removed afterwards', async () => {
    await using world = await given(['web', 'db'], ['web'], ['web']);
    await world.sync();
    assert.equal(await world.sweeper.sweep(signal), true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(await world.hypervisor.get('u-db'), { phase: 'stopped', reason: 'shutdown' });
    assert.equal(await world.sweeper.sweep(signal), false);
    assert.equal((await world.hypervisor.get('u-db')).phase, 'absent');
    assert.equal((await world.hypervisor.get('u-web')).phase, 'running');
  });

  it('is a tap without an anchor', async () => {
    await using world = await given(['web', 'db'], ['web'], ['web', 'db']);
    await world.sync();
    await world.sweeper.sweep(signal);
    assert.deepEqual([...world.network.guests.keys()], ['shop/web-a']);
  });

  it('is a folder of a machine that does not exist; a stopped machine keeps its disks', async () => {
    await using world = await given(['web', 'db', 'old'], ['web'], ['web', 'db']);
    await world.sync();
    await world.sweeper.sweep(signal);
    assert.deepEqual([...world.folders].sort(), ['shop.db.u-db', 'shop.web.u-web']);
    assert.deepEqual(world.stopped(), ['db']);
  });

  it('is no guest whose anchor came while the sweep was looking', async () => {
    await using world = await given(['web'], [], ['web']);
    await world.sync();
    const list = world.hypervisor.list.bind(world.hypervisor);
    world.hypervisor.list = async (...rest) => {
      world.api.put('/api/v1/pods', anchor('web'));
      for (let tries = 0; tries < 100 && world.pods.list().length === 0; tries += 1) await new Promise((resolve) => setTimeout(resolve, 5));
      return list(...rest);
    };
    assert.equal(await world.sweeper.sweep(signal), false);
    assert.equal((await world.hypervisor.get('u-web')).phase, 'running');
    assert.equal(world.network.guests.size, 1);
  });
});
