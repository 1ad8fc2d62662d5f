// Server-side applies the objects of a JSON file. Their definitions may still be on their way.
import { readFileSync } from 'node:fs';
import { call, eventually } from './api.mjs';

const deadline = Date.now() + 120_000;
for (const object of JSON.parse(readFileSync(process.env.OBJECTS, 'utf8'))) {
  const { apiVersion, kind, metadata: { name } } = object;
  const path = `/apis/${apiVersion}/${pluralOf(kind)}/${name}?fieldManager=yadokari-install&force=true`;
  await eventually(`${kind} ${name}`, deadline, () => call('PATCH', path, object, 'application/apply-patch+yaml'));
  console.log(`${kind} ${name} is as it should be`);
}

function pluralOf(kind) {
  return `${kind.toLowerCase()}s`;
}
