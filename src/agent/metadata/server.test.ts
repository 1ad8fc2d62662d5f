import assert from 'node:assert/strict';
import http from 'node:http';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { openStackTree } from '../../vm/disks/openstack-tree.ts';
import { MetadataServer } from './server.ts';

const filesOf = (hostname: string) => openStackTree({ instanceId: 'i', hostname, userData: 'data', sshKeys: [] });
const guests = new Map([['127.0.0.2', filesOf('two')], ['127.0.0.3', filesOf('three')]]);

async function served(filesFor: (address: string) => Promise<ReadonlyMap<string, string> | undefined> = async (address) => guests.get(address)) {
  const server = new MetadataServer({ host: '127.0.0.1', port: 0, filesOf: filesFor, log: silentLog });
  const port = await server.start();
  /** As a guest of that address would ask. */
  const ask = (localAddress: string, path: string, options: http.RequestOptions = {}) => new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, localAddress, agent: false, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => void (text += part)).on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on('error', reject).end();
  });
  return { server, port, ask, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test('each guest is told what is its own, by the address that it asks from', async () => {
  await using world = await served();
  for (const [address, hostname] of [['127.0.0.2', 'two'], ['127.0.0.3', 'three']] as const) {
    const { status, text } = await world.ask(address, '/openstack/latest/meta_data.json');
    assert.deepEqual([status, (JSON.parse(text) as { hostname: string }).hostname], [200, hostname]);
  }
});

test('whoever is no guest is told nothing, whatever the headers say', async () => {
  await using world = await served();
  for (const headers of [{}, { 'x-forwarded-for': '127.0.0.2' }, { 'x-instance-id': 'i', 'forwarded': 'for=127.0.0.2', 'x-real-ip': '127.0.0.2' }]) {
    const { status, text } = await world.ask('127.0.0.1', '/openstack/latest/user_data', { headers });
    assert.deepEqual([status, text.includes('data\n')], [404, false]);
    assert.notEqual(text, 'data');
  }
});

test('unknown paths are 404, and nothing but reading is answered', async () => {
  await using world = await served();
  assert.equal((await world.ask('127.0.0.2', '/latest/api/token')).status, 404);
  assert.equal((await world.ask('127.0.0.2', '/latest/user-data?x=1')).text, 'data');
  assert.equal((await world.ask('127.0.0.2', '/latest/user-data', { method: 'PUT' })).status, 405);
  const head = await world.ask('127.0.0.2', '/latest/user-data', { method: 'HEAD' });
  assert.deepEqual(head, { status: 200, text: '' });
});

test('what cannot be read is said to be so', async () => {
  await using world = await served(() => Promise.reject(new Error('a secret path')));
  assert.deepEqual(await world.ask('127.0.0.2', '/'), { status: 500, text: 'the metadata could not be read' });
});

test('one guest cannot take all connections', async () => {
  await using world = await served();
  const sockets: Socket[] = [];
  for (let n = 0; n < 40; n += 1) sockets.push(connect({ host: '127.0.0.1', port: world.port, localAddress: '127.0.0.2' }).on('error', () => {}));
  const closed = await Promise.all(sockets.slice(16).map((socket) => new Promise<boolean>((resolve) => socket.once('close', () => resolve(true)))));
  assert.equal(closed.length, 24);
  assert.equal((await world.ask('127.0.0.3', '/latest/user-data')).text, 'data');
  for (const socket of sockets) socket.destroy();
});
