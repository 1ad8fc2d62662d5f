import { device } from './domain-xml.ts';

/** A disk as a running domain's description has it. */
export interface DomainDisk {
  /** Our name for it, which the guest sees as the serial number. */
  readonly name: string;
  readonly path: string;
  /** Such as vda. */
  readonly target: string;
  /** The element as libvirt takes it to find the disk. */
  readonly element: string;
}

/** The disks of a running domain, CD-ROMs left out; `xml` is its live description. */
export function disksOf(xml: string): readonly DomainDisk[] {
  return (xml.match(/<disk [^>]*device='disk'[^>]*>[\s\S]*?<\/disk>/g) ?? []).flatMap((element) => {
    const [target, path, name] = [/<target [^>]*dev='([^']+)'/, /<source [^>]*(?:file|dev)='([^']*)'/, /<serial>([^<]*)<\/serial>/].map((pattern) => pattern.exec(element)?.[1]);
    return target === undefined || name === undefined ? [] : [{ name, path: decoded(path ?? ''), target, element }];
  });
}

/** The first letter that no disk has. */
export function freeTarget(disks: readonly DomainDisk[]): string {
  const taken = new Set(disks.map(({ target }) => target));
  for (let position = 0; ; position += 1) if (!taken.has(device('vd', position))) return device('vd', position);
}

function decoded(text: string): string {
  return text.replaceAll('&apos;', "'").replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}
