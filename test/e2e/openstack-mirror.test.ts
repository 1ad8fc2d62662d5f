/** A project of a real OpenStack and its mirror: both sides are listed and compared, changed on either side, and left. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { ANNOTATION_RESTARTED_AT } from '../../src/api/group.ts';
import { ANNOTATION_CLOUD_NAME } from '../../src/api/open-stack-names.ts';
import { conditionOf } from '../../src/kube/conditions.ts';
import { openStackTenants, virtualMachineImages, virtualMachines, type VirtualMachine } from '../../src/kube/yadokari.ts';
import { ipPools, networkPolicies } from '../../src/network/calico/kinds.ts';
import type { OpenStackApi } from '../../src/local/openstack/api.ts';
import { act, serverBecomes } from '../../src/local/openstack/seed/servers.ts';
import { seedTenant, type SeededTenant } from '../../src/local/openstack/seed/tenant.ts';
import { fewServerPlans } from '../../src/local/openstack/seed/tenant-servers.ts';
import { listCloud } from '../env/cloud-listing.ts';
import { compareMirror } from '../env/mirror-comparison.ts';
import { listMirror } from '../env/mirror-listing.ts';
import { MirrorOperator } from '../env/mirror-operator.ts';
import { MirroredProject } from '../env/mirrored-project.ts';
import type { OpenStackPeer } from '../../src/local/openstack/openstack-peer.ts';
import { startOpenStack } from '../env/openstack.ts';
import { OpenStackCommand } from '../env/openstack-command.ts';

const binDirectory = process.env['YADO_BIN'];
/** Of the operator's clock: then the longest that a change waits for is a quarter of a minute. */
const SPEED = 4;
const PERIOD_S = 20;

