/** npm run images: builds the product's container images into dist/images, and pushes them where it is told to. */
import { copyFile, mkdir, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.ts';
import { run } from '../src/base/process.ts';
import { terminalProgress } from '../src/cli/terminal-progress.ts';
import { pushLayout, readCredentials } from '../src/local/images/release/push.ts';
import { Registry } from '../src/local/images/release/registry.ts';
import { ensureReleaseImages, releaseImageNames, type ReleaseImageName } from '../src/local/images/release/release-images.ts';
import { defaultCacheRoot } from '../src/local/layout.ts';

const usage = `npm run images -- [options]

Builds the images ${releaseImageNames.join(', ')} without a container daemon. Of each it leaves in the output folder
an OCI image layout NAME/, the same as NAME.tar for \`ctr -n k8s.io images import\`, and its parts as NAME.spdx.json.

  --only NAME,…              these alone
  --repository PREFIX        what comes before /NAME:VERSION (default: localhost/yadokari)
  --push HOST/REPOSITORY     names them so instead, and pushes them; plain HTTP on localhost alone
  --output FOLDER            default: dist/images
  --cache FOLDER             default: ${defaultCacheRoot}
`;

const root = join(import.meta.dirname, '..');
const progress = terminalProgress(process.stderr);

function chosen(only: string | undefined): readonly ReleaseImageName[] {
  const words = only?.split(',') ?? releaseImageNames;
  return words.map((word) => {
    const name = releaseImageNames.find((known) => known === word);
    if (name === undefined) throw new Error(`there is no image ${word}; choose among ${releaseImageNames.join(', ')}`);
    return name;
  });
}

async function push(layout: string, name: string, target: string): Promise<void> {
  const [host = '', ...path] = target.split('/');
  const repository = [...path, name].join('/');
  const file = process.env['REGISTRY_AUTH_FILE'] ?? join(process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json');
  const credentials = await readCredentials(file, host);
  const registry = new Registry({ host, ...(credentials === undefined ? {} : { credentials }) });
  await progress.step(`Pushing ${host}/${repository}`, async (step) => {
    let sent = 0;
    const pushed = await pushLayout(layout, registry, repository, (bytes, isNew) => step.update(`${((sent += isNew ? bytes : 0) / 1e6).toFixed(1)} MB sent`));
    for (const { tag, digest } of pushed) console.log(`${host}/${repository}:${tag}@${digest}`);
  });
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { only: text, repository: text, push: text, output: text, cache: text, help: { type: 'boolean' } } });
  if (values.help === true) return void process.stdout.write(usage);
  const output = values.output ?? join(root, 'dist/images');
  const repository = values.push ?? values.repository;
  if (values.push !== undefined && !values.push.includes('/')) throw new Error('--push wants HOST/REPOSITORY, such as registry.example.org/yadokari');
  const names = chosen(values.only);
  const images = await ensureReleaseImages({ cache: values.cache ?? defaultCacheRoot, root, environment: process.env, progress, only: names, ...(repository === undefined ? {} : { repository }) });
  for (const name of names) {
    const { archive, reference, digest, sbom } = images[name];
    const layout = join(output, name);
    await rm(layout, { recursive: true, force: true });
    await mkdir(layout, { recursive: true });
    await Promise.all([copyFile(archive, `${layout}.tar`), copyFile(sbom, `${layout}.spdx.json`), run('tar', ['-xf', archive, '-C', layout])]);
    console.log(`${reference}@${digest} ${((await stat(archive)).size / 1e6).toFixed(1)} MB`);
    if (values.push !== undefined) await push(layout, name, values.push);
  }
}

try {
  await main();
} catch (error) {
  console.error(`images: ${messageOf(error)}`);
  process.exitCode = 1;
}
