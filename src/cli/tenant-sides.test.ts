import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LABEL_CLOUD_ID } from '../api/open-stack-names.ts';
import type { VirtualMachine } from '../kube/yadokari.ts';
import { SimulatedCloud } from '../openstack/drivers/simulated/cloud.ts';
import { Inventory } from '../openstack/inventory.ts';
import type { InventoryKind, InventoryState } from '../openstack/inventory/state.ts';
import { differences, serverRows, type TenantSides } from './tenant-sides.ts';

const { there, address } = await (async (): Promise<{ readonly there: InventoryState; readonly address: string }> => {
  await using cloud = new SimulatedCloud();
  cloud.populate(1);
  const { state } = await new Inventory(cloud).sync();
  return { there: state, address: [...state.servers.values()][0]?.addresses[0]?.address ?? assert.fail() };
})();
const [id = ''] = there.servers.keys();
const subnets = there.subnets.size;

function sides(machine: Partial<NonNullable<VirtualMachine['status']>> | undefined, here: readonly (readonly [InventoryKind, number])[] = [['servers', 1]]): TenantSides {
  const machines: readonly VirtualMachine[] = machine === undefined ? [] : [{ apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachine', metadata: { name: 'vm', labels: { [LABEL_CLOUD_ID]: id } }, spec: {}, status: machine }];
  return { there, machines, here: new Map(here) };
}

describe('the two sides of a tenant', () => {
  it('are alike when every server has its machine', () => assert.deepEqual(differences(sides({ printableStatus: 'Running', address })), []));

  it('differ by a machine, a status, an address or a number', () => {
    assert.match(differences(sides(undefined)).join(), /server server-0 has no machine here/);
    assert.match(differences(sides({ printableStatus: 'Stopped', address })).join(), /server server-0 is ACTIVE, and its machine Stopped/);
    assert.match(differences(sides({ printableStatus: 'Running', address: '192.0.2.1' })).join(), /machine vm has the address 192\.0\.2\.1/);
    assert.match(differences(sides({ printableStatus: 'Running', address }, [['servers', 2]])).join(), /2 servers are here, and 1 should be/);
  });

  it('may have fewer subnets here, since the cluster may have their addresses itself', () => {
    const running = { printableStatus: 'Running', address } as const;
    assert.deepEqual(differences(sides(running, [['subnets', subnets - 1]])), []);
    assert.equal(differences(sides(running, [['subnets', subnets + 1]])).length, 1);
  });

  it('are shown side by side', () => assert.deepEqual(serverRows(sides({ printableStatus: 'Running', address, cpu: 1, memory: '512Mi' }))[1], ['server-0', 'ACTIVE', 'm1.tiny', address, 'vm', 'Running', '1', '512Mi', address]));
});
