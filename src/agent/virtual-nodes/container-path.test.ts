import assert from 'node:assert/strict';
import { it } from 'node:test';
import { containerPath } from './container-path.ts';

it('names a container by the list that it is in', () => {
  const of = (name: string) => ({ name, image: 'i' });
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [of('web')], initContainers: [of('first')], ephemeralContainers: [of('debug')] } };
  assert.deepEqual(['web', 'first', 'debug', 'none'].map((name) => containerPath(pod, name)), ['spec.containers{web}', 'spec.initContainers{first}', 'spec.ephemeralContainers{debug}', undefined]);
});