describe('a project of a real OpenStack', { skip: binDirectory === undefined ? 'YADO_BIN names no folder with etcd and kube-apiserver' : false, timeout: 1_100_000 }, () => {
  let peer: OpenStackPeer;
  let operator: MirrorOperator;
  let seeded: SeededTenant;
  let api: OpenStackApi;
  let command: OpenStackCommand;
  let project: MirroredProject;

  const idOf = (name: string): string => seeded.servers.get(name) ?? assert.fail(`no server ${name}`);
  const nameOf = async (server: string): Promise<{ readonly namespace: string; readonly name: string }> => ({ namespace: project.tenant.namespace, name: (await project.machine(server))?.metadata.name ?? assert.fail(`no machine of ${server}`) });
  const timed = async <T>(t: TestContext, what: string, work: Promise<T>): Promise<T> => {
    const startMs = Date.now();
    const result = await work;
    t.diagnostic(`${what}: ${((Date.now() - startMs) / 1000).toFixed(1)} s`);
    return result;
  };
  const synced = async (server: string): Promise<string> => {
    const { status, reason } = conditionOf((await project.machine(server))?.status?.conditions, 'Synchronized') ?? {};
    return `${status} ${reason}`;
  };
  const machineIs = (server: string, printable: string) => async (): Promise<VirtualMachine | false> => {
    const vm = await project.machine(server);
    return vm?.status?.printableStatus === printable && await synced(server) === 'True InSync' && vm;
  };
  const isSame = async (t: TestContext, isCounted: (line: string) => boolean = () => true): Promise<void> => {
    const { differences, objects, fields } = await compareMirror(api, operator.admin, project.tenant);
    t.diagnostic(`${objects} objects, ${fields} values compared`);
    assert.deepEqual(differences.filter(isCounted), []);
  };

  before(async () => {
    const starting = MirrorOperator.start({ binDirectory: binDirectory ?? '', speed: SPEED });
    starting.catch(() => {});
    peer = await startOpenStack();
    seeded = await seedTenant(peer.site, { plans: fewServerPlans });
    api = await peer.site.signIn(seeded);
    command = await OpenStackCommand.of(seeded.cloudsYaml, seeded.project);
    operator = await starting;
  });
  after(async () => {
    await operator?.[Symbol.asyncDispose]();
    await command?.[Symbol.asyncDispose]();
    await peer?.[Symbol.asyncDispose]();
  });

  it('is mirrored without a difference', async (t) => {
    project = await MirroredProject.begin(operator, seeded, peer.site.authUrl, { servers: { mode: 'Manage' }, syncPeriodSeconds: PERIOD_S });
    await timed(t, 'the first sync', project.becomes('Synced'));
    await isSame(t);
  });

  it('shows what is changed there within one sync', async (t) => {
    const id = idOf('worker-5');
    const { name } = await nameOf(id);
    project.isRenamed(id, 'worker-5');
    await api.put('compute', `/servers/${id}`, { server: { name: 'Renamed Worker' } });
    await api.put('compute', `/servers/${id}/metadata`, { metadata: { role: 'worker', since: 'today' } });
    await act(api, id, { 'os-stop': null });
    await serverBecomes(api, id, 'SHUTOFF');
    const vm = await timed(t, 'a change there', operator.inOneSync('the stop', machineIs(id, 'Stopped')));
    const { provider } = vm.status ?? {};
    assert.deepEqual([vm.metadata.name, vm.metadata.annotations?.[ANNOTATION_CLOUD_NAME], vm.spec.runStrategy, provider?.openstack?.metadata], [name, 'Renamed Worker', 'Halted', { role: 'worker', since: 'today' }]);
    await act(api, id, { 'os-start': null });
    await serverBecomes(api, id, 'ACTIVE');
    await operator.inOneSync('the start', machineIs(id, 'Running'));
  });

  it("is stopped, started and restarted from here, as OpenStack's own command sees", async (t) => {
    const id = idOf('web-2');
    const ref = await nameOf(id);
    const seen = async () => (await command.json<{ readonly status: string }>('server', 'show', id)).status;
    for (const [runStrategy, printable, status] of [['Halted', 'Stopped', 'SHUTOFF'], ['Always', 'Running', 'ACTIVE']] as const) {
      await operator.admin.patch(virtualMachines, ref, { spec: { runStrategy } });
      await timed(t, `${runStrategy} here`, serverBecomes(api, id, status));
      await operator.eventually(`the machine being ${printable}`, machineIs(id, printable));
      assert.equal(await seen(), status);
    }
    await operator.admin.patch(virtualMachines, ref, { metadata: { annotations: { [ANNOTATION_RESTARTED_AT]: 'now' } } });
    await operator.eventually('the restart', async () => (await project.machine(id))?.status?.restartedAt === 'now');
    const events = await command.json<readonly { readonly Action: string }[]>('server', 'event', 'list', id);
    assert.deepEqual(events.map(({ Action }) => Action).sort(), ['create', 'reboot', 'start', 'stop']);
    await operator.eventually('the machine being in sync', machineIs(id, 'Running'));
  });

  it('says on the machine what OpenStack refuses', async () => {
    const id = idOf('web-1');
    const ref = await nameOf(id);
    await operator.admin.patch(virtualMachines, ref, { spec: { runStrategy: 'Halted' } });
    await operator.eventually('the refusal', async () => await synced(id) === 'False Conflict');
    assert.match(conditionOf((await project.machine(id))?.status?.conditions, 'Synchronized')?.message ?? '', /refuses to stop the server: .*locked/);
    assert.equal((await api.get<{ readonly server: { readonly status: string } }>('compute', `/servers/${id}`)).server.status, 'ACTIVE');
    await operator.admin.patch(virtualMachines, ref, { spec: { runStrategy: 'Always' } });
    await operator.eventually('the machine being in sync', machineIs(id, 'Running'));
  });

  it("has volumes attached and detached from here, as OpenStack's own command sees", async (t) => {
    const id = idOf('web-2');
    const ref = await nameOf(id);
    const attached = async () => (await command.json<readonly { readonly 'Volume ID': string }[]>('server', 'volume', 'list', id)).map((one) => one['Volume ID']);
    const statusOf = async (volume: string) => (await command.json<{ readonly status: string }>('volume', 'show', volume)).status;
    const { id: scratch } = await command.json<{ readonly id: string }>('volume', 'show', 'scratch');
    await operator.admin.patch(virtualMachines, ref, { spec: { disks: [{ name: 'scratch', persistentVolumeClaim: 'scratch' }] } });
    await timed(t, 'attached', operator.eventually('the volume being in use', async () => await statusOf(scratch) === 'in-use'));
    await operator.eventually('the machine being in sync', machineIs(id, 'Running'));
    assert.deepEqual(await attached(), [scratch]);
    await operator.admin.patch(virtualMachines, ref, { spec: { disks: [{ name: 'scratch', persistentVolumeClaim: 'scratch' }, { name: 'taken', persistentVolumeClaim: 'data' }] } });
    await operator.eventually('the refusal', async () => (await synced(id)).startsWith('False ') && /refuses to attach the volume of claim data: /.test(conditionOf((await project.machine(id))?.status?.conditions, 'Synchronized')?.message ?? ''));
    await operator.admin.patch(virtualMachines, ref, { spec: { disks: [] } });
    await timed(t, 'detached', operator.eventually('the volume being free', async () => await statusOf(scratch) === 'available'));
    await operator.eventually('the machine being in sync', machineIs(id, 'Running'));
    assert.deepEqual(await attached(), []);
  });

  it('is resized from here, and the new size is kept', async (t) => {
    const id = idOf('web-2');
    const seen = async () => {
      const { flavor, status } = await command.json<{ readonly flavor: unknown; readonly status: string }>('server', 'show', id);
      return `${/m1\.\w+/.exec(JSON.stringify(flavor))?.[0]} ${status}`;
    };
    for (const type of ['m1-medium', 'm1-small']) {
      await operator.admin.patch(virtualMachines, await nameOf(id), { spec: { instanceType: type } });
      await timed(t, type, operator.eventually(`the server being of ${type}`, async () => await seen() === `${type.replace('-', '.')} ACTIVE`));
      await operator.eventually('the machine being in sync', machineIs(id, 'Running'));
    }
  });

  it("has an image made of a server, as OpenStack's own command sees, once and for good", async (t) => {
    const { namespace } = project.tenant;
    const ref = { namespace, name: 'before-the-upgrade' };
    const images = async () => (await command.json<readonly { readonly ID: string; readonly Name: string; readonly Status: string }[]>('image', 'list')).filter(({ Name }) => Name === ref.name);
    await operator.admin.create(virtualMachineImages, { apiVersion: 'yadokari.dev/v1alpha1', kind: 'VirtualMachineImage', metadata: ref, spec: { source: { virtualMachine: { name: (await nameOf(idOf('web-2'))).name } }, format: 'qcow2' } });
    const { status } = await timed(t, 'an image', operator.eventually('the image', async () => {
      const found = await operator.admin.get(virtualMachineImages, ref);
      return conditionOf(found.status?.conditions, 'Ready')?.reason === 'Saved' && found;
    }));
    assert.deepEqual((await images()).map(({ ID, Status }) => [ID, Status]), [[status?.snapshot?.image, 'active']]);
    await operator.admin.delete(virtualMachineImages, ref);
    await operator.eventually('the image as one of the cloud', async () => (await operator.admin.listAll(virtualMachineImages, { namespace })).items.some(({ spec }) => spec.source.glance?.image === status?.snapshot?.image));
    assert.equal((await images()).length, 1);
  });

  it('has a new rule of a security group in the policy here', async (t) => {
    const { security_groups: [group] } = await api.get<{ readonly security_groups: readonly { readonly id: string }[] }>('network', '/security-groups?name=web');
    const rule = { security_group_id: group?.id, direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', port_range_min: 8080, port_range_max: 8090, remote_ip_prefix: '198.51.100.0/24' };
    await api.post('network', '/security-group-rules', { security_group_rule: rule });
    await timed(t, 'a new rule', operator.eventually('the rule', async () => {
      const { spec } = await operator.admin.get(networkPolicies, { namespace: project.tenant.namespace, name: 'default.acme-web' });
      return spec.ingress?.some(({ protocol, source, destination }) => protocol === 'TCP' && source?.nets?.[0] === '198.51.100.0/24' && destination?.ports?.[0] === '8080:8090');
    }));
    // They are read every five minutes.
    await isSame(t, (line) => !line.includes('status.quota'));
  });

  it("has routes of its router lead here, as OpenStack's own command sees, and taken away", async () => {
    const pool = await operator.admin.create(ipPools, { apiVersion: 'crd.projectcalico.org/v1', kind: 'IPPool', metadata: { name: 'pods' }, spec: { cidr: '10.244.0.0/16' } });
    const connect = (nextHop: string | undefined) => operator.admin.patch(openStackTenants, project.tenant, { spec: { connect: nextHop === undefined ? null : { routers: [{ name: 'edge', nextHop }] } } });
    const says = (reason: string) => operator.eventually(`the tenant being ${reason}`, async () => {
      const found = conditionOf((await operator.admin.get(openStackTenants, project.tenant)).status?.conditions, 'Connected');
      return found?.reason === reason && found.message;
    });
    const seen = async () => (await command.json<{ readonly routes: readonly unknown[] }>('router', 'show', 'edge')).routes;
    await connect('203.0.113.20');
    assert.equal(await says('Routed'), '10.244.0.0/16: routed here by edge; router edge translates addresses of what leaves by its gateway (SNAT), so servers are seen by that address there');
    assert.deepEqual(await seen(), [{ destination: '10.244.0.0/16', nexthop: '203.0.113.20' }]);
    await connect('198.51.100.1');
    assert.match(await says('RouteRefused') ?? '', /router edge: .*198\.51\.100\.1/);
    assert.deepEqual(await seen(), []);
    await connect(undefined);
    await operator.eventually('nothing being recorded', async () => (await operator.admin.get(openStackTenants, project.tenant)).status?.routes === undefined);
    assert.deepEqual(await seen(), []);
    await operator.admin.delete(ipPools, pool.metadata);
  });

  it('keeps its mirror while its password is wrong, and says so', async () => {
    const count = (await listMirror(operator.admin, project.tenant)).length;
    await project.usePassword('wrong');
    const { status } = await project.becomes('AuthenticationFailed');
    const ready = conditionOf(status?.conditions, 'Ready');
    assert.deepEqual([ready?.status, ready?.message?.includes('wrong')], ['False', false]);
    assert.equal((await listMirror(operator.admin, project.tenant)).length, count);
    await project.usePassword();
    await project.becomes('Synced');
  });

  it('stays as it is when its tenant goes, and nothing of it is left here', async () => {
    const there = await listCloud(api);
    await operator.admin.delete(openStackTenants, project.tenant);
    await operator.eventually('the end of the tenant', async () => !(await operator.admin.listAll(openStackTenants)).items.length);
    assert.deepEqual((await listMirror(operator.admin, project.tenant)).map(({ kind, metadata }) => `${kind} ${metadata.name}`), []);
    assert.deepEqual(await listCloud(api), there);
  });
});
