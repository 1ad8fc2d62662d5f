import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { GuestDefinition } from '../../port.ts';
import { device, domainXml } from './domain-xml.ts';

const tiny: GuestDefinition = {
  id: '6f0c1a52-7a40-4a6b-9a0e-0d4c3d1b2a10',
  name: 'default.web',
  hostname: 'web & "co" <1>',
  cpu: { sockets: 1, cores: 2, threads: 1 },
  memoryMiB: 128,
  boot: { kind: 'kernel', kernelPath: '/i/vmlinuz', initrdPath: '/i/initrd.img', commandLine: "console=ttyS0 a='b' <&>" },
  disks: [{ name: 'cidata', path: "/d/it's/cidata.iso", format: 'raw', readOnly: true, device: 'disk' }],
  interfaces: [{ tap: 'cali123', macAddress: '02:00:00:00:00:50', mtu: 1450 }],
  consoleLogPath: '/d/web/console.log',
};
const secure: GuestDefinition = {
  ...tiny,
  cpu: { sockets: 2, cores: 2, threads: 2, model: 'host-passthrough' },
  boot: { kind: 'firmware', firmware: 'uefiSecure' },
  disks: [{ name: 'root', path: '/d/root.qcow2', format: 'qcow2', readOnly: false, device: 'disk' }, { name: 'install', path: '/i/install.iso', format: 'raw', readOnly: true, device: 'cdrom' }],
};

const cases = [
  { file: 'kernel-tcg.xml', guest: tiny, acceleration: 'tcg' },
  { file: 'secure-kvm.xml', guest: secure, acceleration: 'kvm' },
  { file: 'bios-tcg.xml', guest: { ...secure, boot: { kind: 'firmware', firmware: 'bios' } }, acceleration: 'tcg' },
] as const;

for (const { file, guest, acceleration } of cases) {
  test(`a definition gives the domain in testdata/${file}`, async () => {
    const path = new URL(`testdata/${file}`, import.meta.url);
    const xml = domainXml(guest, { acceleration, startedAt: 1_700_000_000_000, limited: acceleration === 'kvm' });
    if (process.argv.includes('--update-golden')) await writeFile(path, xml);
    assert.equal(xml, await readFile(path, 'utf8'));
  });
}

test('a product is what SMBIOS calls the machine', () => {
  const xml = domainXml({ ...tiny, product: 'OpenStack <Nova>' }, { acceleration: 'tcg', startedAt: 0, limited: false });
  assert.match(xml, /<system><entry name='product'>OpenStack &lt;Nova&gt;<\/entry><entry name='serial'>/);
});

test('channels come after the agent\'s', () => {
  const xml = domainXml({ ...tiny, channels: [{ name: 'dev.yadokari.relay.0', path: "/d/it's/relay.sock" }] }, { acceleration: 'tcg', startedAt: 0, limited: false });
  const [, channel] = xml.match(/<channel.*/g) ?? [];
  assert.equal(channel, "<channel type='unix'><source mode='bind' path='/d/it&apos;s/relay.sock'/><target type='virtio' name='dev.yadokari.relay.0'/></channel>");
});

test('disks are lettered as Linux does it', () => {
  assert.deepEqual([0, 25, 26, 27, 701, 702].map((position) => device('vd', position)), ['vda', 'vdz', 'vdaa', 'vdab', 'vdzz', 'vdaaa']);
});

test('a disk that goes with the run does not wait for the host\'s own disk', () => {
  const lines = (ephemeral: boolean): string => domainXml({ ...tiny, disks: [{ name: 'scratch', path: '/d/s.qcow2', format: 'qcow2', readOnly: false, device: 'disk', ephemeral }] }, { acceleration: 'tcg', startedAt: 0, limited: false });
  assert.match(lines(true), /<driver name='qemu' type='qcow2' cache='unsafe' discard='unmap'\/>/);
  assert.doesNotMatch(lines(false), /cache=/);
});
