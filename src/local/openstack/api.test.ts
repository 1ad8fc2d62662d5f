import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { OpenStackApi } from './api.ts';

/** A Keystone whose tokens are numbered, and a Nova that answers as it is told, then with what it was asked. */
describe('the API of an OpenStack of one\'s own', () => {
  let server: Server;
  let url: string;
  let answers: number[];
  let tokens: number;
  const asked: string[] = [];

  beforeEach(async () => {
    [answers, tokens] = [[], 0];
    asked.length = 0;
    server = createServer((request, response) => {
      if (request.url === '/v3/auth/tokens') {
        tokens += 1;
        response.writeHead(201, { 'x-subject-token': `token-${tokens}` }).end(JSON.stringify({ token: { catalog: [{ type: 'compute', endpoints: [{ interface: 'public', url }] }], project: { id: 'p' }, user: { id: 'u' } } }));
        return;
      }
      asked.push(`${request.method} ${String(request.headers['x-auth-token'])}`);
      response.writeHead(answers.shift() ?? 200).end('{}');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => server.close());

  const signIn = (): Promise<OpenStackApi> => OpenStackApi.signIn(`${url}/v3`, { user: 'a', password: 'b', project: 'c' });

  it('signs in again once when its token is good no more', async () => {
    const api = await signIn();
    answers = [401];
    await api.post('compute', '/servers', {});
    assert.deepEqual(asked, ['POST token-1', 'POST token-2']);
    answers = [401, 401];
    await assert.rejects(api.get('compute', '/servers'), { code: 'OpenStackRefusal', status: 401 });
    assert.equal(tokens, 3);
  });

  it('asks again while a service is away, and changes nothing twice', async () => {
    const api = await signIn();
    answers = [503];
    await api.get('compute', '/servers');
    assert.equal(asked.length, 2);
    answers = [503];
    await assert.rejects(api.post('compute', '/servers', {}), { status: 503 });
    assert.equal(asked.length, 3);
  });
});
