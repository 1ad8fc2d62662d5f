import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArchives } from './debian.ts';
import { debianPart } from './parts.ts';

const sum = 'a'.repeat(64);

test("apt's lines become packages, sorted and without what only installers use", () => {
  const archives = parseArchives(`'http://mirror/z/zlib1g_1%253a1.2.13_amd64.deb' zlib1g_1%3a1.2.13.dfsg-1_amd64.deb 86684 SHA256:${sum}
'http://mirror/p/perl-base_5.36.deb' perl-base_5.36.0-7_amd64.deb 1 SHA256:${sum}
'http://mirror/l/libc6_2.36.deb' libc6_2.36-9+deb12u14_amd64.deb 2759320 SHA256:${sum}
`);
  assert.deepEqual(archives.map(({ name, version }) => `${name} ${version}`), ['libc6 2.36-9+deb12u14', 'zlib1g 1:1.2.13.dfsg-1']);
});

test('a package has a package URL that scanners know', () => {
  const [archive] = parseArchives(`'u' libstdc++6_12.2.0-14+deb12u1_amd64.deb 1 SHA256:${sum}`);
  assert.ok(archive !== undefined);
  assert.equal(debianPart(archive, 'debian-12').purl, 'pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12');
});
