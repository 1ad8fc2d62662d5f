/** A real OpenStack for tests: it comes up, holds a tenant that OpenStack's own client sees as it was made, and leaves nothing. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { terminalProgress } from '../../src/cli/terminal-progress.ts';
import { seedFleet } from '../../src/local/openstack/seed/fleet.ts';
import { act, serverBecomes } from '../../src/local/openstack/seed/servers.ts';
import { seedTenant, type SeededTenant } from '../../src/local/openstack/seed/tenant.ts';
import { serverPlans } from '../../src/local/openstack/seed/tenant-servers.ts';
import { eventually } from '../../src/local/openstack/seed/waiting-for.ts';
import type { OpenStackPeer } from '../../src/local/openstack/openstack-peer.ts';
import { startOpenStack } from '../env/openstack.ts';
import { OpenStackCommand } from '../env/openstack-command.ts';

const FLEET = Number(process.env['YADO_TEST_FLEET'] ?? '900');
const progress = terminalProgress(process.stderr);

describe('an OpenStack for tests', { timeout: 3_600_000 }, () => {
  let peer: OpenStackPeer;
  let tenant: SeededTenant;
  let command: OpenStackCommand;
  /** Rows of OpenStack's own client, as the tenant. */
  const openstack = (...words: readonly string[]) => command.json<readonly Readonly<Record<string, string>>[]>(...words);
  const count = async (...words: readonly string[]) => (await openstack(...words)).length;

  before(async () => {
    peer = await startOpenStack({ fakeHosts: 10, progress });
    tenant = await seedTenant(peer.site, { progress });
    command = await OpenStackCommand.of(tenant.cloudsYaml, 'acme');
  });
  after(async () => {
    await peer?.[Symbol.asyncDispose]();
    await command?.[Symbol.asyncDispose]();
  });

  it("shows all servers to OpenStack's own client", async () => {
    const servers = await openstack('server', 'list');
    assert.deepEqual(servers.map(({ Name = '' }) => Name).sort(), serverPlans.map(({ name }) => name).sort());
    assert.deepEqual(servers.filter(({ Status }) => Status === 'SHUTOFF').map(({ Name = '' }) => Name).sort(), ['worker-10', 'worker-8', 'worker-9']);
    assert.equal(servers.filter(({ Status }) => Status === 'ACTIVE').length, serverPlans.length - 3);
  });

  it('has everything else that a tenant has', async () => {
    assert.equal(await count('network', 'list', '--internal'), 2);
    assert.equal(await count('subnet', 'list'), 3);
    assert.equal(await count('router', 'list'), 1);
    assert.equal(await count('security', 'group', 'list'), 3 + 1);
    assert.equal(await count('keypair', 'list'), 2);
    assert.equal(await count('image', 'list', '--private'), 2);
    assert.equal(await count('volume', 'list'), 4);
    assert.equal(await count('volume', 'snapshot', 'list'), 1);
    assert.equal(await count('server', 'group', 'list'), 1);
    assert.equal(await count('flavor', 'list'), 4);
    const [floating] = await openstack('floating', 'ip', 'list');
    assert.equal(floating?.['Floating IP Address'], tenant.floatingIp);
  });

  it(`makes ${FLEET} servers more, and answers for all of them`, async () => {
    const api = await peer.site.signIn({ applicationCredential: tenant.applicationCredential });
    const plan = { count: FLEET, prefix: 'fleet', flavor: tenant.operator.flavors['m1.nano'], image: tenant.images.system, network: tenant.networks.back };
    await progress.step(`A fleet of ${FLEET} servers`, () => seedFleet(peer.site, api, plan));
    const { servers } = await api.get<{ readonly servers: readonly object[] }>('compute', '/servers/detail?name=^fleet&limit=1000');
    assert.equal(servers.length, Math.min(FLEET, 1000));
    const { ports } = await api.get<{ readonly ports: readonly object[] }>('network', `/ports?network_id=${tenant.networks.back}&device_owner=compute%3Anova`);
    assert.ok(ports.length >= FLEET);
  });

  it('lets servers be stopped and deleted that are copies', async () => {
    const api = await peer.site.signIn({ applicationCredential: tenant.applicationCredential });
    const { servers: [server] } = await api.get<{ readonly servers: readonly { readonly id: string }[] }>('compute', '/servers?name=^fleet-7$');
    const id = server?.id ?? '';
    await act(api, id, { 'os-stop': null });
    await serverBecomes(api, id, 'SHUTOFF');
    await api.delete('compute', `/servers/${id}`);
    await eventually('the copy is gone', async () => ((await api.get<{ readonly servers: readonly object[] }>('compute', '/servers?name=^fleet-7$')).servers.length === 0 ? true : undefined));
    await eventually('its port is gone', async () => ((await api.get<{ readonly ports: readonly object[] }>('network', `/ports?device_id=${id}`)).ports.length === 0 ? true : undefined));
  });

  it('keeps its databases when their server is killed', async () => {
    await peer.kill('mariadb');
    await peer.run('mariadb');
    // Services find out that their connections are gone by using them.
    const used = async () => (await (await peer.site.signIn(tenant)).get<{ readonly limits: { readonly absolute: { readonly totalInstancesUsed: number } } }>('compute', '/limits')).limits.absolute.totalInstancesUsed;
    assert.equal(await eventually('all servers are counted', () => used().catch(() => undefined)), serverPlans.length + FLEET - 1);
  });

  it('leaves nothing: no process, no mount, no folder', async () => {
    const of = peer.folder;
    await peer[Symbol.asyncDispose]();
    const processes = await Promise.all((await readdir('/proc')).filter((pid) => /^\d+$/.test(pid)).map(async (pid) => ({
      command: (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' '), mounts: await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => ''),
    })));
    assert.deepEqual(processes.filter(({ mounts }) => mounts.includes(of)).map(({ command }) => command), []);
    assert.ok(!(await readFile('/proc/self/mountinfo', 'utf8')).includes(of));
    assert.ok(!(await readdir(tmpdir())).some((name) => join(tmpdir(), name) === of));
  });
});
