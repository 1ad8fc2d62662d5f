import assert from 'node:assert/strict';
import { it } from 'node:test';
import { examplePod, exampleSpec } from './examples.ts';
import { TerminationOrder } from './termination-order.ts';

it('lets sidecars end after the main containers, the last begun first', async () => {
  const sidecar = (name: string): ReturnType<typeof exampleSpec> => exampleSpec(name, { restartPolicy: 'Always' });
  const order = new TerminationOrder(examplePod({ initContainers: [sidecar('first'), exampleSpec('once'), sidecar('second')] }), ['first', 'second', 'main']);
  const ended: string[] = [];
  const end = async (name: string): Promise<void> => {
    await order.turnOf(name);
    ended.push(name);
    order.ended(name);
  };
  await Promise.all(['first', 'second', 'main'].map(end));
  assert.deepEqual(ended, ['main', 'second', 'first']);
});
