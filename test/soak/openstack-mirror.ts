/** A whole project and a thousand servers more, mirrored from a real OpenStack: nothing differs, and the cloud is asked for little. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ANNOTATION_CLOUD_NAME } from '../../src/api/open-stack-names.ts';
import { terminalProgress } from '../../src/cli/terminal-progress.ts';
import type { OpenStackApi } from '../../src/local/openstack/api.ts';
import { seedFleet } from '../../src/local/openstack/seed/fleet.ts';
import { act, serverBecomes } from '../../src/local/openstack/seed/servers.ts';
import { seedTenant, type SeededTenant } from '../../src/local/openstack/seed/tenant.ts';
import { serverPlans } from '../../src/local/openstack/seed/tenant-servers.ts';
import type { CloudSync } from '../env/cloud-syncs.ts';
import { compareMirror } from '../env/mirror-comparison.ts';
import { MirrorOperator } from '../env/mirror-operator.ts';
import { MirroredProject } from '../env/mirrored-project.ts';
import type { OpenStackPeer } from '../../src/local/openstack/openstack-peer.ts';
import { startOpenStack } from '../env/openstack.ts';
import { changeEverything } from '../env/project-changes.ts';

const binDirectory = process.env['YADO_BIN'];
const FLEET = Number(process.env['YADO_TEST_FLEET'] ?? '1000');
/** As the mirror lists: how many requests it takes to list so many, with one that finds no more. */
const pagesOf = (count: number): number => Math.floor(count / 500) + 2;
/** Ports, volumes, snapshots, floating addresses and changes of servers: with each sync. */
const EACH = pagesOf(serverPlans.length * 2 + FLEET) + 4;
/** All other kinds, quotas, a whole list of servers and a new token: with some. */
const MOST = EACH + 13 + 3 + pagesOf(serverPlans.length + FLEET) + 2;
const progress = terminalProgress(process.stderr);

