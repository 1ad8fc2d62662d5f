/** Real servers, whose disks Cinder and Nova keep in a real Ceph, become machines: while they are stopped only what has changed is written; also while what takes part is killed. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { terminalProgress } from '../../src/cli/terminal-progress.ts';
import { silentProgress } from '../../src/base/progress.ts';
import { secrets } from '../../src/kube/core.ts';
import { ensurePackages } from '../../src/local/packages.ts';
import { cephPackages } from '../env/ceph-packages.ts';
import { CloudCeph } from '../env/cloud-ceph.ts';
import { randomOf } from '../env/faults.ts';
import { MigrationKills } from '../env/migration-kills.ts';
import { MigratedTenant, type SourceGuest } from '../env/migrated-tenant.ts';

const ROUNDS = Number(process.env['YADO_TEST_ROUNDS'] ?? 25);
const SECRET = 'cloud-ceph';
const GIBIBYTES = Number(process.env['YADO_TEST_GIBIBYTES'] ?? 8);
/** Counts on its disk for as long as it runs in the cloud, in two places far from each other. */
const COUNTS = 'while true; do n=$((n+1)); for at in 500 900; do printf "%016d" "$n" | dd of=/dev/vda bs=1M seek=$at conv=notrunc,fsync; done; sleep 1; done > /dev/null 2>&1 < /dev/null &\n';
const MEBIBYTE = 2 ** 20;

