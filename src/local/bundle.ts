import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

export interface BundleOptions {
  readonly projectRoot: string;
  /** TypeScript file of the program. */
  readonly entry: string;
  readonly cache: string;
}

/** Bundles of one program that stay: clusters have copies of their own, and one that is wanted again is made in a second. */
const KEPT = 8;
const HASH = /^[0-9a-f]{16}$/;

/** Bundles a program of ours into one file, cached by the content of all sources; its path, or undefined when there is no such program. */
export async function bundleProgram(options: BundleOptions): Promise<string | undefined> {
  if (!existsSync(options.entry)) return undefined;
  const name = basename(options.entry, '.ts');
  const folder = join(options.cache, 'programs', `${name}-${await sourceHash(options.projectRoot)}`);
  const program = join(folder, `${name}.mjs`);
  if (existsSync(program)) return program;
  // Heavy to load, and seldom needed.
  const { build } = await import('esbuild');
  const temporary = `${folder}.${process.pid}.tmp`;
  await mkdir(join(options.cache, 'programs'), { recursive: true });
  try {
    await build({
      entryPoints: [options.entry], outfile: join(temporary, `${name}.mjs`), absWorkingDir: options.projectRoot,
      bundle: true, platform: 'node', format: 'esm', target: 'node24', minifySyntax: true, minifyWhitespace: true, sourcemap: 'linked', logLevel: 'error',
      alias: { undici: join(options.projectRoot, 'src/kube/unused-undici.ts') },
      // Packages in CommonJS ask for require by name.
      banner: { js: "import { createRequire as yadoCreateRequire } from 'node:module'; const require = yadoCreateRequire(import.meta.url);" },
    });
    await rename(temporary, folder).catch((error: unknown) => {
      // Another run of the same sources was first.
      if (!existsSync(program)) throw error;
    });
    await removeOldest(join(options.cache, 'programs'), name);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return program;
}

async function removeOldest(folder: string, program: string): Promise<void> {
  // The name of one program begins that of another.
  const names = (await readdir(folder)).filter((name) => name.startsWith(`${program}-`) && HASH.test(name.slice(program.length + 1)));
  const bundles = await Promise.all(names.map(async (name) => ({ name, madeAt: await stat(join(folder, name)).then(({ mtimeMs }) => mtimeMs, () => 0) })));
  for (const { name } of bundles.sort((a, b) => b.madeAt - a.madeAt).slice(KEPT)) await rm(join(folder, name), { recursive: true, force: true });
}

async function sourceHash(projectRoot: string): Promise<string> {
  const files = (await readdir(join(projectRoot, 'src'), { recursive: true })).filter((file) => /\.(ts|proto)$/.test(file) && !file.endsWith('.test.ts')).sort();
  const hash = createHash('sha256').update(await readFile(join(projectRoot, 'package-lock.json')));
  const contents = await Promise.all(files.map((file) => readFile(join(projectRoot, 'src', file))));
  for (const [index, content] of contents.entries()) hash.update(`\0${files[index]}\0`).update(content);
  return hash.digest('hex').slice(0, 16);
}
