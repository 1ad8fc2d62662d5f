/** Real servers of a real OpenStack become machines of a real cluster, cold and warm, and go back; also while what takes part is killed. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { terminalProgress } from '../../src/cli/terminal-progress.ts';
import { virtualMachines } from '../../src/kube/yadokari.ts';
import { randomOf } from '../env/faults.ts';
import { MigrationKills } from '../env/migration-kills.ts';
import { MigratedTenant, TOLD, type Floating, type SourceGuest } from '../env/migrated-tenant.ts';

const ROUNDS = Number(process.env['YADO_TEST_ROUNDS'] ?? 25);

describe('a migration from a real OpenStack', { timeout: 4 * 3_600_000 }, () => {
  let tenant: MigratedTenant;
  const guests: SourceGuest[] = [];
  let floating: Floating;

  before(async () => {
    tenant = await MigratedTenant.start(terminalProgress(process.stderr));
    guests.push(await tenant.guest('of-image'), await tenant.guest('of-volume', 1));
    floating = await tenant.float(guests[0] ?? assert.fail());
  });
  after(() => tenant?.[Symbol.asyncDispose]());

  /** The guest runs here as it did there. */
  const runsHere = async (guest: SourceGuest, before: Awaited<ReturnType<MigratedTenant['machine']>>): Promise<void> => {
    const shown = before?.status?.provider?.openstack?.addresses?.find((one) => one.floating !== true);
    await tenant.eventually(`the agent of ${guest.name}`, async () => (await tenant.machine(guest.name))?.status?.guest?.agentConnected === true);
    const vm = await tenant.machine(guest.name);
    assert.equal(vm?.spec.provider, undefined);
    assert.deepEqual([vm?.status?.address, vm?.status?.guest?.macAddress], [shown?.address, shown?.mac]);
    assert.match(await tenant.cluster.kubectl('-n', tenant.namespace, 'get', 'pods', '-o', 'wide'), new RegExp(`${guest.name}-\\S+ +1/1 +Running`));
    await tenant.eventually(`the SSH server of ${guest.name}`, () => tenant.inGuest(shown?.address ?? '', 'true').then(() => true, () => false));
    assert.equal(await tenant.inGuest(shown?.address ?? '', `cat ${TOLD} /etc/hostname`), `${guest.name}\n${guest.name}`, 'the same key lets in, and the same user data was run');
    await tenant.eventually(`the name of ${guest.name}`, async () => isDeepStrictEqual(await tenant.resolve(guest.name), [shown?.address]));
    assert.deepEqual(await tenant.server(guest.id).then(({ status, locked }) => [status, locked]), ['SHUTOFF', true]);
  };

  /** The address outside leads to the guest that has moved, and the cloud leads it nowhere. */
  const floatsHere = async (guest: SourceGuest): Promise<void> => {
    await tenant.eventually(`${guest.name} at ${floating.address}`, () => tenant.inGuest(floating.address, 'cat /etc/hostname').then((name) => name === guest.name, () => false));
    assert.equal(await floating.port(), null);
  };

  for (const strategy of ['Cold', 'Warm'] as const) {
    it(`moves servers ${strategy === 'Cold' ? 'that are stopped first' : 'that run on while they are copied'}, byte by byte, and back`, async () => {
      for (const guest of guests) {
        const shown = await tenant.machine(guest.name);
        await tenant.eventually(`the name of server ${guest.name}`, async () => isDeepStrictEqual(await tenant.resolve(guest.name), [shown?.status?.address]));
        const name = `${strategy.toLowerCase()}-${guest.name}`;
        await tenant.migrate(name, { servers: { names: [guest.name] }, strategy });
        const { disks, darkSeconds, plan } = await tenant.becomes(name, 'Moved');
        assert.deepEqual(disks?.map(({ digest, pass }) => [digest, pass]), [[tenant.digestOf(guest), strategy === 'Cold' ? 1 : 2]], 'the disk is the same');
        if (strategy === 'Warm') assert.equal(disks[0]?.writtenBytes, 0, 'what was there already is not written again');
        await runsHere(guest, shown);
        if (guest === guests[0]) await floatsHere(guest);
        const started = await tenant.machine(guest.name);
        const at = (phase: string): number => Date.parse(started?.status?.phases?.find((one) => one.phase === phase)?.time ?? '');
        console.log(`${name}: dark for ${darkSeconds} s, of which the guest's own boot took ${(at('Ready') - at('Created')) / 1000} s`);
        assert.deepEqual(plan?.impossible, []);
        assert.deepEqual(await tenant.leftInCloud(), []);
        await tenant.change(name, { rollback: true });
        await tenant.becomes(name, 'RolledBack');
        await tenant.eventually('the server running', async () => (await tenant.server(guest.id)).status === 'ACTIVE');
        await tenant.eventually('the mirror showing it', async () => (await tenant.machine(guest.name))?.spec.provider !== undefined);
        assert.ok(await floating.port() !== null, 'the address outside leads to the server again');
        await tenant.removeMigration(name);
        await tenant.cluster.kubectl('-n', tenant.namespace, 'delete', 'pvc', ...(disks ?? []).map(({ claim }) => claim));
      }
    });
  }

  const seed = Number(process.env['YADO_TEST_SEED'] ?? Date.now() % 2 ** 31);
  it(`comes to its end through ${ROUNDS} rounds of kills, and harms no server (YADO_TEST_SEED=${seed})`, { skip: ROUNDS === 0 }, async () => {
    const next = randomOf(seed);
    const kills = new MigrationKills(tenant, next);
    for (let round = 0; round < ROUNDS; round += 1) {
      const guest = guests[round % guests.length] ?? assert.fail();
      const name = `round-${round}`;
      await tenant.migrate(name, { servers: { names: [guest.name] }, strategy: next() < 0.5 ? 'Cold' : 'Warm' });
      for (let kill = 0; kill < 2; kill += 1) {
        await delay(next() * 12_000);
        console.log(`${name}: killed ${await kills.one()}`);
      }
      const { disks } = await tenant.becomes(name, 'Moved', 1_800_000);
      assert.deepEqual(disks?.map(({ digest }) => digest), [tenant.digestOf(guest)]);
      assert.equal((await tenant.server(guest.id)).status, 'SHUTOFF');
      const { items } = await tenant.cluster.client.listAll(virtualMachines, { namespace: tenant.namespace });
      assert.deepEqual(items.map(({ metadata }) => metadata.name).sort(), guests.map((one) => one.name).sort());
      await tenant.change(name, { rollback: true });
      await tenant.becomes(name, 'RolledBack');
      await tenant.eventually('the server running', async () => (await tenant.server(guest.id)).status === 'ACTIVE');
      await tenant.eventually('the mirror showing it', async () => (await tenant.machine(guest.name))?.spec.provider !== undefined);
      await tenant.removeForgotten();
      assert.deepEqual(await tenant.leftInCloud(), []);
      await tenant.removeMigration(name);
      await tenant.cluster.kubectl('-n', tenant.namespace, 'delete', 'pvc', ...(disks ?? []).map(({ claim }) => claim));
    }
    console.log(kills.summary);
  });
});
