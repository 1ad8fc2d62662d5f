import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { leftOut, redact } from './redaction.ts';

describe('what a dump leaves out', () => {
  it('is the text of cloud-init, but not that there is some', () => {
    const vm = { kind: 'VirtualMachine', spec: { cloudInit: { userData: 'password: hunter2', userDataSecret: 'mine' } } };
    assert.deepEqual(redact(vm), { kind: 'VirtualMachine', spec: { cloudInit: { userData: '(left out: 17 characters)', userDataSecret: 'mine' } } });
  });

  it('is every copy of an object in annotations, and managedFields', () => {
    const metadata = { name: 'a', managedFields: [{}], annotations: { 'yadokari.dev/guest': '{"seed":"x"}', 'kubectl.kubernetes.io/last-applied-configuration': '{}', note: 'stays' } };
    const copy = redact({ metadata }) as { readonly metadata: { readonly annotations: Record<string, string> } };
    assert.deepEqual(Object.keys(copy.metadata), ['name', 'annotations']);
    assert.equal(JSON.stringify(copy).includes('seed'), false);
    assert.equal(copy.metadata.annotations['note'], 'stays');
  });

  it('is the data of a Secret, not that of a ConfigMap', () => {
    assert.equal(JSON.stringify(redact({ kind: 'Secret', data: { a: 'c2VjcmV0' } })).includes('c2VjcmV0'), false);
    assert.deepEqual(redact({ kind: 'ConfigMap', data: { a: 'b' } }), { kind: 'ConfigMap', data: { a: 'b' } });
  });

  it('is the value of variables whose name says so', () => {
    assert.deepEqual(redact({ env: [{ name: 'DB_PASSWORD', value: 'x' }, { name: 'PORT', value: '80' }, { name: 'API_TOKEN', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }), {
      env: [{ name: 'DB_PASSWORD', value: leftOut('x') }, { name: 'PORT', value: '80' }, { name: 'API_TOKEN', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }],
    });
  });

  it('changes nothing in the object itself', () => {
    const object = Object.freeze({ spec: Object.freeze({ userData: 'x' }) });
    redact(object);
    assert.deepEqual(object, { spec: { userData: 'x' } });
  });
});
