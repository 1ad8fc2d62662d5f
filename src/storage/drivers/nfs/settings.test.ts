import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSettings } from './settings.ts';

const ganesha = { exports: '/v/exports', pidFile: '/v/pid', logFile: '/v/log' };
const managed = { server: '10.0.0.1', path: '/v/volumes', ganesha };

describe('settings of a backend on NFS', () => {
  it('name an export that is there, or a server that is managed', () => {
    assert.deepEqual(parseSettings({ server: 'files.example', export: '/srv/', mountOptions: ['nfsvers=4.1', 'nconnect=4'] }), { kind: 'exported', server: 'files.example', export: '/srv', mountOptions: ['nfsvers=4.1', 'nconnect=4'], lostNodes: 'Keep' });
    assert.deepEqual(parseSettings({ managed }), { kind: 'managed', server: '10.0.0.1', port: 2049, path: '/v/volumes', ganesha, clients: [] });
    assert.deepEqual(parseSettings({ managed: { server: 'a', path: '/v' } }), { kind: 'managed', server: 'a', port: 2049, path: '/v', ganesha: { exports: '/v/ganesha/exports', pidFile: '/v/ganesha/ganesha.pid', logFile: '/v/ganesha/ganesha.log' }, clients: [] });
    assert.deepEqual(parseSettings({ managed: { ...managed, port: 2050, clients: ['10.0.0.0/24', 'fd00::1'] } }), { kind: 'managed', server: '10.0.0.1', port: 2050, path: '/v/volumes', ganesha, clients: ['10.0.0.0/24', 'fd00::1'] });
  });

  for (const [what, given, said] of [
    ['nothing', {}, 'nfs.server is missing: it must be the name or the address of a host'],
    ['an unknown one', { server: 'a', export: '/', colour: 1 }, 'nfs.colour is 1: it is not known; known are nfs.server, nfs.export, nfs.mountOptions, nfs.lostNodes, nfs.managed'],
    ['a server that is no name', { server: 'a b', export: '/' }, 'nfs.server is "a b": it must be the name or the address'],
    ['a server that is an option', { server: '-o', export: '/' }, 'nfs.server is "-o"'],
    ['a path that is not absolute', { server: 'a', export: 'srv' }, 'nfs.export is "srv": it must be an absolute path'],
    ['a path that leads out', { server: 'a', export: '/srv/../etc' }, 'nfs.export is "/srv/../etc"'],
    ['options that are no list', { server: 'a', export: '/', mountOptions: 'hard' }, 'nfs.mountOptions is "hard": it must be a list'],
    ['an option that is two', { server: 'a', export: '/', mountOptions: ['hard,soft'] }, 'nfs.mountOptions[0] is "hard,soft": it must be one option'],
    ['an option that is ours', { server: 'a', export: '/', mountOptions: ['addr=1.2.3.4'] }, 'nfs.mountOptions[0] is "addr=1.2.3.4": it is set by the driver'],
    ['version 3', { server: 'a', export: '/', mountOptions: ['nfsvers=3'] }, 'the versions of NFS that can be used are 4, 4.0, 4.1, 4.2'],
    ['something else for lost nodes', { server: 'a', export: '/', lostNodes: 'Fence' }, 'nfs.lostNodes is "Fence": it must be Keep or Release'],
    ['both ways at once', { server: 'a', export: '/', managed }, 'nfs.server is "a": it is not known; known are nfs.managed'],
    ['managed that is no object', { managed: true }, 'nfs.managed is true: it must be an object'],
    ['an unknown one of managed', { managed: { ...managed, quota: 1 } }, 'nfs.managed.quota is 1: it is not known; known are nfs.managed.server, nfs.managed.port'],
    ['a port that is none', { managed: { ...managed, port: 70000 } }, 'nfs.managed.port is 70000: it must be a number from 1 to 65535'],
    ['a path with a quote', { managed: { ...managed, path: '/a"b' } }, 'nfs.managed.path is "/a\\"b"'],
    ['ganesha that is no object', { managed: { ...managed, ganesha: '/g' } }, 'nfs.managed.ganesha is "/g": it must be an object'],
    ['a file of ganesha that is missing', { managed: { ...managed, ganesha: { exports: '/e', pidFile: '/p' } } }, 'nfs.managed.ganesha.logFile is missing: it must be an absolute path'],
    ['a client that is none', { managed: { ...managed, clients: ['10.0.0.0/33'] } }, 'nfs.managed.clients[0] is "10.0.0.0/33": it must be an address, a network'],
  ] as const) {
    it(`refuse ${what}, and say what it must be`, () => {
      assert.throws(() => parseSettings(given), (error: { code?: string; message: string }) => {
        assert.equal(error.code, 'InvalidRequest');
        assert.ok(error.message.includes(said), error.message);
        return true;
      });
    });
  }
});
