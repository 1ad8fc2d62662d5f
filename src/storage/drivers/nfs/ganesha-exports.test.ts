import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { allowed, withdrawn } from './access.ts';
import { exportText, GaneshaExports, type Export } from './ganesha-exports.ts';
import type { GaneshaReader } from './ganesha-reader.ts';
import { exportIdOf, idOf } from './ids.ts';

const access = { exportId: 7, clients: ['10.0.0.0/24'], withdrawn: [] };
const wanted: Export = { id: idOf('vol', 'a'), tree: '/volumes/a/data', access };

describe('who may mount a volume', () => {
  it('are the configured clients and those that were allowed, less those that were withdrawn', () => {
    assert.deepEqual(allowed(access, '10.0.0.5'), access);
    assert.deepEqual(allowed(access, '10.0.1.5').clients, ['10.0.0.0/24', '10.0.1.5']);
    const without = withdrawn(allowed(access, '10.0.1.5'), '10.0.1.5');
    assert.deepEqual(without, { ...access, withdrawn: ['10.0.1.5'] });
    assert.deepEqual(withdrawn(without, '10.0.1.5'), without);
    assert.deepEqual(allowed(without, '10.0.1.5'), { ...access, clients: ['10.0.0.0/24', '10.0.1.5'] });
    assert.deepEqual(allowed({ ...access, clients: ['*'] }, 'fd00::1').clients, ['*']);
    assert.throws(() => withdrawn(access, '10.0.0.0/24'), { code: 'InvalidRequest' });
  });

  it('stand in the export in the order in which nfs-ganesha looks at them', () => {
    assert.equal(exportText({ ...wanted, access: withdrawn(access, '10.0.0.5') }), `EXPORT {
  Export_Id = 7;
  Path = "/volumes/a/data";
  Pseudo = "/${wanted.id}";
  Access_Type = NONE;
  Squash = No_Root_Squash;
  SecType = sys;
  Protocols = 4;
  Transports = TCP;
  Attr_Expiration_Time = 0;
  FSAL { Name = VFS; }
  CLIENT { Clients = 10.0.0.5; Access_Type = NONE; Protocols = 4; }
  CLIENT { Clients = 10.0.0.0/24; Access_Type = RW; Protocols = 4; }
}
`);
  });
});

describe('numbers of exports', () => {
  it('are the same for a volume unless another has it', () => {
    const first = exportIdOf('vol-1', new Set());
    assert.equal(exportIdOf('vol-1', new Set([first + 1])), first);
    assert.equal(exportIdOf('vol-1', new Set([first, first + 1])), first + 2);
    assert.throws(() => exportIdOf('vol-1', new Set(Array.from({ length: 65534 }, (_, index) => index + 1))), { code: 'NoSpace' });
  });
});

describe('files of exports', () => {
  let folder: string;
  let readings: number;
  let said: string;
  let exported: GaneshaExports;
  const reader = { read: async () => ((readings += 1), said) } as unknown as GaneshaReader;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-exports-'));
    [readings, said] = [0, ''];
    exported = new GaneshaExports(join(folder, 'exports'), reader);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('are read when they change, and once by a process that does not know what was read', async () => {
    await exported.put(wanted);
    await exported.put(wanted);
    assert.equal(readings, 1);
    await new GaneshaExports(join(folder, 'exports'), reader).put(wanted);
    assert.equal(readings, 2);
    await exported.drop(wanted.id);
    await exported.drop(wanted.id);
    assert.deepEqual([readings, await readdir(join(folder, 'exports'))], [3, []]);
  });

  it('follow from the records: what has none goes, and others’ files stay', async () => {
    await exported.put({ ...wanted, id: idOf('vol', 'gone') });
    await writeFile(join(folder, 'exports', 'own.conf'), 'EXPORT {}');
    assert.equal(await exported.write([wanted]), true);
    assert.equal(await exported.write([wanted]), false);
    assert.deepEqual((await readdir(join(folder, 'exports'))).sort(), ['own.conf', `${wanted.id}.conf`]);
    assert.equal(await readFile(join(folder, 'exports', `${wanted.id}.conf`), 'utf8'), exportText(wanted));
  });

  it('say what nfs-ganesha has against them, and are read again then', async () => {
    said = 'x : main :FSAL :CRIT :resolve_posix_filesystem(/volumes/a/data) returned No such file';
    await assert.rejects(exported.put(wanted), /does not export volume.*No such file/);
    said = '';
    await exported.put(wanted);
    assert.equal(readings, 2);
  });
});
