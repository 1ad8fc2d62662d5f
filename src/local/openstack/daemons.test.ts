import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endpointStatements } from './catalog.ts';
import { daemonCommand, openStackDaemons } from './daemons.ts';
import { libvirtFiles } from './libvirt-files.ts';
import { hostStatements, OpenStackSite } from './openstack-site.ts';
import type { OpenStackPlace } from './place.ts';
import { schemaChains } from './schemas.ts';
import { lastLines } from './tied-processes.ts';

const ports = { keystone: 20_001, glance: 20_002, placement: 20_003, neutron: 20_004, cinder: 20_005, nova: 20_006, memcached: 20_007 };
const place: OpenStackPlace = { folder: '/somewhere/site', address: '127.0.0.9', ports, programs: '/cache/programs' };

describe('the processes of OpenStack', () => {
  it('see their folder at the same place, wherever it is', () => {
    for (const daemon of openStackDaemons) {
      const command = daemonCommand(daemon, place, { libvirt: true });
      assert.deepEqual(command.slice(0, 4), ['unshare', '--mount', '--propagation', 'slave']);
      const inside = command.slice(command.indexOf('-i') + 1);
      assert.ok(inside.every((word) => !word.includes(place.folder) && !word.includes(place.programs)), daemon);
    }
  });

  it('are told of all hosts of servers', () => {
    assert.ok(daemonCommand('nova', place, { fakeHosts: 3 }).includes('FAKE_HOSTS=fake-1 fake-2 fake-3'));
    assert.ok(daemonCommand('nova', place, { fakeHosts: 0, libvirt: true }).includes('LIBVIRT_HOST=libvirt-1'));
    assert.ok(!daemonCommand('nova', place, {}).some((word) => word.startsWith('LIBVIRT_HOST')));
  });

  it('have a libvirt among them only where it is asked for', () => {
    assert.ok(!new OpenStackSite(place).daemons.includes('libvirt'));
    assert.ok(new OpenStackSite(place, { libvirt: true }).daemons.includes('libvirt'));
    assert.deepEqual(new OpenStackSite(place, { fakeHosts: 1, libvirt: true }).hosts, ['fake-1', 'libvirt-1']);
  });

  it('say what is wrong in what they said, without colors', () => {
    const noise = Array.from({ length: 50 }, (_, index) => `12:00 INFO all is well ${index}`);
    assert.equal(lastLines([...noise, '12:01 \u001b[31mERROR nova no host\u001b[0m', ...noise].join('\n')), '12:01 ERROR nova no host');
    assert.equal(lastLines(noise.join('\n')), noise.slice(-3).join('\n'));
  });
});

describe('the databases of OpenStack', () => {
  it('get the endpoints of the place, for every service of the catalog', () => {
    const statements = endpointStatements(place);
    assert.equal(statements.length, 7);
    assert.ok(statements.some((text) => text.includes("url = 'http://127.0.0.9:20001/v3' WHERE service.type = 'identity'")));
    assert.ok(statements.some((text) => text.includes("url = 'http://127.0.0.9:20005/v3/%(project_id)s' WHERE service.type = 'volumev3'")));
  });

  it('know hosts before these are there, once each', () => {
    assert.equal(hostStatements(['fake-1', 'fake-2']).length, 2);
    assert.match(hostStatements(['fake-1'])[0] ?? '', /^INSERT IGNORE INTO nova_api\.host_mappings .*'fake-1'/);
  });

  it('are made in an order in which each step finds what it needs', () => {
    for (const chain of schemaChains(place, 's3cret')) {
      const words = chain.map((command) => command.join(' '));
      const before = (first: RegExp, second: RegExp) => {
        const [a, b] = [first, second].map((pattern) => words.findIndex((text) => pattern.test(text)));
        if (a !== -1 && b !== -1) assert.ok((a ?? 0) < (b ?? 0), `${first} comes before ${second}`);
      };
      before(/api_db sync/, /map_cell0/);
      before(/map_cell0/, /nova db sync/);
      before(/keystone db_sync/, /bootstrap/);
      before(/fernet_setup/, /bootstrap/);
    }
    assert.equal(schemaChains(place, 's3cret').flat().length, 12);
  });
});

describe('the files of libvirt', () => {
  it('have the user that libvirtd looks for, unless this machine has it', () => {
    const made = libvirtFiles('root:x:0:0::/root:/bin/sh\n', 'root:x:0:\nkvm:x:107:\n');
    assert.match(made['passwd'] ?? '', /^root.*\nlibvirt-qemu:x:64055:/);
    assert.equal(made['group'], 'root:x:0:\nkvm:x:107:\nlibvirt-qemu:x:64055:\n');
    assert.equal(libvirtFiles('libvirt-qemu:x:1:1::/:/bin/sh\n', '')['passwd'], 'libvirt-qemu:x:1:1::/:/bin/sh\n');
  });
});
