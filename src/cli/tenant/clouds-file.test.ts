import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parse } from 'yaml';
import { readCloudsFile } from './clouds-file.ts';

describe('the search for a clouds.yaml', () => {
  let folder = '';
  const put = async (path: string, text: string): Promise<string> => {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    return file;
  };
  const search = (environment: NodeJS.ProcessEnv = {}, file?: string) => readCloudsFile({ environment, homeFolder: join(folder, 'home'), workingFolder: join(folder, 'work'), ...(file === undefined ? {} : { file }) });
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'yado-clouds-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("takes the first that is there, in the order of OpenStack's own clients", async () => {
    const home = await put('home/.config/openstack/clouds.yaml', 'home');
    assert.equal((await search()).path, home);
    const configured = await put('xdg/openstack/clouds.yaml', 'xdg');
    assert.equal((await search({ XDG_CONFIG_HOME: join(folder, 'xdg') })).path, configured);
    const json = await put('work/clouds.json', '{}');
    assert.equal((await search()).path, json);
    const work = await put('work/clouds.yaml', 'work');
    assert.deepEqual(await search({ OS_CLIENT_CONFIG_FILE: '' }), { path: work, text: 'work' });
    const elsewhere = await put('elsewhere', 'environment');
    assert.equal((await search({ OS_CLIENT_CONFIG_FILE: elsewhere })).path, elsewhere);
    assert.equal((await search({ OS_CLIENT_CONFIG_FILE: elsewhere }, home)).path, home);
  });

  it('looks nowhere else than where it is told to', async () => {
    await put('work/clouds.yaml', 'work');
    await assert.rejects(search({}, join(folder, 'none')), { code: 'NoCloudsFile', message: `There is no file ${join(folder, 'none')}` });
    await assert.rejects(search({ OS_CLIENT_CONFIG_FILE: join(folder, 'none') }), { code: 'NoCloudsFile' });
  });

  it('says where it has looked', async () => {
    await assert.rejects(search(), (error: Error) => error.message.includes(join(folder, 'work/clouds.yaml')) && error.message.includes('.config/openstack/clouds.yaml') && error.message.includes('--clouds'));
    await mkdir(join(folder, 'work/clouds.yaml'), { recursive: true });
    await assert.rejects(search(), /clouds\.yaml cannot be read/);
  });

  it('adds what a secure.yaml has, and shows none of it where it is no YAML', async () => {
    await put('work/clouds.yaml', 'clouds: {shop: {auth: {username: ann, password: old}, region_name: one}}');
    await put('home/.config/openstack/secure.yaml', 'clouds: {shop: {auth: {password: new}}}');
    assert.deepEqual(parse((await search()).text), { clouds: { shop: { auth: { username: 'ann', password: 'new' }, region_name: 'one' } } });
    const other = await put('other', 'password: [hush');
    await assert.rejects(search({ OS_CLIENT_SECURE_FILE: other }), { message: `${other} is no YAML` });
  });
});
