import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../openstack/secret.ts';
import { OpenStackError } from '../../openstack/errors.ts';
import type { RemoteConsoleType } from '../../openstack/compute/types.ts';
import { CONSOLE_TYPES, consoleOf } from './server-console.ts';

const signal = AbortSignal.timeout(5000);
const unavailable = (type: string) => new OpenStackError('InvalidRequest', `compute: Unavailable console type ${type}.`, { service: 'compute' });
const cloudWith = (...types: readonly RemoteConsoleType[]) => ({
  remoteConsole: async (_server: string, type: RemoteConsoleType) => {
    if (!types.includes(type)) throw unavailable(type);
    return { type, url: new Secret(`https://cloud.example/${type}`) };
  },
});

test('the first console that the cloud has is taken', async () => {
  assert.equal((await consoleOf(cloudWith('novnc', 'serial'), 's', CONSOLE_TYPES, signal)).type, 'novnc');
  assert.equal((await consoleOf(cloudWith('serial'), 's', CONSOLE_TYPES, signal)).url.reveal(), 'https://cloud.example/serial');
});

test('a cloud without consoles says so in its own words', async () => {
  await assert.rejects(consoleOf(cloudWith(), 's', CONSOLE_TYPES, signal), /no console for this server\. novnc: compute: Unavailable console type novnc\.; spice-html5: .*; serial: /);
  await assert.rejects(consoleOf(cloudWith('novnc'), 's', ['serial'], signal), /serial: compute: Unavailable/);
});

test('what has nothing to do with the kind of console is thrown as it is', async () => {
  const asked: string[] = [];
  const refusing = { remoteConsole: async (_server: string, type: RemoteConsoleType) => { asked.push(type); throw new OpenStackError('Conflict', 'compute: Instance not yet ready', { service: 'compute' }); } };
  await assert.rejects(consoleOf(refusing, 's', CONSOLE_TYPES, signal), /not yet ready/);
  assert.deepEqual(asked, ['novnc']);
});
