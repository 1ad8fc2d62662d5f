import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { systemClock, type Clock } from '../base/clock.ts';
import { parseClouds, type CloudSettings } from './clouds.ts';
import { faultOf, FakeCloud, PASSWORD, recorded } from './fake-cloud.ts';
import { HttpClient, type HttpAnswer } from './http.ts';
import { Session } from './session.ts';

const AUTHENTICATE = 'POST /identity/v3/auth/tokens';
const GET = 'GET /compute/v2.1/x';

/** The time can be put forward; sleeping takes none. */
class ShiftedClock implements Clock {
  shiftMs = 0;
  now(): number {
    return Date.now() + this.shiftMs;
  }
  async sleep(): Promise<void> {}
  after(ms: number, callback: () => void): () => void {
    return systemClock.after(ms, callback);
  }
}

interface Ground extends AsyncDisposable {
  readonly cloud: FakeCloud;
  readonly session: Session;
  readonly clock: ShiftedClock;
  get(signal?: AbortSignal): Promise<HttpAnswer>;
}

async function ground(settingsOf: (cloud: FakeCloud) => CloudSettings = (cloud) => cloud.settings(), tokenSeconds = 3600): Promise<Ground> {
  const cloud = await FakeCloud.start({ tokenSeconds });
  cloud.on(GET, { body: {} });
  const clock = new ShiftedClock();
  const http = new HttpClient({ tls: { verify: true }, clock });
  const session = new Session(settingsOf(cloud), http, clock);
  return {
    cloud, session, clock,
    get: (signal) => session.send({ service: 'compute', method: 'GET', url: new URL(`${cloud.origin}/compute/v2.1/x`), ...(signal === undefined ? {} : { signal }) }),
    async [Symbol.asyncDispose]() {
      session[Symbol.dispose]();
      http[Symbol.dispose]();
      await cloud[Symbol.asyncDispose]();
    },
  };
}

test('one token does for all calls, however many come at once', async () => {
  await using here = await ground();
  await Promise.all(Array.from({ length: 20 }, () => here.get()));
  assert.equal(here.cloud.calls(AUTHENTICATE).length, 1);
  assert.equal(here.cloud.calls(GET).length, 20);
});

test('Keystone is told user, domain, project and password', async () => {
  await using here = await ground();
  await here.session.token();
  assert.deepEqual(here.cloud.requests[0]?.body, { auth: {
    identity: { methods: ['password'], password: { user: { name: 'alice', domain: { name: 'Default' }, password: PASSWORD } } },
    scope: { project: { name: 'acme', domain: { name: 'Default' } } },
  } });
});

test('an application credential is sent without a scope, by its id or by its name', async () => {
  for (const [given, sent] of [['application_credential_id: a1', { id: 'a1' }], ['application_credential_name: bridge, user_id: u1', { name: 'bridge', user: { id: 'u1' } }]] as const) {
    await using here = await ground((cloud) => parseClouds(`clouds: {fake: {auth: {auth_url: "${cloud.origin}/identity", ${given}, application_credential_secret: ${PASSWORD}}}}`));
    await here.session.token();
    assert.deepEqual(here.cloud.requests[0]?.body, { auth: { identity: { methods: ['application_credential'], application_credential: { ...sent, secret: PASSWORD } } } });
  }
});

test('whoever aborts does not keep the others from their token', async () => {
  await using here = await ground();
  const aborting = new AbortController();
  const [left, stayed] = [here.get(aborting.signal), here.get()];
  aborting.abort(new Error('enough'));
  await assert.rejects(left, /enough/);
  assert.equal((await stayed).status, 200);
});

test('a token is renewed before it ends', async () => {
  await using here = await ground();
  await here.get();
  here.clock.shiftMs = 3_200_000;
  await here.get();
  assert.equal(here.cloud.calls(AUTHENTICATE).length, 1);
  here.clock.shiftMs = 3_400_000;
  await here.get();
  assert.equal(here.cloud.calls(AUTHENTICATE).length, 2);
});

test('a clock that differs from that of Keystone by hours does no harm', async () => {
  await using here = await ground();
  here.clock.shiftMs = -7_200_000;
  await here.get();
  await here.get();
  assert.equal(here.cloud.calls(AUTHENTICATE).length, 1);
});

test('the old token does while Keystone is away for a moment, also where clocks differ', async () => {
  await using here = await ground();
  const aheadMs = 7_200_000;
  here.clock.shiftMs = aheadMs;
  await here.get();
  here.cloud.on(AUTHENTICATE, { status: 503 });
  here.clock.shiftMs = aheadMs + 3_400_000;
  assert.equal((await here.get()).status, 200);
  here.clock.shiftMs = aheadMs + 3_700_000;
  assert.equal((await faultOf(here.get())).status, 503);
});

test('a token that a service refuses is renewed once, for all who were refused', async () => {
  await using here = await ground();
  await here.get();
  here.cloud.tokens.clear();
  const answers = await Promise.all(Array.from({ length: 10 }, () => here.get()));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(here.cloud.calls(AUTHENTICATE).length, 2);
});

