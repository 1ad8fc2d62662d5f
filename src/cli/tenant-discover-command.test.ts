import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { messageOf } from '../base/errors.ts';
import { silentProgress } from '../base/progress.ts';
import { FakeCloud, PASSWORD, PROJECT_ID, recorded } from '../openstack/fake-cloud.ts';
import type { CliContext } from './context.ts';
import { createProgram } from './program.ts';

const LISTS = {
  'compute/v2.1/servers/detail': 'servers', 'compute/v2.1/flavors/detail': 'flavors', 'compute/v2.1/os-keypairs': 'keypairs', 'compute/v2.1/os-server-groups': 'server_groups',
  'network/v2.0/ports': 'ports', 'network/v2.0/networks': 'networks', 'network/v2.0/subnets': 'subnets', 'network/v2.0/routers': 'routers', 'network/v2.0/floatingips': 'floatingips', 'network/v2.0/security-groups': 'security_groups',
  'image/v2/images': 'images',
} as const;

describe('yado tenant discover', () => {
  let folder = '';
  let cloud: FakeCloud;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'yado-discover-'));
    cloud = await FakeCloud.start({ services: ['compute', 'network', 'image'] });
    for (const [path, field] of Object.entries(LISTS)) cloud.on(`GET /${path}`, { body: { [field]: [] } });
    cloud.on('GET /network/v2.0/networks', recorded('neutron-networks'));
  });
  afterEach(async () => {
    await cloud[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const entry = (authUrl: string, password = PASSWORD): string => `{auth: {auth_url: "${authUrl}", username: alice, password: ${password}, project_name: acme, user_domain_name: Default}}`;
  const discover = async (clouds: Readonly<Record<string, string>>, environment: NodeJS.ProcessEnv, ...words: readonly string[]): Promise<string> => {
    const file = join(folder, 'clouds.yaml');
    await writeFile(file, `clouds:\n${Object.entries(clouds).map(([name, text]) => `  ${name}: ${text}\n`).join('')}`);
    const printed: string[] = [];
    const context: CliContext = {
      projectRoot: '/', nodeExecutable: 'node', environment: { OS_CLIENT_CONFIG_FILE: file, ...environment }, homeFolder: folder, progress: silentProgress, print: (text) => void printed.push(text), setExitCode: () => {},
      terminal: { input: process.stdin, output: process.stdout }, programName: 'yado', signal: new AbortController().signal,
    };
    await createProgram(context).parseAsync(['node', 'yado', 'tenant', 'discover', ...words]);
    return printed.join('\n');
  };
  const refusal = async (...given: Parameters<typeof discover>): Promise<string> => {
    const error = await discover(...given).then(() => assert.fail('it did not fail'), (thrown: unknown) => thrown);
    assert.doesNotMatch(messageOf(error), /\n/, 'an error is one line');
    return messageOf(error);
  };

  it('tells who signs in where, and what there is', async () => {
    const text = await discover({ a: entry('http://127.0.0.1:1'), b: entry(`${cloud.origin}/identity`) }, { OS_CLOUD: 'b' });
    assert.match(text, /^Cloud b at .*: user alice \(reader, member\) in project acme \(.*\), region RegionOne$/m);
    assert.match(text, /^compute +2\.93 +http/m);
    assert.match(text, /^volume +missing +the cloud has no service volume/m);
    assert.match(text, /^networks +2 +- /m);
  });

  it('tells programs the same', async () => {
    const found = JSON.parse(await discover({ a: entry(`${cloud.origin}/identity`) }, {}, '-o', 'json')) as { readonly project: object; readonly kinds: readonly object[]; readonly missingKinds: readonly string[] };
    assert.deepEqual(found.project, { id: PROJECT_ID, name: 'acme' });
    assert.deepEqual(found.kinds.filter((kind) => 'kind' in kind && kind.kind === 'networks'), [{ kind: 'networks', there: 2, as: 'their subnets' }]);
    assert.ok(found.missingKinds.includes('volumes'));
  });

  it('names the clouds that there are when it is not told which, or of another', async () => {
    const clouds = { a: entry(cloud.origin), b: entry(cloud.origin) };
    assert.match(await refusal(clouds, {}), /the clouds a, b: say which with --os-cloud \(.*clouds\.yaml\)/);
    assert.match(await refusal(clouds, { OS_CLOUD: 'a' }, '--os-cloud', 'c'), /no cloud "c"; it has a, b/);
  });

  it('says in one line what is wrong with a password or an address, and never shows a secret', async () => {
    const wrong = await refusal({ a: entry(`${cloud.origin}/identity`, 'battery-staple') }, {});
    assert.match(wrong, /^Keystone does not take the user or its password of cloud "a"/);
    assert.doesNotMatch(wrong, /battery/);
    assert.match(await refusal({ a: entry('http://127.0.0.1:1/identity') }, {}), /127\.0\.0\.1:1 cannot be reached: connect ECONNREFUSED/);
  });
});
