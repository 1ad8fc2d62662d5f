import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { NbdClient, NbdError } from './nbd-client.ts';
import { Portions } from './portions.ts';

const root = await mkdtemp(join(tmpdir(), 'yado-nbd-'));
after(() => rm(root, { recursive: true, force: true }));
const { signal } = new AbortController();
const content = randomBytes(100_000);
const uint = (bits: 16 | 32 | 64, value: number | bigint): Buffer => Buffer.from(BigInt(value).toString(16).padStart(bits / 4, '0'), 'hex');
const GREETING = Buffer.concat([Buffer.from('NBDMAGICIHAVEOPT'), uint(16, 3)]);
const optionReply = (type: number, data: Buffer): Buffer => Buffer.concat([uint(64, 0x3e889045565a9n), uint(32, 7), uint(32, type), uint(32, data.length), data]);
const EXPORT = optionReply(3, Buffer.concat([uint(16, 0), uint(64, content.length), uint(16, 3)]));
const ACK = optionReply(1, Buffer.alloc(0));

interface Read {
  readonly handle: Buffer;
  readonly offset: number;
  readonly lengthBytes: number;
}

const reply = ({ handle, offset, lengthBytes }: Read): Buffer => Buffer.concat([uint(32, 0x67446698), uint(32, 0), handle, content.subarray(offset, offset + lengthBytes)]);

/** A server that says what it is told to, then answers reads as it is told to. */
async function served(work: (path: string, asked: { readonly exports: string[] }) => Promise<void>, { greeting = GREETING, options = [EXPORT, ACK] as readonly Buffer[], answer = (read: Read, socket: net.Socket): void => void socket.write(reply(read)) } = {}): Promise<void> {
  const asked = { exports: [] as string[] };
  const path = join(root, 'socket');
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    void serve(socket, new Portions(socket)).catch(() => {});
  });
  const serve = async (socket: net.Socket, data: Portions): Promise<void> => {
    socket.write(greeting);
    const head = await data.exactly(20);
    const request = await data.exactly(head.readUInt32BE(16));
    asked.exports.push(request.subarray(4, 4 + request.readUInt32BE(0)).toString());
    for (const one of options) socket.write(one);
    for (;;) {
      const read = await data.exactly(28);
      if (read.readUInt16BE(6) === 0) answer({ handle: read.subarray(8, 16), offset: Number(read.readBigUInt64BE(16)), lengthBytes: read.readUInt32BE(24) }, socket);
    }
  };
  server.listen(path);
  await once(server, 'listening');
  try {
    await work(path, asked);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

async function connected(work: (disk: NbdClient) => Promise<void>, options?: Parameters<typeof served>[1]): Promise<void> {
  await served(async (path) => {
    await using disk = await NbdClient.connect(path, 'disk', signal);
    await work(disk);
  }, options);
}

async function part(disk: NbdClient, offset: number, lengthBytes: number): Promise<Buffer> {
  const data = Buffer.alloc(lengthBytes);
  await disk.read(offset, data);
  return data;
}

describe('a client of NBD', () => {
  it('reads any part of the export that it asked for', async () => {
    await served(async (path, { exports }) => {
      await using disk = await NbdClient.connect(path, 'disk', signal);
      assert.equal(disk.sizeBytes, content.length);
      for (const [offset, lengthBytes] of [[0, 10], [99_990, 10], [5, 90_000]] as const) assert.ok((await part(disk, offset, lengthBytes)).equals(content.subarray(offset, offset + lengthBytes)));
      assert.deepEqual(exports, ['disk']);
    });
  });

  it('takes answers in any order, and in pieces', async () => {
    const reads: Read[] = [];
    const answer = (read: Read, socket: net.Socket): void => {
      reads.push(read);
      if (reads.length < 3) return;
      const all = Buffer.concat(reads.reverse().map(reply));
      for (let at = 0; at < all.length; at += 777) socket.write(all.subarray(at, at + 777));
    };
    await connected(async (disk) => {
      const parts = await Promise.all([part(disk, 0, 10_000), part(disk, 20_000, 5), part(disk, 50_000, 10_000)]);
      for (const [index, offset] of [0, 20_000, 50_000].entries()) assert.ok(parts[index]?.equals(content.subarray(offset, offset + parts[index].length)));
    }, { answer });
  });

  it('tells of a read that failed, and goes on with others', async () => {
    const answer = (read: Read, socket: net.Socket): void => void socket.write(read.offset === 13 ? Buffer.concat([uint(32, 0x67446698), uint(32, 5), read.handle]) : reply(read));
    await connected(async (disk) => {
      await assert.rejects(part(disk, 13, 10), (error: unknown) => error instanceof NbdError && error.message.includes('error 5'));
      assert.ok((await part(disk, 0, 10)).equals(content.subarray(0, 10)));
    }, { answer });
  });

  it('fails all reads when the server ends, or answers what nobody asked', async () => {
    for (const answer of [
      (read: Read, socket: net.Socket): void => void socket.end(reply(read).subarray(0, 20)),
      (read: Read, socket: net.Socket): void => void socket.write(reply({ ...read, handle: uint(64, 99) })),
      (_read: Read, socket: net.Socket): void => void socket.write(Buffer.alloc(16)),
    ]) {
      await connected(async (disk) => {
        const reads = [part(disk, 0, 10), part(disk, 20, 10)];
        for (const { status } of await Promise.allSettled(reads)) assert.equal(status, 'rejected');
        await assert.rejects(part(disk, 0, 1), NbdError);
      }, { answer });
    }
  });

  it('is not made where the server is none, has no such export, or does not tell its size', async () => {
    const refused = (options: Parameters<typeof served>[1], expected: RegExp): Promise<void> => served((path) => assert.rejects(NbdClient.connect(path, 'disk', signal), expected), options);
    await refused({ greeting: Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n') }, /no server of disks/);
    await refused({ options: [optionReply(2 ** 31 + 6, Buffer.from('no such export'))] }, /disk: no such export/);
    await refused({ options: [ACK] }, /how large/);
    await refused({ options: [Buffer.alloc(20, 255)] }, /was not asked/);
    await assert.rejects(NbdClient.connect(join(root, 'nobody'), 'disk', signal), { code: 'ENOENT' });
  });

  it('ends with its signal', async () => {
    const stop = new AbortController();
    await served(async (path) => {
      await using disk = await NbdClient.connect(path, 'disk', stop.signal);
      const read = part(disk, 0, 10);
      stop.abort(new Error('enough'));
      await assert.rejects(read, NbdError);
      await assert.rejects(NbdClient.connect(path, 'disk', stop.signal), /enough/);
    }, { answer: () => {} });
  });
});
