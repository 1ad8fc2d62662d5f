import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { parseClouds } from '../../openstack/clouds.ts';
import { cloudPart } from './cloud-part.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const auth = { auth_url: 'https://cloud.example:5000/v3', username: 'ann', password: 'hush', project_name: 'shop', user_domain_name: 'Default' };

describe('the part of a clouds.yaml that a cluster gets', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-part-'));
    await writeFile(join(folder, 'ca.pem'), PEM);
    await writeFile(join(folder, 'text'), 'no certificate');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const part = (clouds: Readonly<Record<string, object>>, name: string): Promise<string> => {
    const text = stringify({ clouds });
    return cloudPart({ file: { path: 'clouds.yaml', text }, settings: parseClouds(text, { name }) });
  };

  it('is of that cloud alone', async () => {
    const text = await part({ shop: { auth, region_name: 'one' }, other: { auth: { ...auth, password: 'nobody else sees it' } } }, 'shop');
    assert.doesNotMatch(text, /nobody|other/);
    const settings = parseClouds(text, { files: false });
    assert.deepEqual([settings.name, settings.region, settings.credentials.kind === 'password' && settings.credentials.password.reveal()], ['shop', 'one', 'hush']);
  });

  it('has certificates written out, since nobody there reads files of this host', async () => {
    const text = await part({ shop: { auth, cacert: join(folder, 'ca.pem') } }, 'shop');
    assert.deepEqual(parseClouds(text, { files: false }).tls.ca, { kind: 'text', pem: PEM });
  });

  it('names the file that cannot be read, or is no certificate', async () => {
    await assert.rejects(part({ shop: { auth, cacert: join(folder, 'none') } }, 'shop'), /cacert of cloud "shop" is .*none, which cannot be read/);
    await assert.rejects(part({ shop: { auth, cacert: join(folder, 'text') } }, 'shop'), /must be a file in PEM form/);
  });
});