describe('the mirror of a large project', { timeout: 3_600_000, skip: binDirectory === undefined ? 'YADO_BIN names no folder with etcd and kube-apiserver' : false }, () => {
  let peer: OpenStackPeer;
  let operator: MirrorOperator;
  let seeded: SeededTenant;
  let api: OpenStackApi;
  let project: MirroredProject;
  const said = ({ startMs, endMs, requests, services }: CloudSync): string => `${requests} requests in ${endMs - startMs} ms (${Object.entries(services).map(([service, asked]) => `${service} ${asked.requests} by ${asked.lastMs} ms`).join(', ')})`;
  const isSame = async (tell: (line: string) => void): Promise<void> => {
    const { differences, objects, fields } = await compareMirror(api, operator.admin, project.tenant);
    tell(`${objects} objects, ${fields} values compared`);
    assert.deepEqual(differences, []);
    assert.ok(objects > serverPlans.length + FLEET, `${objects} objects`);
  };
  /** Resolves when a sync that begins now or later is over. */
  const oneSync = async (): Promise<CloudSync> => {
    const before = operator.syncs.begun;
    await operator.eventually('two more syncs', async () => operator.syncs.begun > before + 1);
    return operator.syncs.all[before] ?? assert.fail('no sync');
  };

  before(async () => {
    peer = await startOpenStack({ fakeHosts: 10, progress });
    seeded = await seedTenant(peer.site, { progress });
    api = await peer.site.signIn(seeded);
    const plan = { count: FLEET, prefix: 'fleet', flavor: seeded.operator.flavors['m1.nano'], image: seeded.images.system, network: seeded.networks.back };
    await progress.step(`A fleet of ${FLEET} servers`, () => seedFleet(peer.site, api, plan));
    operator = await MirrorOperator.start({ binDirectory: binDirectory ?? '' });
  });
  after(async () => {
    await operator?.[Symbol.asyncDispose]();
    await peer?.[Symbol.asyncDispose]();
  });

  it('shows every field of every object as it is there', async (t) => {
    const startMs = Date.now();
    project = await MirroredProject.begin(operator, seeded, peer.site.authUrl, { syncPeriodSeconds: 5 });
    const { status } = await project.becomes('Synced');
    const [first] = operator.syncs.all;
    t.diagnostic(`first sync: ${first === undefined ? '' : said(first)}; mirrored after ${Date.now() - startMs} ms with ${operator.writes.length} writes; the tenant says ${JSON.stringify(status?.lastSync)}`);
    await isSame((line) => t.diagnostic(line));
  });

  it('asks for a bounded number of lists while nothing changes, and writes nothing', async (t) => {
    // What changed within two minutes is asked for again.
    const updated = async () => (await api.get<{ readonly servers: readonly object[] }>('compute', `/servers/detail?limit=1&changes-since=${new Date(Date.now() - 125_000).toISOString()}`)).servers.length;
    await operator.eventually('two quiet minutes', async () => await updated() === 0, 600);
    await oneSync();
    operator.writes.length = 0;
    const syncs: CloudSync[] = [];
    for (let n = 0; n < 5; n += 1) syncs.push(await oneSync());
    for (const sync of syncs) t.diagnostic(`idle: ${said(sync)}`);
    const requests = syncs.map((sync) => sync.requests).sort((a, b) => a - b);
    assert.ok((requests[0] ?? 0) <= EACH, `${requests.join(', ')} requests: at best more than ${EACH}`);
    assert.ok((requests.at(-1) ?? 0) <= MOST, `${requests.join(', ')} requests: more than ${MOST}`);
    // One in five minutes says that the tenant is still looked after.
    assert.deepEqual(operator.writes.filter((write) => write !== 'apply OpenStackTenant'), []);
  });

  it('takes as few for one change, which is here within one sync', async (t) => {
    const { servers: [server] } = await api.get<{ readonly servers: readonly { readonly id: string }[] }>('compute', `/servers?name=^fleet-${FLEET}$`);
    const id = server?.id ?? assert.fail('no such server');
    operator.writes.length = 0;
    project.isRenamed(id, `fleet-${FLEET}`);
    await api.put('compute', `/servers/${id}`, { server: { name: 'renamed' } });
    const before = operator.syncs.begun;
    const startMs = Date.now();
    await operator.inOneSync('the name', async () => (await project.machine(id))?.metadata.annotations?.[ANNOTATION_CLOUD_NAME] === 'renamed');
    t.diagnostic(`one change: here after ${Date.now() - startMs} ms; wrote ${JSON.stringify(operator.writes)}`);
    await oneSync();
    // The one that was under way may have found it too.
    for (const sync of operator.syncs.all.slice(before - 1, -1)) {
      t.diagnostic(`with one change: ${said(sync)}`);
      assert.ok(sync.requests <= MOST, `${sync.requests} requests: more than ${MOST}`);
    }
    t.diagnostic(`the tenant says ${JSON.stringify((await project.get()).status?.lastSync)}`);
    assert.deepEqual(operator.writes.filter((write) => write !== 'apply OpenStackTenant'), ['patch VirtualMachine']);
  });

  it('comes to no difference after changes of every kind', async (t) => {
    const { servers } = await api.get<{ readonly servers: readonly { readonly id: string }[] }>('compute', '/servers?name=^fleet-2[0-9]$');
    const [first, ...others] = servers.map(({ id }) => id);
    for (const id of others) await act(api, id, { 'os-stop': null });
    for (const id of others) await serverBecomes(api, id, 'SHUTOFF');
    if (first !== undefined) await api.delete('compute', `/servers/${first}`);
    project.isRenamed(seeded.volumes.data, 'data');
    await progress.step('Changing something of every kind', () => changeEverything(api, seeded));
    const startMs = Date.now();
    let left: readonly string[] = [];
    // Keypairs, quotas and groups of servers are listed every five minutes.
    for (const seconds of [20, 80, 200, 260, 320, 420]) {
      await delay(Math.max(0, startMs + seconds * 1000 - Date.now()));
      left = (await compareMirror(api, operator.admin, project.tenant)).differences;
      t.diagnostic(`${left.length} differences after ${seconds} s: ${left.slice(0, 10).join('; ')}`);
      if (left.length === 0) break;
    }
    assert.deepEqual(left, []);
  });
});
