import assert from 'node:assert/strict';
import { it } from 'node:test';
import { disksOf, freeTarget } from './live-disks.ts';

const xml = `<domain><devices>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/d/it&apos;s.img' index='1'/><backingStore/><target dev='vda' bus='virtio'/><serial>root</serial><alias name='virtio-disk0'/></disk>
<disk type='file' device='cdrom'><source file='/i/x.iso'/><target dev='hda' bus='ide'/><serial>cd</serial></disk>
<disk type='block' device='disk'>
  <source dev='/k/pvc-1' index='2'/>
  <target dev='vdc' bus='virtio'/>
  <serial>data</serial>
</disk>
</devices></domain>`;

it('reads disks by our names, and no CD-ROM', () => {
  assert.deepEqual(disksOf(xml).map(({ name, path, target }) => [name, path, target]), [['root', "/d/it's.img", 'vda'], ['data', '/k/pvc-1', 'vdc']]);
});

it('finds the first letter that is free', () => {
  assert.equal(freeTarget(disksOf(xml)), 'vdb');
  assert.equal(freeTarget([]), 'vda');
});
