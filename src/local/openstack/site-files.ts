import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFileAtomically } from '../file.ts';
import { confFiles } from './conf/files.ts';
import { libvirtFiles } from './libvirt-files.ts';
import { siteFolders } from './namespace.ts';
import { defaultZone, type OpenStackPlace, type OpenStackShape } from './place.ts';

const PYTHON = fileURLToPath(new URL('python', import.meta.url));

/** Folders, configurations and programs: what the processes need beside the databases. Written anew at each start. */
export async function layOut(place: OpenStackPlace, shape: OpenStackShape, secret: string): Promise<void> {
  const { folder } = place;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of siteFolders) await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
  await cp(PYTHON, join(folder, 'python'), { recursive: true });
  for (const [name, text] of Object.entries(confFiles({ ...place, secret, zone: defaultZone(shape) }))) await writeFileAtomically(join(folder, 'etc', name), text);
  await writeFileAtomically(join(folder, 'secret'), secret);
}

/** The same for libvirt. */
export async function layOutLibvirt({ folder }: Pick<OpenStackPlace, 'folder'>): Promise<void> {
  for (const name of ['run', 'etc/qemu', 'lib', 'cache', 'log']) await mkdir(join(folder, 'libvirt', name), { recursive: true });
  const [passwd, group] = await Promise.all(['/etc/passwd', '/etc/group'].map((file) => readFile(file, 'utf8')));
  for (const [name, text] of Object.entries(libvirtFiles(passwd ?? '', group ?? ''))) await writeFileAtomically(join(folder, 'libvirt', name), text, 0o644);
}