test('a service that refuses the new token as well is told of', async () => {
  await using here = await ground();
  here.cloud.on(GET, recorded('error-401'));
  const fault = await faultOf(here.get());
  assert.equal(fault.code, 'AuthenticationFailed');
  assert.equal(fault.service, 'compute');
  assert.equal(here.cloud.calls(GET).length, 2);
  assert.equal(here.cloud.calls(AUTHENTICATE).length, 2);
});

for (const [name, status] of [['error-401', 401], ['error-keystone-401', 404]] as const) {
  test(`credentials that Keystone refuses with ${status} need a person, who learns of no secret`, async () => {
    await using here = await ground();
    here.cloud.on(AUTHENTICATE, recorded(name));
    const fault = await faultOf(here.get());
    assert.equal(fault.code, 'AuthenticationFailed');
    assert.equal(fault.disposition, 'stalled');
    assert.equal(fault.service, 'identity');
    assert.equal(fault.status, status);
    assert.match(fault.message, /does not take the user or its password of cloud "fake"/);
    assert.doesNotMatch(inspect(fault, { depth: 9 }), new RegExp(PASSWORD));
    assert.equal(here.cloud.requests.length, 1);
  });
}

test('what Keystone repeats of a request shows no password', async () => {
  await using here = await ground();
  here.cloud.on(AUTHENTICATE, { status: 400, body: { error: { code: 400, message: `'${PASSWORD}' is too short`, title: 'Bad Request' } } });
  const fault = await faultOf(here.get());
  assert.equal(fault.code, 'InvalidRequest');
  assert.doesNotMatch(inspect(fault, { depth: 9 }), new RegExp(PASSWORD));
});

test('what a service repeats of a token is not shown either', async () => {
  await using here = await ground();
  here.cloud.on(GET, ({ headers }) => ({ status: 403, body: `token ${String(headers['x-auth-token'])} may not` }));
  assert.match((await faultOf(here.get())).message, /token \[secret\] may not/);
});

test('a wrong address of Keystone is told of', async () => {
  await using here = await ground();
  here.cloud.on(AUTHENTICATE, { body: {} });
  assert.match((await faultOf(here.get())).message, /is this the address of Keystone/);
  here.cloud.on(AUTHENTICATE, { body: '<html>welcome</html>' });
  assert.equal((await faultOf(here.get())).code, 'InvalidAnswer');
});

test('a token of no project is told of', async () => {
  await using here = await ground();
  const { token } = recorded('keystone-token-password').body as { readonly token: object };
  here.cloud.on(AUTHENTICATE, { status: 201, headers: { 'x-subject-token': 't' }, body: { token: { ...token, project: undefined } } });
  assert.match((await faultOf(here.get())).message, /of no project/);
});

const GIVEN = 'given-token';

test('a token that was given is used as it is, and cannot be renewed, which is told of', async () => {
  await using here = await ground((cloud) => parseClouds(`clouds: {fake: {auth_type: token, auth: {auth_url: "${cloud.origin}/identity", token: ${GIVEN}}}}`));
  here.cloud.tokens.add(GIVEN);
  await here.get();
  assert.equal(here.cloud.requests[0]?.headers['x-subject-token'], GIVEN);
  assert.equal(here.cloud.calls(GET)[0]?.headers['x-auth-token'], GIVEN);
  here.cloud.tokens.clear();
  const fault = await faultOf(here.get());
  assert.equal(fault.code, 'AuthenticationFailed');
  assert.match(fault.message, /does not take the token, which may have ended/);
  assert.doesNotMatch(inspect(fault, { depth: 9 }), new RegExp(GIVEN));
});

test('what a real Keystone says of a token that was given is understood', async () => {
  await using here = await ground((cloud) => parseClouds(`clouds: {fake: {auth_type: token, auth: {auth_url: "${cloud.origin}/identity", token: ${GIVEN}}}}`));
  here.cloud.on('GET /identity/v3/auth/tokens', recorded('keystone-token-validate'));
  const token = await here.session.token();
  assert.equal(token.secret.reveal(), GIVEN);
  assert.equal(token.projectName, 'acme');
});

test('a token that was given is exchanged for one of the project that is named', async () => {
  await using here = await ground((cloud) => parseClouds(`clouds: {fake: {auth_type: token, auth: {auth_url: "${cloud.origin}/identity", token: ${PASSWORD}, project_id: p1}}}`));
  await here.get();
  assert.deepEqual(here.cloud.requests[0]?.body, { auth: { identity: { methods: ['token'], token: { id: PASSWORD } }, scope: { project: { id: 'p1' } } } });
});

test('a session that is closed lets nobody wait', async () => {
  await using here = await ground();
  here.cloud.on(AUTHENTICATE, { breaks: 'hangs' });
  const waiting = here.get();
  setTimeout(() => here.session[Symbol.dispose](), 20);
  await assert.rejects(waiting, /was closed/);
});
