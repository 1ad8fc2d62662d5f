import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod } from '../kube/core.ts';
import { anchorOf, folderOf, isHeld, machineOfFolder } from './anchor.ts';

const pod = (annotations: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>> = { 'yadokari.dev/virtual-machine': 'web' }, finalizers: readonly string[] = []): Pod =>
  ({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'shop', name: 'web-abcde', uid: 'p1', annotations, labels, finalizers }, spec: { containers: [] } });

describe('a pod', () => {
  it('is an anchor when the operator wrote a guest on it', () => {
    const anchor = anchorOf(pod({ 'yadokari.dev/guest': JSON.stringify({ name: 'web', uid: 'u1' }) }));
    assert.deepEqual([anchor?.key, anchor?.uid, anchor?.guest.uid, anchor?.folder], ['shop/web-abcde', 'p1', 'u1', 'shop.web.u1']);
  });

  const others: readonly (readonly [what: string, pod: Pod])[] = [
    ['without a guest', pod({})],
    ['without the label', pod({ 'yadokari.dev/guest': '{}' }, {})],
    ['with a guest that cannot be read', pod({ 'yadokari.dev/guest': '{"name":' })],
  ];
  for (const [what, other] of others) it(`${what} is none`, () => assert.equal(anchorOf(other), undefined));

  it('is held until the finalizer of the guest is off', () => {
    assert.equal(isHeld(pod({}, {}, ['other', 'yadokari.dev/guest'])), true);
    assert.equal(isHeld(pod({}, {}, ['other'])), false);
  });
});

describe("a machine's folder", () => {
  it('names its machine, also one with dots in its name', () => {
    assert.deepEqual(machineOfFolder(folderOf('shop', 'web.front.1', 'u1')), { namespace: 'shop', name: 'web.front.1', uid: 'u1' });
  });

  it('is told from a folder of something else', () => assert.equal(machineOfFolder('lost+found'), undefined));
});
