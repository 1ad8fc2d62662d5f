/** Writes crds/*.yaml from src/api; with `--check` only says whether they are up to date (exit code 1 when not). */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { kinds } from '../src/api/kinds.ts';
import { toCustomResourceDefinition } from '../src/schema/kind.ts';

const folder = new URL('../crds/', import.meta.url);
const check = process.argv.includes('--check');
mkdirSync(folder, { recursive: true });
for (const kind of kinds) {
  const file = new URL(`${kind.group}_${kind.plural}.yaml`, folder);
  const text = `# Generated from src/api by npm run generate. Do not edit.\n${stringify(toCustomResourceDefinition(kind), { lineWidth: 0, aliasDuplicateObjects: false })}`;
  if (!check) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${file.pathname} is not what src/api says; run npm run generate`);
    process.exitCode = 1;
  }
}
