/**
 * Writes crds/*.yaml from src/api, and from them and deploy/manifests the chart's templates that must say the same;
 * with `--check` only says whether they are up to date (exit code 1 when not).
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { kinds } from '../src/api/kinds.ts';
import { toCustomResourceDefinition } from '../src/schema/kind.ts';
import { chartFiles } from './chart-files.ts';

const root = new URL('../', import.meta.url);
const check = process.argv.includes('--check');
const crds = Object.fromEntries(kinds.map((kind) => [
  `${kind.group}_${kind.plural}.yaml`,
  `# Generated from src/api by npm run generate. Do not edit.\n${stringify(toCustomResourceDefinition(kind), { lineWidth: 0, aliasDuplicateObjects: false })}`,
]));
const files = { ...Object.fromEntries(Object.entries(crds).map(([name, text]) => [`crds/${name}`, text])), ...chartFiles(root, crds) };

for (const [path, text] of Object.entries(files)) {
  const file = new URL(path, root);
  mkdirSync(new URL('.', file), { recursive: true });
  if (!check) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${path} is not what src/api and deploy/manifests say; run npm run generate`);
    process.exitCode = 1;
  }
}
for (const folder of ['crds', 'deploy/helm/yadokari/templates/crds']) {
  for (const name of readdirSync(new URL(folder, root)).filter((file) => !(file in crds))) {
    console.error(`${folder}/${name} is of no kind in src/api; remove it`);
    process.exitCode = 1;
  }
}
