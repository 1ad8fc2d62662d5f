import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../base/process.ts';

/** What a node needs, and the package that Debian has it in. */
export interface Needed {
  readonly what: string;
  readonly package: string;
  readonly isThere: () => Promise<boolean>;
}

export function program(name: string, package_: string): Needed {
  return { what: name, package: package_, isThere: () => anyOf((process.env['PATH'] ?? '').split(':').map((folder) => join(folder, name))) };
}

export function pythonModule(name: string): Needed {
  return { what: `Python's module ${name}`, package: `python3-${name}`, isThere: () => run('/usr/bin/python3', ['-I', '-c', `import ${name}`]).then(() => true, () => false) };
}

/** The part of QEMU that speaks with Ceph; where distributions put it. */
export const qemuOfCeph: Needed = {
  what: "QEMU's driver of Ceph", package: 'qemu-block-extra',
  isThere: () => anyOf(['/usr/lib/x86_64-linux-gnu/qemu', '/usr/lib/aarch64-linux-gnu/qemu', '/usr/lib/qemu', '/usr/lib64/qemu-kvm', '/usr/lib64/qemu'].map((folder) => join(folder, 'block-rbd.so'))),
};

/** In words; undefined when all is there. */
export async function lackingOf(needed: readonly Needed[]): Promise<string | undefined> {
  const found = await Promise.all(needed.map((one) => one.isThere()));
  const missing = needed.filter((_, index) => found[index] === false);
  return missing.length === 0 ? undefined : `${missing.map(({ what }) => what).join(', ')}: install ${missing.map((one) => one.package).join(', ')}`;
}

async function anyOf(files: readonly string[]): Promise<boolean> {
  return (await Promise.all(files.map((file) => access(file).then(() => true, () => false)))).includes(true);
}
