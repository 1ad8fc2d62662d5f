import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freeAddresses } from './free-addresses.ts';
import { copyStatements, parseColumns, type CopiedServer, type ServerCopy } from './server-copies.ts';

const columns = parseColumns('nova.instances\tuuid\nnova.instances\tvcpus\nnova.instances\thost\nneutron.ports\tid\nneutron.ports\tstatus\n');
const copy: ServerCopy = { id: 'copy-id', name: 'many-2', host: 'fake-1', port: 'copy-port', mac: 'fa:00:00:00:00:01', address: '10.0.0.9' };
const server: CopiedServer = { id: 'first-id', port: { id: 'first-port', mac: 'fa:16:3e:00:00:01', address: '10.0.0.5', subnet: 'subnet' } };
const into = (table: string, statements: readonly string[]) => statements.find((text) => text.startsWith(`INSERT INTO ${table} `)) ?? '';

describe('copies of a server', () => {
  it('have all columns of the first, but for what is their own', () => {
    const statement = into('nova.instances', copyStatements(server, [copy], columns));
    assert.match(statement, /^INSERT INTO nova\.instances \(`uuid`, `vcpus`, `host`, .*\) SELECT c\.id, t\.`vcpus`, c\.host, /);
    assert.match(statement, /WHERE t\.uuid = 'first-id' ORDER BY c\.n;$/);
  });

  it('are not named in texts by what the first is called', () => {
    const statement = into('nova.instance_info_caches', copyStatements(server, [copy], columns));
    for (const word of ["'first-id', c.id", "'first-port', c.port", "'fa:16:3e:00:00:01', c.mac", `'"10.0.0.5"', CONCAT('"', c.address, '"')`]) assert.ok(statement.includes(word), word);
  });

  it('have rows of ports only where the first has a port, attributes before what refers to them', () => {
    assert.ok(copyStatements({ id: 'first-id' }, [copy], columns).every((text) => !text.includes('INSERT INTO neutron.')));
    const tables = copyStatements(server, [copy], columns).map((text) => /^INSERT INTO (neutron\.\w+)/.exec(text)?.[1]).filter((table) => table !== undefined);
    assert.deepEqual(tables.slice(0, 2), ['neutron.standardattributes', 'neutron.ports']);
  });

  it('get addresses of the pools that nobody has', () => {
    const pools = [{ start: '10.0.0.254', end: '10.0.1.1' }, { start: '10.0.2.0', end: '10.0.2.255' }];
    assert.deepEqual(freeAddresses(pools, new Set(['10.0.0.255']), 5), ['10.0.0.254', '10.0.1.0', '10.0.1.1', '10.0.2.0', '10.0.2.1']);
    assert.equal(freeAddresses(pools, new Set(), 1000).length, 4 + 256);
  });
});
