import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { CloudSettingsError, parseClouds } from './clouds.ts';

const cloud = (auth: string, ...lines: readonly string[]): string => ['clouds:', '  shop:', `    auth: {auth_url: "https://cloud.example:5000", ${auth}}`, ...lines.map((line) => `    ${line}`)].join('\n');
const PASSWORD = 'username: alice, password: hunter22, project_name: acme, user_domain_name: Default';

function faultOf(text: string, options?: Parameters<typeof parseClouds>[1]): CloudSettingsError {
  try {
    parseClouds(text, options);
  } catch (error) {
    assert.ok(error instanceof CloudSettingsError, String(error));
    assert.equal(error.disposition, 'stalled');
    return error;
  }
  assert.fail('the settings were taken');
}

test('a password is of a user in a domain, and its project is looked for in that domain', () => {
  const { credentials, authUrl, interface: face } = parseClouds(cloud(PASSWORD));
  assert.equal(authUrl, 'https://cloud.example:5000/v3');
  assert.equal(face, 'public');
  assert.equal(credentials.kind, 'password');
  assert.deepEqual(credentials.kind === 'password' && credentials.user, { name: 'alice', domain: { name: 'Default' } });
  assert.deepEqual(credentials.kind === 'password' && credentials.project, { name: 'acme', domain: { name: 'Default' } });
  assert.equal(credentials.kind === 'password' && credentials.password.reveal(), 'hunter22');
});

test('ids go before names', () => {
  const { credentials } = parseClouds(cloud('user_id: u1, username: alice, password: hunter22, project_id: p1'));
  assert.deepEqual(credentials.kind === 'password' && [credentials.user, credentials.project], [{ id: 'u1' }, { id: 'p1' }]);
});

test('an application credential is known by its id, or by its name and its user', () => {
  const byId = parseClouds(cloud('application_credential_id: a1, application_credential_secret: hunter22', 'auth_type: v3applicationcredential')).credentials;
  assert.deepEqual(byId.kind === 'applicationCredential' && byId.credential, { id: 'a1' });
  const byName = parseClouds(cloud('application_credential_name: bridge, username: alice, user_domain_id: default, application_credential_secret: hunter22')).credentials;
  assert.deepEqual(byName.kind === 'applicationCredential' && byName.credential, { name: 'bridge', user: { name: 'alice', domain: { id: 'default' } } });
});

test('a token needs no project', () => {
  const { credentials } = parseClouds(cloud('token: hunter22', 'auth_type: v3token'));
  assert.equal(credentials.kind, 'token');
  assert.equal('project' in credentials, false);
});

test('region, interface, certificates, addresses and microversions are taken', () => {
  const settings = parseClouds(cloud(PASSWORD, 'region_name: R1', 'interface: internal', 'cacert: /etc/ca.pem', 'cert: "-----BEGIN CERTIFICATE-----"', 'key: /etc/key.pem', 'verify: false', 'compute_endpoint_override: http://10.0.0.1:8774/v2.1/', 'block_storage_endpoint_override: http://10.0.0.1:8776/v3', 'compute_default_microversion: "2.10"'));
  assert.equal(settings.region, 'R1');
  assert.equal(settings.interface, 'internal');
  assert.deepEqual(settings.tls, { verify: false, ca: { kind: 'file', path: '/etc/ca.pem' }, client: { certificate: { kind: 'text', pem: '-----BEGIN CERTIFICATE-----' }, key: { kind: 'file', path: '/etc/key.pem' } } });
  assert.deepEqual(settings.endpoints, { compute: 'http://10.0.0.1:8774/v2.1', volume: 'http://10.0.0.1:8776/v3' });
  assert.deepEqual(settings.microversions, { compute: '2.10' });
});

test('settings cannot be changed', () => {
  const settings = parseClouds(cloud(PASSWORD));
  for (const part of [settings, settings.credentials, settings.tls, settings.endpoints, settings.microversions]) assert.ok(Object.isFrozen(part));
});

test('a cloud is chosen by its name, and only a single one without', () => {
  const two = `${cloud(PASSWORD)}\n  other: {auth: {}}`;
  assert.equal(parseClouds(two, { name: 'shop' }).name, 'shop');
  assert.match(faultOf(two).message, /shop, other: say which/);
  assert.match(faultOf(two, { name: 'third' }).message, /no cloud "third"; it has shop, other/);
});

