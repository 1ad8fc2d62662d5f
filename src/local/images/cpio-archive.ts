import type { FileTree, TreeEntry } from './file-tree.ts';

/** The tree in cpio's "newc" format, as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst). */
export function cpioArchive(tree: FileTree): Buffer {
  const parts: Buffer[] = [];
  let inode = 1;
  for (const [path, entry] of tree.entries()) parts.push(...record(path, entry, inode++));
  parts.push(...record('TRAILER!!!', { kind: 'file', mode: 0, content: Buffer.alloc(0) }, 0));
  return Buffer.concat(parts);
}

function record(path: string, entry: TreeEntry, inode: number): Buffer[] {
  const { mode, content, device } = fields(entry);
  const name = Buffer.from(`${path}\0`);
  const numbers = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, device[0], device[1], name.length, 0];
  const header = Buffer.from(`070701${numbers.map((number) => number.toString(16).padStart(8, '0').toUpperCase()).join('')}`);
  return [header, name, padding(header.length + name.length), content, padding(content.length)];
}

function fields(entry: TreeEntry): { mode: number; content: Buffer; device: readonly [number, number] } {
  const none: readonly [number, number] = [0, 0];
  switch (entry.kind) {
    case 'file':
      return { mode: entry.mode === 0 ? 0 : 0o100000 | entry.mode, content: entry.content, device: none };
    case 'folder':
      return { mode: 0o040000 | entry.mode, content: Buffer.alloc(0), device: none };
    case 'link':
      return { mode: 0o120777, content: Buffer.from(entry.target), device: none };
    case 'device':
    default:
      return { mode: 0o020000 | entry.mode, content: Buffer.alloc(0), device: [entry.major, entry.minor] };
  }
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