describe('a migration from an OpenStack with a Ceph', { timeout: 4 * 3_600_000 }, () => {
  let tenant: MigratedTenant;
  let cloud: CloudCeph;
  let ofVolume: SourceGuest;
  let ofNova: SourceGuest;

  before(async () => {
    await ensurePackages({ progress: silentProgress, install: true, extra: cephPackages, environment: process.env });
    tenant = await MigratedTenant.start(terminalProgress(process.stderr));
    cloud = await CloudCeph.start(tenant.peer, tenant.hostAddress);
    const { user, key } = await cloud.reader();
    const data = Object.fromEntries(Object.entries({ user, key }).map(([name, text]) => [name, Buffer.from(text).toString('base64')]));
    await tenant.cluster.client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: tenant.namespace, name: SECRET }, data });
    ofVolume = await tenant.guest('of-volume', GIBIBYTES, { volumeType: cloud.volumeType, there: COUNTS });
    ofNova = await tenant.guest('of-nova', undefined, { there: COUNTS });
  });
  after(async () => {
    await tenant?.[Symbol.asyncDispose]();
    await cloud?.[Symbol.asyncDispose]();
  });

  const spec = (): object => ({ monitors: cloud.ceph.monitors, pool: cloud.pool, serverPool: cloud.serverPool, secret: SECRET, volumeTypes: [cloud.volumeType] });
  /** SHA-256 of what the machine's disk has of the guest's. */
  const hasHere = async (guest: SourceGuest): Promise<string> => (await tenant.cluster.shell('n1', `head -c ${guest.sizeBytes} "$(find /var/lib/kubelet/pods -name disk.img | head -n 1)" | sha256sum`, { timeoutMs: 300_000 })).split(' ')[0] ?? '';
  const goesBack = async (guest: SourceGuest, name: string, claims: readonly string[]): Promise<void> => {
    await tenant.change(name, { rollback: true });
    await tenant.becomes(name, 'RolledBack');
    await tenant.eventually('the server running', async () => (await tenant.server(guest.id)).status === 'ACTIVE');
    await tenant.eventually('the mirror showing it', async () => (await tenant.machine(guest.name))?.spec.provider !== undefined);
    await tenant.removeMigration(name);
    await tenant.cluster.kubectl('-n', tenant.namespace, 'delete', 'pvc', ...claims);
  };

  const moves = async (guest: SourceGuest, strategy: 'Warm' | 'Cold'): Promise<void> => {
    const name = `${guest.name}-${strategy.toLowerCase()}`;
    await tenant.migrate(name, { servers: { names: [guest.name] }, strategy, cutover: { when: 'Manual' }, ceph: spec() as never });
    if (strategy === 'Warm') {
      await tenant.becomes(name, 'AwaitingCutover', 900_000);
      assert.equal((await tenant.server(guest.id)).status, 'ACTIVE');
      await delay(5000);
    }
    await tenant.change(name, { cutover: { when: 'Automatic' } });
    const { disks, darkSeconds } = await tenant.becomes(name, 'Moved', 900_000);
    const [disk] = disks ?? [];
    assert.equal(disk?.readFrom, 'Ceph');
    const [segment, most] = [4 * MEBIBYTE, strategy === 'Warm' ? 8 : Infinity];
    assert.ok((disk.writtenBytes ?? 0) > 0 && (disk.writtenBytes ?? 0) <= most * segment, `written: ${disk.writtenBytes}`);
    const shown = await tenant.machine(guest.name);
    await tenant.eventually('the agent of the guest', async () => (await tenant.machine(guest.name))?.status?.guest?.agentConnected === true);
    const address = shown?.status?.address ?? '';
    await tenant.eventually('its SSH server', () => tenant.inGuest(address, 'true').then(() => true, () => false));
    const at = (phase: string): number => Date.parse(shown?.status?.phases?.find((one) => one.phase === phase)?.time ?? '');
    console.log(`${name}: dark for ${darkSeconds} s, of which the guest's own boot took ${(at('Ready') - at('Created')) / 1000} s; ${(disk.writtenBytes ?? 0) / MEBIBYTE} MiB written after it had stopped`);
    const counted = await tenant.inGuest(address, 'for at in 500 900; do dd if=/dev/vda bs=1M skip=$at count=1 2> /dev/null | head -c 16; echo; done');
    assert.match(counted, /^\d{16}\n\d{16}$/);
    assert.ok(counted.split('\n').every((count) => Number(count) > 0), 'what it wrote last is there');
    // What the machine has is what the cloud has, and room behind that: neither writes any more.
    assert.equal(await hasHere(guest), await cloud.sha256(guest));
    assert.deepEqual(await tenant.leftInCloud(), []);
    assert.equal((await cloud.ceph.rbd('snap', 'ls', cloud.imageOf(guest))).trim(), '', 'no snapshot is left');
    await goesBack(guest, name, (disks ?? []).map(({ claim }) => claim));
  };

  for (const strategy of ['Warm', 'Cold'] as const) {
    const how = strategy === 'Warm' ? 'that writes while it is copied' : 'that is stopped first';
    it(`moves a server with a volume of ${GIBIBYTES} GiB ${how}, byte by byte, and back`, () => moves(ofVolume, strategy));
    it(`moves a server with a disk of Nova's ${how}, byte by byte, and back`, () => moves(ofNova, strategy));
  }

  const seed = Number(process.env['YADO_TEST_SEED'] ?? Date.now() % 2 ** 31);
  it(`comes to its end through ${ROUNDS} rounds of kills, with all that was written (YADO_TEST_SEED=${seed})`, { skip: ROUNDS === 0 }, async () => {
    const next = randomOf(seed);
    const kills = new MigrationKills(tenant, next);
    for (let round = 0; round < ROUNDS; round += 1) {
      const name = `round-${round}`;
      const guest = next() < 0.5 ? ofNova : ofVolume;
      await tenant.migrate(name, { servers: { names: [guest.name] }, strategy: next() < 0.25 ? 'Cold' : 'Warm', ceph: spec() as never });
      for (let kill = 0; kill < 3; kill += 1) {
        await delay(next() * 10_000);
        console.log(`${name}: killed ${await kills.one()}`);
      }
      const { disks } = await tenant.becomes(name, 'Moved', 1_800_000);
      assert.equal(await hasHere(guest), await cloud.sha256(guest));
      assert.equal((await tenant.server(guest.id)).status, 'SHUTOFF');
      await goesBack(guest, name, (disks ?? []).map(({ claim }) => claim));
      await tenant.removeForgotten();
      assert.deepEqual(await tenant.leftInCloud(), []);
    }
    console.log(kills.summary);
  });
});
