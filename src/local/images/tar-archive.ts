import type { FileTree, TreeEntry } from './file-tree.ts';

const block = 512;

/** The tree as a POSIX ustar archive. Throws a RangeError for a path that ustar cannot hold. */
export function tarArchive(tree: FileTree): Buffer {
  const parts: Buffer[] = [];
  for (const [path, entry] of tree.entries()) {
    parts.push(header(path, entry));
    if (entry.kind === 'file') parts.push(entry.content, Buffer.alloc((block - (entry.content.length % block)) % block));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

const types = { file: '0', link: '2', device: '3', folder: '5' } as const;

function header(path: string, entry: TreeEntry): Buffer {
  const bytes = Buffer.alloc(block);
  const [prefix, name] = split(entry.kind === 'folder' ? `${path}/` : path);
  const size = entry.kind === 'file' ? entry.content.length : 0;
  bytes.write(name, 0);
  bytes.write(octal(entry.kind === 'link' ? 0o777 : entry.mode, 8), 100);
  bytes.write(octal(0, 8), 108);
  bytes.write(octal(0, 8), 116);
  bytes.write(octal(size, 12), 124);
  bytes.write(octal(0, 12), 136);
  bytes.write(' '.repeat(8), 148);
  bytes.write(types[entry.kind], 156);
  if (entry.kind === 'link') bytes.write(fit(entry.target, 100), 157);
  bytes.write('ustar\u{0}00', 257);
  bytes.write('root', 265);
  bytes.write('root', 297);
  if (entry.kind === 'device') bytes.write(octal(entry.major, 8) + octal(entry.minor, 8), 329);
  bytes.write(prefix, 345);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return bytes;
}

function split(path: string): readonly [string, string] {
  if (Buffer.byteLength(path) <= 100) return ['', path];
  const slash = path.lastIndexOf('/', 155);
  return [fit(path.slice(0, slash), 155), fit(path.slice(slash + 1), 100)];
}

function fit(value: string, length: number): string {
  if (Buffer.byteLength(value) > length) throw new RangeError(`tar: ${value} is longer than ${length} bytes`);
  return value;
}

function octal(value: number, length: number): string {
  return `${value.toString(8).padStart(length - 1, '0')}\0`;
}
