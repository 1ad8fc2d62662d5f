/** npm run bench -- NAME [--OPTION=VALUE]: measures on this host, with the raw floor in the same run. Prints figures, asserts nothing. */
import { benchFirstLight } from './first-light.ts';
import { benchNetwork } from './network.ts';
import { benchPodsInVms } from './pods-in-vms.ts';
import { benchScale } from './scale.ts';
import { benchStorage } from './storage.ts';

const benches: Readonly<Record<string, (options: readonly string[]) => Promise<void>>> = { 'first-light': benchFirstLight, network: benchNetwork, 'pods-in-vms': benchPodsInVms, scale: benchScale, storage: benchStorage };
const words = process.argv.slice(2);
const options = words.filter((word) => word.startsWith('--'));
const names = words.filter((word) => !word.startsWith('--'));
for (const name of names.length > 0 ? names : Object.keys(benches)) {
  const bench = benches[name];
  if (bench === undefined) throw new RangeError(`there is no benchmark ${name}; there are ${Object.keys(benches).join(', ')}`);
  await bench(options);
}
