import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/base/process.ts';
import { cachedBuild } from '../../src/local/images/build-cache.ts';
import { buildGuestImage } from '../../src/local/images/guest-image.ts';
import { unpackPackages } from '../../src/local/images/packages.ts';

/** A disk `bootable.raw` that firmware boots the tiny guest from, by Debian's ISOLINUX; for a VirtualMachineImage of format `raw`. Its path. */
export async function bootableDisk(cacheFolder: string): Promise<string> {
  const { path: guest, commandLine } = await buildGuestImage({ cacheFolder });
  return cachedBuild({
    name: 'bootable.raw', cacheFolder, inputs: [guest, await readFile(import.meta.filename, 'utf8')],
    build: async (folder) => {
      const [loader = '', modules = '', tools = ''] = await unpackPackages(['isolinux', 'syslinux-common', 'syslinux-utils'], { folder });
      const content = join(folder, 'content');
      await mkdir(content);
      await run('tar', ['-xf', guest, '-C', content]);
      await copyFile(join(loader, 'usr/lib/ISOLINUX/isolinux.bin'), join(content, 'isolinux.bin'));
      await copyFile(join(modules, 'usr/lib/syslinux/modules/bios/ldlinux.c32'), join(content, 'ldlinux.c32'));
      await writeFile(join(content, 'isolinux.cfg'), `DEFAULT tiny\nPROMPT 0\nLABEL tiny\nLINUX vmlinuz\nINITRD initrd.img\nAPPEND ${commandLine}\n`);
      const disk = join(folder, 'bootable.raw');
      await run('genisoimage', ['-quiet', '-R', '-b', 'isolinux.bin', '-c', 'boot.cat', '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table', '-o', disk, content]);
      await run(join(tools, 'usr/bin/isohybrid'), [disk]);
      return readFile(disk);
    },
  });
}
