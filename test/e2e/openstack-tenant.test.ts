import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ANNOTATION_RESTARTED_AT } from '../../src/api/group.ts';
import { ANNOTATION_CLOUD_NAME, LABEL_TENANT, securityGroupLabel } from '../../src/api/open-stack-names.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { conditionOf } from '../../src/kube/conditions.ts';
import { events, persistentVolumeClaims, secrets } from '../../src/kube/core.ts';
import type { KubeObject, Resource } from '../../src/kube/object.ts';
import { persistentVolumes } from '../../src/kube/storage.ts';
import { instanceTypes, openStackTenants, virtualMachineImages, virtualMachines, type OpenStackTenant, type VirtualMachine } from '../../src/kube/yadokari.ts';
import { ipPools, networkPolicies } from '../../src/network/calico/kinds.ts';
import { SimulatedCloud } from '../../src/openstack/drivers/simulated/cloud.ts';
import type { MirrorOperator } from '../env/mirror-operator.ts';
import { cloudIdOf as idOf, SimulatedTenants, simulatedCloudsYaml } from '../env/simulated-tenants.ts';

const binDirectory = process.env['YADO_BIN'];

describe('a tenant of an OpenStack cloud', { skip: binDirectory === undefined ? 'YADO_BIN names no folder with etcd and kube-apiserver' : false, timeout: 600_000 }, () => {
  let tenants: SimulatedTenants;
  let operator: MirrorOperator;
  let admin: KubeClient;
  let clouds: Map<string, SimulatedCloud>;

  before(async () => {
    tenants = await SimulatedTenants.start(binDirectory ?? '');
    ({ operator, admin, clouds } = tenants);
  });
  after(() => tenants?.[Symbol.asyncDispose]());

  const eventually = <T>(what: string, look: () => Promise<T | undefined | false>, seconds?: number): Promise<T> => tenants.eventually(what, look, seconds);
  const inNamespace = <T extends KubeObject>(resource: Resource<T>, namespace: string): Promise<readonly T[]> => tenants.mirrored(resource, namespace);
  const machineOf = async (namespace: string, id: string): Promise<VirtualMachine | undefined> => (await inNamespace(virtualMachines, namespace)).find((vm) => idOf(vm) === id);
  const tenantOf = (namespace: string): Promise<OpenStackTenant> => tenants.tenant(namespace);
  const ready: SimulatedTenants['ready'] = (...args) => tenants.ready(...args);
  const given: SimulatedTenants['given'] = (...args) => tenants.given(...args);
  const subnet = (cloud: SimulatedCloud, id: string, cidr: string): void => {
    const [first] = cloud.network.table.subnets.values();
    if (first !== undefined) cloud.network.table.subnets.set(id, { ...first, id, name: id, cidr, revision: 0 });
  };

  it('is mirrored without a difference', async () => {
    const cloud = await given('mirror', {}, async (there) => {
      await there.compute.createKeypair('Alice Key', 'ssh-ed25519 AAAA alice');
      const volume = await there.volume?.createVolume({ name: 'Data 1', sizeGiB: 3 });
      for (let n = 0; n < 25; n += 1) there.compute.add({ name: `Web Server ${n % 24}`, flavorId: 'm1.small', networks: 'auto', keyName: 'Alice Key', metadata: { tier: n < 5 ? 'web' : 'db' }, ...(n === 0 && volume !== undefined ? { disks: [{ source: { kind: 'volume', id: volume.id }, destination: 'volume', deleteOnTermination: false }] } : {}) });
      subnet(there, 'private', '192.168.7.0/24');
    });
    const tenant = await ready('mirror');
    const vms = await inNamespace(virtualMachines, 'mirror');
    assert.deepEqual(new Set(vms.map(idOf)), new Set(cloud.compute.table.keys()));
    assert.equal(vms.length, cloud.compute.table.size);
    assert.equal(new Set(vms.map(({ metadata }) => metadata.name)).size, 25, 'two servers of one name are two machines');
    for (const vm of vms) {
      const server = cloud.compute.table.get(idOf(vm) ?? '') ?? assert.fail(`no server for ${vm.metadata.name}`);
      assert.deepEqual(vm.spec.provider, { openstack: { tenant: 'shop', server: server.id } });
      assert.deepEqual([vm.spec.runStrategy, vm.status?.printableStatus, vm.status?.ready], ['Always', 'Running', true]);
      assert.equal(vm.metadata.annotations?.[ANNOTATION_CLOUD_NAME], server.name);
      assert.match(vm.metadata.name, /^web-server-\d+(-[0-9a-f]{8})?$/);
      assert.equal(vm.metadata.labels?.[securityGroupLabel([...cloud.network.table['security-groups'].keys()][0] ?? '')], '');
      const shown = vm.status?.provider?.openstack;
      assert.deepEqual([shown?.status, shown?.flavor, shown?.keyName, shown?.metadata], ['ACTIVE', 'm1.small', 'Alice Key', server.metadata]);
      assert.deepEqual(shown?.addresses?.map(({ address, mac }) => [address, mac]), server.addresses.map(({ address, macAddress }) => [address, macAddress]));
      assert.deepEqual((shown?.volumes ?? []).map(({ id }) => id), server.volumes.map(({ id }) => id));
      assert.deepEqual([vm.status?.address, vm.status?.cpu, vm.status?.memory], [server.addresses[0]?.address, 1, '2Gi']);
      assert.deepEqual(vm.metadata.finalizers ?? [], [], 'nobody but the mirror works on it');
    }
    const types = await inNamespace(instanceTypes, 'mirror');
    assert.deepEqual(Object.fromEntries(types.map(({ metadata, spec }) => [metadata.name, [spec.cpu, spec.memory]])), { 'm1-large': [4, '8Gi'], 'm1-small': [1, '2Gi'], 'm1-tiny': [1, '512Mi'] });
    const [image] = await inNamespace(virtualMachineImages, 'mirror');
    assert.deepEqual(image?.spec.source, { glance: { tenant: 'shop', image: idOf(image) } });
    await eventually('the condition of the image', async () => conditionOf((await inNamespace(virtualMachineImages, 'mirror'))[0]?.status?.conditions, 'Ready')?.reason === 'InGlance');
    const [claim] = await inNamespace(persistentVolumeClaims, 'mirror');
    const volumes = (await admin.listAll(persistentVolumes, { labelSelector: LABEL_TENANT })).items;
    const [volume] = volumes;
    assert.deepEqual([claim?.metadata.name, claim?.spec.volumeName, claim?.spec.resources?.requests?.['storage']], ['data-1', volume?.metadata.name, '3Gi']);
    assert.deepEqual([volume?.spec.csi, volume?.spec.claimRef?.name], [{ driver: 'openstack.csi.yadokari.dev', volumeHandle: idOf(volume) }, 'data-1']);
    const [key] = (await inNamespace(secrets, 'mirror'));
    assert.equal(Buffer.from(key?.data?.['ssh-publickey'] ?? '', 'base64').toString(), 'ssh-ed25519 AAAA alice\n');
    const [policy] = await inNamespace(networkPolicies, 'mirror');
    assert.deepEqual(policy?.spec.types, ['Ingress', 'Egress']);
    const pools = (await admin.listAll(ipPools, { labelSelector: LABEL_TENANT })).items;
    assert.deepEqual(pools.map(({ metadata, spec }) => [metadata.name, spec.cidr, spec.disabled]), [['shop-mirror-private', '192.168.7.0/24', true]]);
    assert.match(conditionOf(tenant.status?.conditions, 'NetworksOverlap')?.message ?? '', /subnet lan-v4 \(10\.0\.0\.0\/8\) overlaps the addresses of Services \(10\.98\.0\.0\/16\)/);
    // What was made a moment ago is counted once the operator's own cache shows it.
    const counted = await eventually('all servers counted', async () => {
      const one = await tenantOf('mirror');
      return one.status?.counts?.find(({ kind }) => kind === 'servers')?.here === 25 && one;
    });
    assert.deepEqual(counted.status?.counts?.filter(({ kind }) => ['servers', 'flavors', 'volumes', 'subnets', 'ports'].includes(kind)), [{ kind: 'servers', there: 25, here: 25 }, { kind: 'ports', there: 25 }, { kind: 'volumes', there: 1, here: 1 }, { kind: 'subnets', there: 2, here: 1 }, { kind: 'flavors', there: 3, here: 3 }]);
    assert.equal(tenant.status?.project?.name, 'simulated');
    await delay(500);
    assert.equal(conditionOf((await tenantOf('mirror')).status?.conditions, 'Drifted')?.status, 'False', 'nothing is taken for a change of somebody else');
    assert.equal(tenant.status?.quota?.find(({ name }) => name === 'instances')?.used, 25);
  });

  it('shows what changes in the cloud', async () => {
    const cloud = clouds.get('mirror') ?? assert.fail();
    const [first = '', second = '', third = ''] = cloud.compute.table.keys();
    const name = (await machineOf('mirror', first))?.metadata.name;
    cloud.compute.change(first, { status: 'SHUTOFF', power: 'shutdown', name: 'renamed', metadata: {} });
    cloud.compute.change(second, { status: 'ERROR', fault: { code: 500, message: 'No valid host was found.' } });
    cloud.compute.remove(third);
    const vm = await eventually('the change', async () => {
      const found = await machineOf('mirror', first);
      return found?.status?.printableStatus === 'Stopped' && found;
    });
    assert.deepEqual([vm.metadata.name, vm.metadata.annotations?.[ANNOTATION_CLOUD_NAME], vm.spec.runStrategy, vm.status?.provider?.openstack?.metadata], [name, 'renamed', 'Halted', undefined]);
    await eventually('the erred one', async () => (await machineOf('mirror', second))?.status?.printableStatus === 'ErrorGuest');
    assert.equal(conditionOf((await machineOf('mirror', second))?.status?.conditions, 'Ready')?.message, 'No valid host was found.');
    await eventually('the end of the third', async () => await machineOf('mirror', third) === undefined);
  });

  it('puts back what is changed here, and leaves the cloud alone', async () => {
    const cloud = clouds.get('mirror') ?? assert.fail();
    const id = [...cloud.compute.table.values()].find(({ status }) => status === 'ACTIVE')?.id ?? '';
    const vm = await machineOf('mirror', id) ?? assert.fail();
    await admin.patch(virtualMachines, vm.metadata, { spec: { runStrategy: 'Halted' }, metadata: { annotations: { [ANNOTATION_RESTARTED_AT]: 'now' }, labels: { mine: 'yes' } } });
    const back = await eventually('the machine being put back', async () => {
      const found = await machineOf('mirror', id);
      return found?.spec.runStrategy === 'Always' && found;
    }, 3);
    assert.deepEqual([back.metadata.annotations?.[ANNOTATION_RESTARTED_AT], back.metadata.labels?.['mine']], [undefined, 'yes']);
    assert.equal(cloud.compute.table.get(id)?.status, 'ACTIVE');
    const tenant = await eventually('the condition', async () => {
      const found = await tenantOf('mirror');
      return conditionOf(found.status?.conditions, 'Drifted')?.status === 'True' && found;
    });
    assert.match(conditionOf(tenant.status?.conditions, 'Drifted')?.message ?? '', new RegExp(`VirtualMachine ${vm.metadata.name} .*spec\\.runStrategy`));
    await eventually('the event', async () => (await admin.listAll(events, { namespace: 'mirror' })).items.some((event) => event['reason'] === 'PutBack'));
    await admin.delete(virtualMachines, back.metadata);
    await eventually('the machine being there again', async () => (await machineOf('mirror', id))?.status?.printableStatus === 'Running', 5);
    assert.ok(cloud.compute.table.has(id));
  });

  it('touches nothing that is not its own, and says who has the name', async () => {
    const cloud = await given('clash', {}, async (there) => {
      there.compute.add({ name: 'web', flavorId: 'm1.tiny', networks: 'none' });
      await admin.create(virtualMachines, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachine', metadata: { namespace: 'clash', name: 'web' }, spec: { runStrategy: 'Halted', memory: '128Mi', disks: [{ name: 'a', blank: {}, size: '1Gi' }] } });
    });
    const tenant = await ready('clash');
    const [id = ''] = cloud.compute.table.keys();
    const mirrored = await machineOf('clash', id);
    assert.match(mirrored?.metadata.name ?? '', /^web-[0-9a-f]{8}$/);
    assert.deepEqual(tenant.status?.problems, [`VirtualMachine web is not of this tenant: web of the cloud is VirtualMachine ${mirrored?.metadata.name} here`, ...tenant.status?.problems?.slice(1) ?? []]);
    const foreign = await admin.get(virtualMachines, { namespace: 'clash', name: 'web' });
    assert.deepEqual([foreign.spec.memory, foreign.metadata.labels, foreign.metadata.ownerReferences], ['128Mi', undefined, undefined]);
  });

  it('carries out start, stop and restart in mode Manage, and shows what is refused', async () => {
    const cloud = await given('manage', { servers: { mode: 'Manage', selector: { metadata: { tier: 'web' } } } }, (there) => {
      for (const tier of ['web', 'db']) there.compute.add({ name: tier, flavorId: 'm1.tiny', networks: 'none', metadata: { tier } });
    });
    await ready('manage');
    const [vm, ...others] = await inNamespace(virtualMachines, 'manage');
    assert.deepEqual([vm?.metadata.name, others], ['web', []]);
    const ref = { namespace: 'manage', name: 'web' };
    const id = idOf(vm) ?? '';
    const there = () => cloud.compute.table.get(id);
    const here = () => admin.get(virtualMachines, ref);
    const synced = async (): Promise<string> => {
      const condition = conditionOf((await here()).status?.conditions, 'Synchronized');
      return `${condition?.status ?? ''} ${condition?.reason ?? ''}`;
    };
    await admin.patch(virtualMachines, ref, { spec: { runStrategy: 'Halted' } });
    await eventually('the stop being asked for', async () => there()?.task === 'powering-off', 3);
    await eventually('the stop', async () => (await here()).status?.printableStatus === 'Stopped' && await synced() === 'True InSync');
    assert.deepEqual([there()?.status, (await here()).spec.runStrategy], ['SHUTOFF', 'Halted']);
    cloud.compute.change(id, { status: 'ACTIVE', power: 'running' });
    await eventually('the start there being taken over', async () => (await here()).spec.runStrategy === 'Always');
    await admin.patch(virtualMachines, ref, { metadata: { annotations: { [ANNOTATION_RESTARTED_AT]: 'first' } } });
    await eventually('the restart', async () => (await here()).status?.restartedAt === 'first' && there()?.task === undefined);
    await cloud.compute.act(id, { kind: 'lock' });
    await admin.patch(virtualMachines, ref, { spec: { runStrategy: 'Halted' } });
    await eventually('the refusal', async () => await synced() === 'False Conflict', 3);
    assert.match(conditionOf((await here()).status?.conditions, 'Synchronized')?.message ?? '', /refuses to stop the server: .*is locked/);
    assert.deepEqual([there()?.status, (await here()).spec.runStrategy], ['ACTIVE', 'Halted']);
    await cloud.compute.act(id, { kind: 'unlock' });
    await eventually('the stop once it is unlocked', async () => there()?.status === 'SHUTOFF' && await synced() === 'True InSync');
  });

  /** A machine of a tenant that manages its servers, and both sides of it. */
  const managed = async (namespace: string, fill: (cloud: SimulatedCloud) => Promise<void> | void, name = 'db') => {
    const cloud = await given(namespace, { servers: { mode: 'Manage' } }, fill);
    await ready(namespace);
    const ref = { namespace, name };
    const here = () => admin.get(virtualMachines, ref);
    const id = idOf(await here()) ?? '';
    return {
      cloud, id, here, there: () => cloud.compute.table.get(id),
      write: (spec: object) => admin.patch(virtualMachines, ref, { spec }),
      says: async (): Promise<string> => {
        const { status, reason, message } = conditionOf((await here()).status?.conditions, 'Synchronized') ?? {};
        return `${status} ${reason}: ${message}`;
      },
    };
  };

  it('attaches volumes whose claims are added to a machine, and detaches those that are taken out', async () => {
    const { cloud, id, here, there, write, says } = await managed('disks', async (world) => {
      for (const name of ['first', 'second', 'third']) await world.volume?.createVolume({ name, sizeGiB: 1 });
      await operator.clock.sleep(3000);
      const [first] = world.volume?.table.keys() ?? [];
      const disks = first === undefined ? [] : [{ source: { kind: 'volume' as const, id: first }, destination: 'volume' as const, deleteOnTermination: false }];
      for (const name of ['db', 'other']) world.compute.add({ name, flavorId: 'm1.tiny', networks: 'none', ...(name === 'db' ? { disks } : {}) });
    });
    const [first = '', second = '', third = ''] = cloud.volume?.table.keys() ?? [];
    const attached = () => there()?.volumes.map((volume) => volume.id).sort();
    const claims = async () => (await here()).spec.disks?.map(({ persistentVolumeClaim }) => persistentVolumeClaim);
    const [disk] = (await here()).spec.disks ?? [];
    assert.match(disk?.name ?? '', /^vol-[0-9a-f]{8}$/);
    assert.equal(disk?.persistentVolumeClaim, 'first');
    const mine = { name: 'mine', persistentVolumeClaim: 'second' };
    await write({ disks: [disk, mine] });
    await eventually('the volume being attached', async () => attached()?.includes(second), 3);
    await eventually('both sides being the same', async () => (await says()).startsWith('True InSync'));
    assert.deepEqual((await here()).spec.disks, [disk, mine], 'what is written here keeps its name');
    await write({ disks: [mine] });
    await eventually('the volume being detached', async () => attached()?.length === 1, 3);
    await eventually('both sides being the same', async () => (await says()).startsWith('True InSync'));
    assert.deepEqual([attached(), await claims()], [[second], ['second']]);
    await cloud.compute.attachVolume(id, { volumeId: third });
    await eventually('what was attached there', async () => (await claims())?.length === 2);
    assert.deepEqual(await claims(), ['second', 'third']);
    await cloud.compute.detachVolume(id, third);
    await eventually('what was detached there', async () => (await claims())?.length === 1);
    const other = [...cloud.compute.table.values()].find(({ name }) => name === 'other')?.id ?? '';
    await cloud.compute.attachVolume(other, { volumeId: first });
    await write({ disks: [mine, { name: 'taken', persistentVolumeClaim: 'first' }] });
    await eventually('the refusal', async () => /^False InvalidRequest: the cloud refuses to attach the volume of claim first: .*in-use/.test(await says()));
    await write({ disks: [{ name: 'local', persistentVolumeClaim: 'nothing' }] });
    await eventually('the name of the claim', async () => (await says()).startsWith('False NotMirrored: PersistentVolumeClaim nothing mirrors no volume of OpenStackTenant shop'));
    assert.deepEqual(attached(), [second], 'nothing is detached while it is not known what is meant');
    await cloud.compute.act(id, { kind: 'lock' });
    await write({ disks: [] });
    await eventually('the refusal of a locked server', async () => /^False Conflict: the cloud refuses to detach the volume of claim second: .*is locked/.test(await says()));
    await cloud.compute.act(id, { kind: 'unlock' });
    await eventually('the volume being detached once it is unlocked', async () => attached()?.length === 0 && (await says()).startsWith('True InSync'));
    await admin.patch(openStackTenants, { namespace: 'disks', name: 'shop' }, { spec: { servers: { mode: 'Observe' } } });
    await write({ disks: [mine] });
    await eventually('the disk being put back', async () => await claims() === undefined);
    assert.deepEqual(attached(), []);
  });

  it('resizes a server to the flavor of another InstanceType, and confirms it', async () => {
    const { cloud, id, here, there, write, says } = await managed('size', (world) => void world.compute.add({ name: 'db', flavorId: 'm1.tiny', networks: 'none' }));
    const flavor = () => { const known = there()?.flavor; return known?.kind === 'copy' ? known.name : ''; };
    assert.equal((await here()).spec.instanceType, 'm1-tiny');
    await write({ instanceType: 'm1-large' });
    await eventually('the resize', async () => flavor() === 'm1.large' && there()?.status === 'ACTIVE' && (await says()).startsWith('True InSync'));
    const { spec, status } = await here();
    assert.deepEqual([spec.instanceType, status?.cpu, status?.memory, status?.provider?.openstack?.requestedInstanceType], ['m1-large', 4, '8Gi', undefined]);
    await cloud.compute.act(id, { kind: 'resize', flavorId: 'm1.small' });
    await eventually('what was resized there', async () => (await here()).spec.instanceType === 'm1-small');
    await delay(1500);
    assert.equal(there()?.status, 'VERIFY_RESIZE', 'a resize of somebody else is theirs to confirm');
    await cloud.compute.act(id, { kind: 'confirmResize' });
    await eventually('the end of it', async () => there()?.status === 'ACTIVE');
    await admin.create(instanceTypes, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'InstanceType', metadata: { namespace: 'size', name: 'local' }, spec: { cpu: 1, memory: '1Gi' } });
    await write({ instanceType: 'local' });
    await eventually('the name of the type', async () => (await says()).startsWith('False NotMirrored: InstanceType local mirrors no flavor of OpenStackTenant shop'));
    await cloud.compute.act(id, { kind: 'lock' });
    await write({ instanceType: 'm1-tiny' });
    await eventually('the refusal', async () => /^False Conflict: the cloud refuses to resize the server: .*is locked/.test(await says()));
    await write({ instanceType: 'm1-small' });
    await eventually('both sides being the same', async () => (await says()).startsWith('True InSync'));
    assert.equal(flavor(), 'm1.small');
  });

  it('has the cloud make an image of a server, which stays there', async () => {
    const { cloud } = await managed('snapshot', (world) => void world.compute.add({ name: 'db', flavorId: 'm1.tiny', networks: 'none' }));
    const image = (name: string) => admin.get(virtualMachineImages, { namespace: 'snapshot', name });
    const says = async (name: string): Promise<string> => {
      const { status, reason } = conditionOf((await image(name)).status?.conditions, 'Ready') ?? {};
      return `${status} ${reason}`;
    };
    const ask = (name: string, machine: string) => admin.create(virtualMachineImages, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachineImage', metadata: { namespace: 'snapshot', name }, spec: { source: { virtualMachine: { name: machine } } } } as never);
    await ask('backup', 'db');
    await eventually('the image being made', async () => await says('backup') === 'False Saving', 3);
    await eventually('the image', async () => await says('backup') === 'True Saved');
    const made = [...cloud.image.table.values()].filter(({ name }) => name === 'backup');
    const { status } = await image('backup');
    assert.deepEqual([made.length, status?.snapshot?.image, status?.glance?.status, status?.glance?.sizeBytes], [1, made[0]?.id, 'active', 65_536]);
    await operator.clock.sleep(65_000);
    assert.deepEqual((await inNamespace(virtualMachineImages, 'snapshot')).map(({ metadata }) => metadata.name), ['tiny'], 'it is shown once');
    await operator.restart();
    await ready('snapshot');
    await delay(1500);
    assert.equal([...cloud.image.table.values()].length, 2, 'nothing is made twice');
    await admin.delete(virtualMachineImages, { namespace: 'snapshot', name: 'backup' });
    await eventually('the image of the cloud', async () => (await inNamespace(virtualMachineImages, 'snapshot')).some((one) => idOf(one) === made[0]?.id && one.spec.source.glance !== undefined));
    assert.ok(cloud.image.table.has(made[0]?.id ?? ''));
    await admin.create(virtualMachines, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachine', metadata: { namespace: 'snapshot', name: 'local' }, spec: { runStrategy: 'Halted', memory: '128Mi', disks: [{ name: 'a', blank: {}, size: '1Gi' }] } });
    await ask('of-local', 'local');
    await eventually('why there is none', async () => await says('of-local') === 'False NotPossible', 3);
  });

  it('says what is wrong with the Secret, and goes on once it is right', async () => {
    await given('wrong');
    await ready('wrong');
    const secret = { namespace: 'wrong', name: 'clouds' };
    const write = (text: string) => admin.patch(secrets, secret, { data: { 'clouds.yaml': Buffer.from(text).toString('base64') } });
    const fault = async (reason: string): Promise<string> => conditionOf((await ready('wrong', reason, 3)).status?.conditions, 'Ready')?.message ?? '';
    await write(simulatedCloudsYaml('nowhere'));
    assert.match(await fault('AuthenticationFailed'), /knows no such user/);
    await write('clouds: [');
    const message = await fault('CloudInvalid');
    assert.match(message, /clouds\.yaml/);
    assert.doesNotMatch(message, /not-shown/);
    await admin.patch(secrets, secret, { data: { 'clouds.yaml': null, other: '' } });
    assert.match(await fault('SecretMissing'), /Secret clouds has no key clouds\.yaml; it has other/);
    assert.equal((await inNamespace(instanceTypes, 'wrong')).length, 3, 'what is mirrored stays');
    await write(simulatedCloudsYaml('wrong'));
    await ready('wrong', 'Synced', 3);
  });

  it('leaves the cloud as it was when it is deleted, and nothing here', async () => {
    const cloud = clouds.get('mirror') ?? assert.fail();
    const before = JSON.stringify([...cloud.compute.table.values()]);
    const claim = { namespace: 'mirror', name: 'data-1' };
    await admin.patch(persistentVolumeClaims, claim, { metadata: { finalizers: ['test.example/used'] } });
    await admin.delete(openStackTenants, { namespace: 'mirror', name: 'shop' });
    await eventually('what the tenant waits for', async () => conditionOf((await tenantOf('mirror')).status?.conditions, 'Ready')?.message === 'waits for PersistentVolumeClaim data-1 to be gone');
    await admin.patch(persistentVolumeClaims, claim, { metadata: { finalizers: null } });
    await eventually('the end of the tenant', async () => !(await admin.listAll(openStackTenants, { namespace: 'mirror' })).items.length);
    for (const resource of [virtualMachines, instanceTypes, virtualMachineImages, persistentVolumeClaims, secrets, networkPolicies] as readonly Resource[]) assert.deepEqual((await inNamespace(resource, 'mirror')).map(({ metadata }) => metadata.name), [], resource.kind);
    for (const resource of [persistentVolumes, ipPools] as readonly Resource[]) assert.deepEqual((await admin.listAll(resource, { labelSelector: `${LABEL_TENANT},openstack.yadokari.dev/namespace=mirror` })).items, [], resource.kind);
    assert.equal((await admin.get(secrets, { namespace: 'mirror', name: 'clouds' })).metadata.name, 'clouds');
    assert.equal(JSON.stringify([...cloud.compute.table.values()]), before);
  });

  it('leaves the objects where it is to keep them, for another of its name to take up', async () => {
    const cloud = await given('keep', { onDelete: 'Keep' }, (there) => void there.compute.add({ name: 'web', flavorId: 'm1.tiny', networks: 'none' }));
    await ready('keep');
    const [before] = await inNamespace(virtualMachines, 'keep');
    await admin.delete(openStackTenants, { namespace: 'keep', name: 'shop' });
    await eventually('the end of the tenant', async () => !(await admin.listAll(openStackTenants, { namespace: 'keep' })).items.length);
    const [kept] = await inNamespace(virtualMachines, 'keep');
    assert.deepEqual([kept?.metadata.uid, kept?.metadata.ownerReferences], [before?.metadata.uid, undefined]);
    await admin.create(openStackTenants, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'OpenStackTenant', metadata: { namespace: 'keep', name: 'shop' }, spec: { cloud: { secret: 'clouds' } } });
    await ready('keep');
    const all = await inNamespace(virtualMachines, 'keep');
    assert.deepEqual(all.map(({ metadata }) => [metadata.uid, metadata.ownerReferences?.length]), [[before?.metadata.uid, 1]]);
    assert.equal(cloud.compute.table.size, 1);
  });

  it('refuses machines of a provider with what a provider decides, by name', async () => {
    const machine = (spec: object) => admin.create(virtualMachines, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachine', metadata: { namespace: 'default', name: 'bad' }, spec: { provider: { openstack: { tenant: 'shop', server: 'x' } }, ...spec } });
    await assert.rejects(machine({ memory: '1Gi', cloudInit: {} }), /a machine of a provider has no memory.*no cloudInit/s);
    await assert.rejects(machine({ disks: [{ name: 'a', blank: {}, size: '1Gi' }] }), /a disk of a machine of a provider has no blank.*has no size/s);
    await assert.rejects(machine({ disks: [{ name: 'a', persistentVolumeClaim: 'data', readOnly: true }] }), /a disk of a machine of a provider has no readOnly/);
    await assert.rejects(machine({ runStrategy: 'Manual' }), /Always or Halted/);
    await assert.rejects(machine({ provider: {} }), /a provider takes exactly one of openstack/);
    await machine({});
    await assert.rejects(admin.patch(virtualMachines, { namespace: 'default', name: 'bad' }, { spec: { provider: null, memory: '1Gi', disks: [{ name: 'a', blank: {}, size: '1Gi' }] } }), /provider stays as it is/);
    await admin.delete(virtualMachines, { namespace: 'default', name: 'bad' });
  });

  it('writes nothing while 2000 servers are as they were', async (t) => {
    const cloud = await given('many', {}, (there) => there.populate(2000));
    const began = Date.now();
    await ready('many', 'Synced', 90);
    t.diagnostic(`mirrored in ${Date.now() - began} ms`);
    assert.equal((await inNamespace(virtualMachines, 'many')).length, 2000);
    const requests = await eventually('three syncs without a write', async () => {
      operator.writes.length = 0;
      const [before, { metadata: { resourceVersion } }] = [cloud.requests.total, await tenantOf('many')];
      await delay(3500);
      // Other tenants say every five minutes, which are short here, that they are still there.
      const isQuiet = operator.writes.every((write) => write === 'apply OpenStackTenant') && (await tenantOf('many')).metadata.resourceVersion === resourceVersion;
      return isQuiet && cloud.requests.total - before;
    }, 60);
    assert.ok(requests > 0 && requests < 100, `${requests} requests in three syncs`);
    operator.writes.length = 0;
    const [id = ''] = cloud.compute.table.keys();
    cloud.compute.change(id, { status: 'PAUSED', power: 'paused' });
    await eventually('the change', async () => (await machineOf('many', id))?.status?.printableStatus === 'Paused');
    t.diagnostic(`one change took ${JSON.stringify(operator.writes)}`);
    assert.deepEqual(operator.writes.filter((write) => write !== 'apply OpenStackTenant'), ['patch VirtualMachine']);
    const asked = cloud.requests.total;
    await operator.restart();
    await eventually('the sync of an operator that was started anew', async () => cloud.requests.total > asked + 5);
    await delay(3000);
    assert.deepEqual(operator.writes.filter((write) => write !== 'apply OpenStackTenant'), [], 'all of it is there already');
  });
});
