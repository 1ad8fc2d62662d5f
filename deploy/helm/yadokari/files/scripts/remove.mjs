// Deletes all objects of the kinds and waits until nothing is left of them: a kind goes with its definition, but what the
// operator has to end first needs it to be there.
import { call, callIfThere, eventually } from './api.mjs';

const deadline = Date.now() + Number(process.env.TIMEOUT_SECONDS) * 1000;
const kinds = process.env.KINDS.split(' ');
const listOf = async (plural) => (await callIfThere('GET', `/apis/yadokari.dev/v1alpha1/${plural}`))?.items ?? [];

let shown = '';
await eventually('removing what is to go', deadline, async () => {
  const left = (await Promise.all(kinds.map(async (plural) => (await listOf(plural)).map((object) => ({ plural, ...object.metadata }))))).flat();
  await Promise.all(left.filter(({ deletionTimestamp }) => deletionTimestamp === undefined).map(remove));
  const text = left.map(({ plural, namespace, name }) => `${plural} ${namespace === undefined ? '' : `${namespace}/`}${name}`).join(', ');
  if (text !== shown) console.log(text === '' ? 'nothing is left' : `waiting for ${text}`);
  shown = text;
  return left.length === 0 ? true : undefined;
});

// Core pods of ours go by garbage collection, after their owners.
await eventually('removing their pods', deadline, async () => {
  const lists = await Promise.all(['yadokari.dev/virtual-machine', 'yadokari.dev/pod'].map((label) => call('GET', `/api/v1/pods?labelSelector=${encodeURIComponent(label)}`)));
  const left = lists.flatMap(({ items }) => items).map(({ metadata: { namespace, name } }) => `${namespace}/${name}`);
  if (left.length > 0) throw new Error(`still there: ${left.join(', ')}`);
  return true;
});

function remove({ plural, namespace, name }) {
  const place = namespace === undefined ? '' : `namespaces/${namespace}/`;
  return callIfThere('DELETE', `/apis/yadokari.dev/v1alpha1/${place}${plural}/${name}`, { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' });
}
