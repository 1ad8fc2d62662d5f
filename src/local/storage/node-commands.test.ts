import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkPlan } from '../network-plan.ts';
import { storageCommands } from './node-commands.ts';
import type { StorageRecord } from './record.ts';

const sidecars = { 'csi-provisioner': '/p', 'csi-attacher': '/a', 'csi-resizer': '/r', 'csi-snapshotter': '/s', 'snapshot-controller': '/c' };
const record: StorageRecord = { kinds: ['local', 'nfs'], driverProgram: '/csi.mjs', sidecars, snapshotDefinitions: '/d' };
const namesOn = (node: string, storage: StorageRecord): readonly string[] => storageCommands({ storage, plan: networkPlan(3), node, nodeExecutable: '/node' }).map(({ name }) => name);
const ofDriver = (kind: string): readonly string[] => ['', '-provisioner', ...(kind === 'local' ? [] : ['-attacher']), '-snapshotter', '-resizer'].map((part) => `csi-${kind}${part}`);

describe('what a node runs for volumes', () => {
  it('is a driver of each kind with its sidecars, on every node', () => {
    for (const node of ['n1', 'n2']) assert.deepEqual(namesOn(node, record), [...ofDriver('local'), ...ofDriver('nfs')]);
  });

  it('is a server of NFS before all else on the first node, where alone its volumes are made', () => {
    const served: StorageRecord = { ...record, servers: ['nfs'], nfsProgram: '/nfs.mjs' };
    assert.deepEqual(namesOn('n1', served), ['nfs-server', ...ofDriver('local'), ...ofDriver('nfs')]);
    assert.deepEqual(namesOn('n2', served), [...ofDriver('local'), 'csi-nfs']);
    const [server] = storageCommands({ storage: served, plan: networkPlan(3), node: 'n1', nodeExecutable: '/node' });
    assert.match(server?.command.join(' ') ?? '', /\/nfs[.]mjs --node n1 --path \/var\/lib\/yadokari\/nfs\/volumes --address 10[.]55[.]3[.]11 --port 2049 --client 10[.]55[.]3[.]0\/24$/);
  });
});
