import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkPlan } from '../network-plan.ts';
import { parseManifests, placeholders } from './manifests.ts';

describe('manifests', () => {
  const values = placeholders(networkPlan(2));

  it('are filled in with the networks of the cluster', () => {
    const [pool] = parseManifests('pool.yaml', 'kind: IPPool\nspec: {cidr: "${POD_CIDR}", host: "${HOST_ADDRESS}"}\n', values);
    assert.deepEqual(pool?.['spec'], { cidr: '10.202.0.0/16', host: '10.55.2.1' });
  });

  it('keep placeholders that are not ours', () => {
    const [object] = parseManifests('x.yaml', 'kind: X\ntext: "${OTHER}"\n', values);
    assert.equal(object?.['text'], '${OTHER}');
  });

  it('may be many in a file, some of them empty', () => {
    assert.deepEqual(parseManifests('x.yaml', '# nothing\n---\nkind: A\n---\n---\nkind: B\n', values).map(({ kind }) => kind), ['A', 'B']);
    assert.deepEqual(parseManifests('x.yaml', '', values), []);
  });

  it('that are no YAML are named', () => {
    assert.throws(() => parseManifests('broken.yaml', 'a: [', values), { code: 'BadManifest', message: /^broken\.yaml: / });
  });
});
