import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recorded } from '../fake-cloud.ts';
import { codeOf, faultOf } from './fault.ts';

/** Answers of a real cloud: what they are to us, and what people are told. */
const ANSWERS: readonly (readonly [string, string, RegExp])[] = [
  ['error-401', 'AuthenticationFailed', /requires authentication/],
  ['error-nova-400-schema', 'InvalidRequest', /flavorRef/],
  ['error-nova-403-policy', 'Forbidden', /Policy doesn't allow/],
  ['error-nova-403-quota', 'QuotaExceeded', /Quota exceeded for instances/],
  ['error-nova-409-start-active', 'Conflict', /vm_state active/],
  ['nova-server-404', 'NotFound', /could not be found/],
  ['nova-406-microversion', 'MicroversionUnsupported', /maximum is 2\.93/],
  ['error-neutron-404', 'NotFound', /Network nope could not be found/],
  ['error-neutron-409-in-use', 'Conflict', /still in use/],
  ['neutron-update-if-match-412', 'RevisionConflict', /current revision is 3/],
  ['error-cinder-404', 'NotFound', /Volume .* could not be found/],
  ['error-glance-404', 'NotFound', /^404 Not Found No image found with ID nope$/],
  ['glance-image-members', 'Forbidden', /^403 Forbidden/],
];

for (const [name, code, message] of ANSWERS) {
  test(`the recorded answer ${name} is ${code}`, () => {
    const { status, body } = recorded(name);
    const fault = faultOf(status, typeof body === 'string' ? body : JSON.stringify(body));
    assert.equal(codeOf(status, fault, false), code);
    assert.match(fault.message, message);
  });
}

test('services have names of their own for what is wrong', () => {
  const reasonOf = (name: string): string | undefined => faultOf(409, JSON.stringify(recorded(name).body)).reason;
  assert.equal(reasonOf('error-neutron-409-in-use'), 'NetworkInUse');
  assert.equal(reasonOf('error-nova-409-start-active'), 'conflictingRequest');
  assert.equal(reasonOf('error-401'), undefined);
});

test('an application credential that is not known is an authentication failure, though its code is 404', () => {
  const { status, body } = recorded('error-keystone-401');
  const fault = faultOf(status, JSON.stringify(body));
  assert.equal(codeOf(status, fault, true), 'AuthenticationFailed');
  assert.equal(codeOf(200 + 201, fault, true), 'AuthenticationFailed');
  assert.equal(codeOf(status, fault, false), 'NotFound');
});

test('413 is too often, too much or too large', () => {
  const code = (body: object): string => codeOf(413, faultOf(413, JSON.stringify(body)), false);
  assert.equal(code({ overLimit: { code: 413, message: 'This request was rate-limited.' } }), 'TooManyRequests');
  assert.equal(code({ overLimit: { code: 413, message: "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for quota 'volumes'." } }), 'QuotaExceeded');
  assert.equal(code({ badRequest: { code: 413, message: 'Request is too large.' } }), 'InvalidRequest');
  assert.equal(codeOf(409, faultOf(409, JSON.stringify({ NeutronError: { type: 'OverQuota', message: "Quota exceeded for resources: ['port'].", detail: '' } })), false), 'QuotaExceeded');
});

const ODD: readonly (readonly [string, string])[] = [['', 'HTTP 502'], ['[]', 'HTTP 502'], ['{}', 'HTTP 502'], ['{"a":null}', 'HTTP 502'], ['{"error":"gone"}', 'gone'], ['{"errors":[{"status":502,"title":"Bad","detail":"no"}]}', 'no'], ['<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>', 'Bad Gateway'], ['plain words', 'plain words']];

for (const [body, message] of ODD) test(`an answer ${JSON.stringify(body.slice(0, 20))} that is no fault of OpenStack's says "${message}"`, () => assert.equal(faultOf(502, body).message.trim(), message));

test('long messages are cut', () => assert.ok(faultOf(400, JSON.stringify({ badRequest: { message: 'x'.repeat(10_000) } })).message.length < 600));
