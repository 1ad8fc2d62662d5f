import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Connection } from './connection.ts';
import { encodeMessage, MessageDecoder, messageType, program, status, type Message } from './message.ts';
import { XdrReader, XdrWriter } from './xdr.ts';

interface Peer {
  readonly path: string;
  readonly received: Message[];
}

async function listen(t: TestContext, answer: (message: Message, socket: Socket) => void): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), 'yado-rpc-'));
  const path = join(folder, 'socket');
  const received: Message[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    const decoder = new MessageDecoder();
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      for (const message of decoder.push(chunk)) {
        received.push(message);
        answer(message, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { path, received };
}

const reply = (message: Message, payload: Buffer): Buffer => encodeMessage({ ...message, type: messageType.reply, payload });
const tick = (ms = 30) => new Promise((resolve) => setTimeout(resolve, ms));

test('replies find their calls in whatever order and pieces they come', async (t) => {
  const held: Message[] = [];
  const peer = await listen(t, (message, socket) => {
    held.push(message);
    if (held.length < 3) return;
    for (const byte of Buffer.concat(held.toReversed().map((each) => reply(each, each.payload)))) socket.write(Buffer.from([byte]));
  });
  const connection = await Connection.open({ socketPath: peer.path });
  const answers = await Promise.all(['a', 'bc', 'def'].map(async (text) => (await connection.call(1, new XdrWriter().string(text).toBuffer())).string()));
  assert.deepEqual(answers, ['a', 'bc', 'def']);
  connection.close();
});

test('no more calls are under way than libvirtd reads, also after callers gave up', async (t) => {
  const peer = await listen(t, () => {});
  const connection = await Connection.open({ socketPath: peer.path, maxInFlight: 2 });
  const abort = new AbortController();
  const calls = Promise.allSettled(Array.from({ length: 5 }, () => connection.call(1, Buffer.alloc(0), { signal: abort.signal })));
  await tick();
  assert.equal(peer.received.length, 2);
  abort.abort(new Error('enough'));
  assert.ok((await calls).every((call) => call.status === 'rejected' && (call.reason as Error).message === 'enough'));
  await tick();
  assert.equal(peer.received.length, 2);
  connection.close();
});

test('a ping is answered, and a peer that never answers is given up', async (t) => {
  const peer = await listen(t, (message, socket) => {
    if (message.type === messageType.call) socket.write(encodeMessage({ program: program.keepalive, procedure: 1, type: messageType.event, serial: 0, status: status.ok, payload: Buffer.alloc(0) }));
  });
  const connection = await Connection.open({ socketPath: peer.path, keepaliveMs: 20 });
  await assert.rejects(connection.call(1, Buffer.alloc(0)), { name: 'ConnectionLost' });
  assert.ok(peer.received.some((message) => message.program === program.keepalive && message.procedure === 2));
  assert.equal(connection.isOpen, false);
});

test('an error reply carries libvirt’s code', async (t) => {
  const payload = new XdrWriter().int(42).int(10).optionalString('no such domain').toBuffer();
  const peer = await listen(t, (message, socket) => socket.write(encodeMessage({ ...message, type: messageType.reply, status: status.error, payload })));
  const connection = await Connection.open({ socketPath: peer.path });
  await assert.rejects(connection.call(1, Buffer.alloc(0)), { libvirtCode: 42, message: 'no such domain' });
  connection.close();
});

test('something that is no libvirtd is given up at once', async (t) => {
  const peer = await listen(t, (_message, socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const connection = await Connection.open({ socketPath: peer.path });
  await assert.rejects(connection.call(1, Buffer.alloc(0)), { name: 'ConnectionLost' });
});

test('a stream’s bytes that come with its reply are not lost, and its end is passed on', async (t) => {
  const peer = await listen(t, (message, socket) => {
    if (message.type !== messageType.call) return;
    const data = encodeMessage({ ...message, type: messageType.stream, status: status.continue, payload: Buffer.from('boot') });
    const end = encodeMessage({ ...message, type: messageType.stream, status: status.ok, payload: Buffer.alloc(0) });
    socket.write(Buffer.concat([reply(message, Buffer.alloc(0)), data, end]));
  });
  const connection = await Connection.open({ socketPath: peer.path });
  const stream = await connection.openStream(201, Buffer.alloc(0));
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), 'boot');
  connection.close();
});

test('XDR pads to four bytes and refuses what cannot be', () => {
  const bytes = new XdrWriter().string('héy').optionalString(undefined).int(-2).toBuffer();
  assert.equal(bytes.length % 4, 0);
  const reader = new XdrReader(bytes);
  assert.equal(reader.string(), 'héy');
  assert.equal(reader.optionalString(), undefined);
  assert.equal(reader.int(), -2);
  assert.throws(() => reader.int(), RangeError);
  assert.throws(() => new XdrReader(Buffer.from('7fffffff', 'hex')).array((each) => each.int()), RangeError);
});
