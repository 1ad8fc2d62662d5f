/** npm run bench -- NAME: measures on this host, with the raw floor in the same run. Prints figures, asserts nothing. */
import { benchFirstLight } from './first-light.ts';

const benches: Readonly<Record<string, () => Promise<void>>> = { 'first-light': benchFirstLight };
const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : Object.keys(benches)) {
  const bench = benches[name];
  if (bench === undefined) throw new RangeError(`there is no benchmark ${name}; there are ${Object.keys(benches).join(', ')}`);
  await bench();
}