const REFUSED: readonly (readonly [string, string, string, RegExp])[] = [
  ['an unknown kind of authentication', cloud(PASSWORD, 'auth_type: v3oidcpassword'), 'auth_type', /auth_type of cloud "shop" is "v3oidcpassword": it must be one of password, v3password, v3applicationcredential/],
  ['a name that every object has', cloud(PASSWORD, 'auth_type: constructor'), 'auth_type', /is "constructor"/],
  ['no project', cloud('username: alice, password: hunter22, user_domain_name: Default'), 'auth.project_name', /project_id/],
  ['no domain', cloud('username: alice, password: hunter22, project_id: p'), 'auth.user_domain_name', /often Default/],
  ['no password', cloud('username: alice, project_id: p, user_domain_name: Default'), 'auth.password', /auth.password of cloud "shop" is .*missing/],
  ['no user', cloud('password: hunter22, project_id: p'), 'auth.username', /user_id/],
  ['a password that is no text', cloud('username: alice, password: [hunter22], project_id: p, user_domain_name: D'), 'auth.password', /it must be a text/],
  ['a password that YAML takes for a number', cloud('username: alice, password: 20222022, project_id: p, user_domain_name: D'), 'auth.password', /in quotes/],
  ['an address that is none', 'clouds: {shop: {auth: {auth_url: cloud.example}}}', 'auth.auth_url', /"cloud.example".*https:/],
  ['Keystone v2', 'clouds: {shop: {auth: {auth_url: "http://c/v2.0"}}}', 'auth.auth_url', /\/v3/],
  ['no auth', 'clouds: {shop: {region_name: R}}', 'auth', /auth_url/],
  ['an unknown interface', cloud(PASSWORD, 'interface: private'), 'interface', /"private": it must be one of public, internal, admin/],
  ['a certificate without its key', cloud(PASSWORD, 'cert: /c.pem'), 'key', /both/],
  ['verify in quotes', cloud(PASSWORD, 'verify: "no"'), 'verify', /"no": it must be true or false/],
  ['a microversion that YAML made a number of', cloud(PASSWORD, 'compute_default_microversion: 2.10'), 'compute_default_microversion', /in quotes/],
  ['a microversion that is none', cloud(PASSWORD, 'volume_default_microversion: latest'), 'volume_default_microversion', /"latest"/],
  ['an endpoint that is no URL', cloud(PASSWORD, 'image_endpoint_override: glance'), 'image_endpoint_override', /"glance"/],
  ['a list of clouds', 'clouds: [shop]', 'clouds', /each by its name/],
  ['a cloud that is a text', 'clouds: {shop: hunter22}', '', /fields and their values/],
  ['nothing', '', 'clouds', /must have clouds/],
  ['broken YAML', 'clouds: {shop: {auth: {password: hunter22', '', /no YAML/],
  ['YAML with a tab before a password', 'clouds:\n\tshop: hunter22', '', /no YAML/],
];

for (const [what, text, field, message] of REFUSED) {
  test(`${what} is refused, naming the field and showing no secret`, () => {
    const fault = faultOf(text);
    assert.equal(fault.field, field);
    assert.match(fault.message, message);
    assert.doesNotMatch(inspect(fault, { depth: 9 }), /hunter22|20222022/);
  });
}

test('files of this host are refused where others wrote the settings, and PEM texts are not', () => {
  assert.equal(faultOf(cloud(PASSWORD, 'cacert: /etc/shadow'), { files: false }).field, 'cacert');
  assert.equal(parseClouds(cloud(PASSWORD, 'cacert: "-----BEGIN CERTIFICATE-----"'), { files: false }).tls.ca?.kind, 'text');
});

test('settings show no secret, however they are shown', () => {
  const settings = parseClouds(cloud(PASSWORD));
  for (const shown of [inspect(settings, { depth: 9, showHidden: true }), JSON.stringify(settings), String(settings.credentials.kind === 'password' && settings.credentials.password)]) assert.doesNotMatch(shown, /hunter22/);
});
