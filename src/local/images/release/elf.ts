/** What the loader must find before a program or library can run. */
export interface ElfNeeds {
  /** Absolute path of the loader; libraries mostly have none. */
  readonly interpreter: string | undefined;
  /** Names such as `libc.so.6`. */
  readonly libraries: readonly string[];
  /** Folders to look in first; `$ORIGIN` is the file's own. */
  readonly searchFolders: readonly string[];
}

const segments = { load: 1, dynamic: 2, interpreter: 3 } as const;
const tags = { end: 0n, needed: 1n, strings: 5n, rpath: 15n, runpath: 29n } as const;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: bigint;
  readonly size: number;
}

/** Whether it is a 64-bit little-endian ELF file. */
export function isElf(content: Buffer): boolean {
  return content.length > 64 && content.subarray(0, 6).equals(Buffer.from('\x7fELF\x02\x01', 'latin1'));
}

/** Reads the dynamic section; a static program needs nothing. */
export function elfNeeds(content: Buffer): ElfNeeds {
  const all = segmentsOf(content);
  const interpreter = all.find(({ type }) => type === segments.interpreter);
  const dynamic = all.find(({ type }) => type === segments.dynamic);
  const entries = dynamic === undefined ? [] : dynamicEntries(content, dynamic);
  const strings = fileOffset(all, entries.find(([tag]) => tag === tags.strings)?.[1] ?? 0n);
  const texts = (...wanted: readonly bigint[]) => entries.filter(([tag]) => wanted.includes(tag)).map(([, value]) => text(content, strings + Number(value)));
  return {
    interpreter: interpreter === undefined ? undefined : text(content, interpreter.offset),
    libraries: texts(tags.needed),
    searchFolders: texts(tags.rpath, tags.runpath).flatMap((folders) => folders.split(':')).filter((folder) => folder !== ''),
  };
}

/** Without the sections that only linkers and debuggers read: what lies behind the last loaded segment is cut off. */
export function withoutSections(content: Buffer): Buffer {
  const end = Math.max(...segmentsOf(content).filter(({ type }) => type === segments.load).map(({ offset, size }) => offset + size));
  if (!isElf(content) || !Number.isFinite(end)) return content;
  const short = Buffer.from(content.subarray(0, end));
  // No section headers: offset, size of one, count and index of their names.
  short.writeBigUInt64LE(0n, 40);
  short.writeUInt16LE(0, 58);
  short.writeUInt16LE(0, 60);
  short.writeUInt16LE(0, 62);
  return short;
}

function segmentsOf(content: Buffer): readonly Segment[] {
  if (!isElf(content)) return [];
  const start = Number(content.readBigUInt64LE(32));
  const step = content.readUInt16LE(54);
  return Array.from({ length: content.readUInt16LE(56) }, (_, index) => {
    const at = start + index * step;
    return { type: content.readUInt32LE(at), offset: Number(content.readBigUInt64LE(at + 8)), address: content.readBigUInt64LE(at + 16), size: Number(content.readBigUInt64LE(at + 32)) };
  });
}

function dynamicEntries(content: Buffer, { offset, size }: Segment): readonly (readonly [bigint, bigint])[] {
  const entries: (readonly [bigint, bigint])[] = [];
  for (let at = offset; at < offset + size; at += 16) {
    const tag = content.readBigUInt64LE(at);
    if (tag === tags.end) break;
    entries.push([tag, content.readBigUInt64LE(at + 8)]);
  }
  return entries;
}

function fileOffset(all: readonly Segment[], address: bigint): number {
  const segment = all.find(({ type, address: start, size }) => type === segments.load && address >= start && address < start + BigInt(size));
  return segment === undefined ? 0 : segment.offset + Number(address - segment.address);
}

function text(content: Buffer, offset: number): string {
  return content.subarray(offset, content.indexOf(0, offset)).toString('latin1');
}
