/** npm run release -- VERSION: keeps this tree's chart as a release in deploy/releases. */
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { messageOf } from '../src/base/errors.ts';
import { packagedChart, projectVersion, releaseArchive } from './releases.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** What disagrees with the version, each as a line that says what to change. */
function disagreements(version: string): readonly string[] {
  const chart = parse(read('deploy/helm/yadokari/Chart.yaml')) as { readonly version: string; readonly appVersion: string };
  const lock = JSON.parse(read('package-lock.json')) as { readonly version: string; readonly packages: Readonly<Record<string, { readonly version?: string }>> };
  const said: readonly (readonly [where: string, found: string | undefined])[] = [
    ['package.json', projectVersion()],
    ['package-lock.json', lock.version],
    ['package-lock.json, the first package', lock.packages['']?.version],
    ['version in Chart.yaml', chart.version],
    ['appVersion in Chart.yaml', chart.appVersion],
  ];
  const versions = said.filter(([, found]) => found !== version).map(([where, found]) => `${where} is ${found}, not ${version}`);
  const heading = new RegExp(`^## ${version.replaceAll('.', '\\.')} - \\d{4}-\\d\\d-\\d\\d$`, 'm');
  return heading.test(read('CHANGELOG.md')) ? versions : [...versions, `CHANGELOG.md has no heading "## ${version} - YYYY-MM-DD"`];
}

async function main(): Promise<void> {
  const version = process.argv[2] ?? '';
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error('say which version: npm run release -- 1.2.3');
  const archive = releaseArchive(version);
  if (existsSync(archive)) throw new Error(`${archive} exists; what was released does not change`);
  const amiss = disagreements(version);
  if (amiss.length > 0) throw new Error(amiss.join('\n  '));
  const bytes = await packagedChart(join(root, 'deploy/helm/yadokari'));
  await writeFile(archive, bytes, { flag: 'wx' });
  console.log(`${archive} ${(bytes.length / 1e3).toFixed(0)} kB`);
}

try {
  await main();
} catch (error) {
  console.error(`release: ${messageOf(error)}`);
  process.exitCode = 1;
}
