// Runs a guest and a container, fetches a page from each, and deletes them again.
import { readFileSync } from 'node:fs';
import { call, callIfThere, eventually } from './api.mjs';

const { NAMESPACE: namespace, OBJECTS: file, TIMEOUT_SECONDS: seconds } = process.env;
const deadline = Date.now() + Number(seconds) * 1000;
const objects = JSON.parse(readFileSync(file, 'utf8'));
const plurals = { VirtualMachineImage: 'virtualmachineimages', VirtualMachine: 'virtualmachines', Pod: 'pods' };
const collection = ({ kind }) => `/apis/yadokari.dev/v1alpha1/namespaces/${namespace}/${plurals[kind]}`;
const place = (object) => `${collection(object)}/${object.metadata.name}`;
const conditionOf = ({ status }, type) => status?.conditions?.find((condition) => condition.type === type);

async function removeAll() {
  for (const object of objects.toReversed()) await callIfThere('DELETE', place(object));
  await eventually('deleting the test objects', Date.now() + 60_000, async () => {
    const left = await Promise.all(objects.map((object) => callIfThere('GET', place(object))));
    return left.every((object) => object === undefined) ? true : undefined;
  });
}

async function check(object) {
  const what = `${object.kind} ${object.metadata.name}`;
  let shown = '';
  const status = await eventually(`${what} to become Ready`, deadline, async () => {
    const found = await call('GET', place(object));
    const ready = conditionOf(found, 'Ready');
    const line = `${what}: ${found.status?.printableStatus ?? found.status?.phase ?? 'new'}${ready?.message ? `, ${ready.message}` : ''}`;
    if (line !== shown) console.log(line);
    shown = line;
    if (ready?.status !== 'True') throw new Error(line);
    return found.status;
  });
  const page = await eventually(`a page from ${what} at ${status.address}`, deadline, async () => {
    const answer = await fetch(`http://${status.address}:8080/`, { signal: AbortSignal.timeout(5000) });
    return (await answer.text()).trim();
  });
  console.log(`${what} at ${status.address} on ${status.node} says: ${page}`);
  if (!page.includes('Hello from')) throw new Error(`${what} was expected to say Hello`);
}

await removeAll();
try {
  for (const object of objects) await call('POST', collection(object), object);
  await Promise.all(objects.filter(({ kind }) => kind !== 'VirtualMachineImage').map(check));
  console.log('A guest and a container run, and both are reached over the pod network.');
} finally {
  await removeAll();
}
