import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, run } from '../../base/process.ts';
import type { Progress } from '../../base/progress.ts';
import { LocalError } from '../errors.ts';
import { withLock } from '../lock.ts';
import { ensureGo } from './go.ts';
import { extraPrograms, requiredBinaries, toolchainPrograms, type ToolchainProgram } from './programs.ts';

export interface BuildOptions {
  /** Folder of the modules: deploy/toolchain. */
  readonly modules: string;
  /** Where built programs are kept; may be shared by any number of clones and users. */
  readonly cache: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

export interface ToolchainOptions extends BuildOptions {
  /** Folder of our own CNI plugin's Go sources. */
  readonly cniSource: string;
  /** A folder of ready binaries to use instead. */
  readonly binaries?: string;
}

export interface Toolchain {
  readonly binaries: string;
  /** Paths of CNI plugins by name. */
  readonly cniPlugins: Readonly<Record<string, string>>;
}

interface BuildJob {
  readonly program: Pick<ToolchainProgram, 'name' | 'package' | 'tests' | 'linkerFlags' | 'seconds'>;
  /** Folder to build in. */
  readonly source: string;
  /** Folder in the cache; its name says what it was built from. */
  readonly target: string;
}

/** Finds or builds every program of a local cluster. What is built is built once, by one of several runs. */
export async function ensureToolchain(options: ToolchainOptions): Promise<Toolchain> {
  const { binaries, modules, cache, cniSource } = options;
  if (binaries !== undefined) requireBinaries(binaries);
  const key = await hashOf(await moduleFiles(modules), JSON.stringify(toolchainPrograms.map(({ name, linkerFlags }) => [name, linkerFlags])));
  const folder = join(cache, 'toolchain', key);
  const wanted = toolchainPrograms.filter(({ name }) => binaries === undefined || (name === 'loopback' && !existsSync(join(binaries, name))));
  const jobs: BuildJob[] = wanted.map((program) => ({ program, source: join(modules, program.module), target: folder }));
  const own = await ownPlugin(cniSource, cache);
  if (own !== undefined) jobs.push(own);
  await buildMissing(jobs, options);
  const loopback = binaries !== undefined && existsSync(join(binaries, 'loopback')) ? join(binaries, 'loopback') : join(folder, 'loopback');
  return { binaries: binaries ?? folder, cniPlugins: { loopback, ...(own === undefined ? {} : { 'yado-cni': pathOf(own) }) } };
}

/** Path of a program that clusters do not need, such as `helm`; builds it if need be. */
export async function ensureExtraProgram(name: string, options: BuildOptions): Promise<string> {
  const program = extraPrograms.find((candidate) => candidate.name === name);
  if (program === undefined) throw new LocalError('UnknownProgram', `deploy/toolchain has no ${name}.`);
  const source = join(options.modules, program.module);
  const key = await hashOf([join(source, 'go.mod'), join(source, 'go.sum')], program.linkerFlags);
  const job: BuildJob = { program, source, target: join(options.cache, name, key) };
  await buildMissing([job], options);
  return pathOf(job);
}

/** Folder of the sources of a module that one of deploy/toolchain's needs; fetched if need be. */
export async function moduleFolder(name: string, wanted: string, options: BuildOptions): Promise<string> {
  const go = await ensureGo(options);
  const text = await run(go, ['mod', 'download', '-json', wanted], { cwd: join(options.modules, name), env: goSettings(options), timeoutMs: 600_000, ...(options.signal === undefined ? {} : { signal: options.signal }) });
  return (JSON.parse(text) as { readonly Dir: string }).Dir;
}

function requireBinaries(folder: string): void {
  const missing = requiredBinaries.filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0) throw new LocalError('BinariesMissing', `${folder} has no ${missing.join(', ')}; put them there, or leave --binaries out to have everything built.`);
}

const pathOf = (job: BuildJob) => join(job.target, job.program.name);
const isMissing = (job: BuildJob) => !existsSync(pathOf(job));

async function ownPlugin(source: string, cache: string): Promise<BuildJob | undefined> {
  const files = (await readdir(source).catch(() => [])).filter((name) => (name.endsWith('.go') && !name.endsWith('_test.go')) || name === 'go.mod').sort();
  if (!files.includes('main.go')) return undefined;
  const key = await hashOf(files.map((name) => join(source, name)), '');
  return { program: { name: 'yado-cni', package: files.includes('go.mod') ? '.' : './main.go', linkerFlags: '-s -w', seconds: 5 }, source, target: join(cache, 'yado-cni', key) };
}

async function moduleFiles(modules: string): Promise<readonly string[]> {
  const names = [...new Set(toolchainPrograms.map(({ module }) => module))].sort();
  return names.flatMap((name) => [join(modules, name, 'go.mod'), join(modules, name, 'go.sum')]);
}

async function hashOf(files: readonly string[], more: string): Promise<string> {
  const hash = createHash('sha256').update(`${process.arch} ${more}`);
  for (const content of await Promise.all(files.map((file) => readFile(file)))) hash.update('\0').update(content);
  return hash.digest('hex').slice(0, 16);
}

async function buildMissing(jobs: readonly BuildJob[], options: BuildOptions): Promise<void> {
  if (!jobs.some(isMissing)) return;
  const onWait = () => options.progress.line('Waiting for another run that builds the toolchain');
  await withLock(join(options.cache, 'toolchain.lock'), () => buildAll(jobs.filter(isMissing), options), { onWait, ...(options.signal === undefined ? {} : { signal: options.signal }) });
}

async function buildAll(jobs: readonly BuildJob[], options: BuildOptions): Promise<void> {
  // Another run may have built all of it while we waited.
  if (jobs.length === 0) return;
  const go = await ensureGo(options);
  const seconds = jobs.reduce((sum, { program }) => sum + program.seconds, 0);
  const estimate = seconds < 60 ? `about ${seconds} s` : `once, about ${Math.round(seconds / 60)} minutes on two cores`;
  await options.progress.step(`Building ${jobs.length === 1 ? jobs[0]?.program.name : `Kubernetes and friends, ${jobs.length} programs`} (${estimate})`, async (step) => {
    for (const [index, job] of jobs.entries()) {
      if (!isMissing(job)) continue;
      step.update(`${job.program.name} ${index + 1}/${jobs.length}`);
      await build(go, job, options);
    }
  });
}

function goSettings({ cache, environment }: Pick<BuildOptions, 'cache' | 'environment'>): NodeJS.ProcessEnv {
  // Without a home there is no place for Go's own caches.
  const places = environment['HOME'] === undefined ? { GOPATH: join(cache, 'go'), GOCACHE: join(cache, 'go-build') } : {};
  return { ...environment, GOTOOLCHAIN: 'local', GOFLAGS: '-buildvcs=false -mod=readonly', CGO_ENABLED: '0', GO111MODULE: 'on', GOWORK: 'off', ...places };
}

async function build(go: string, job: BuildJob, options: BuildOptions): Promise<void> {
  const { signal } = options;
  const { program, source, target } = job;
  const temporary = join(target, `.${program.name}.${process.pid}.tmp`);
  await mkdir(target, { recursive: true });
  const modules = program.package.endsWith('.go') ? { GO111MODULE: 'off', GOFLAGS: '-buildvcs=false' } : {};
  try {
    await run(go, [...(program.tests === true ? ['test', '-c', '-vet=off'] : ['build']), '-ldflags', program.linkerFlags, '-o', temporary, program.package], {
      cwd: source, env: { ...goSettings(options), ...modules }, timeoutMs: 3_600_000, ...(signal === undefined ? {} : { signal }),
    });
    await rename(temporary, pathOf(job));
  } catch (cause) {
    await rm(temporary, { force: true });
    signal?.throwIfAborted();
    throw buildError(program.name, cause);
  }
}

/** Says what a failed build means for a person. */
export function buildError(name: string, cause: unknown): LocalError {
  const text = cause instanceof CommandError ? cause.stderr : String(cause);
  if (/no space left on device|ENOSPC/i.test(text)) {
    return new LocalError('DiskFull', `The disk is full: building ${name} needs about 4 GB for Go's caches and 600 MB for the programs. Make room (\`go clean -cache\` helps), or move HOME or --cache to another disk.`, { cause });
  }
  if (/dial tcp|no such host|connection refused|i\/o timeout|TLS handshake|proxyconnect|unexpected EOF|: 50[0-9] |Bad Gateway|network is unreachable/i.test(text)) {
    return new LocalError('ModuleMirrorUnreachable', `The Go modules of ${name} could not be fetched. Check the network, or set GOPROXY to a mirror that answers, or give ready binaries with --binaries.`, { cause });
  }
  if (/checksum mismatch|SECURITY ERROR/i.test(text)) {
    return new LocalError('ModuleChecksum', `A Go module of ${name} is not what deploy/toolchain's go.sum says. Do not use it: clear the module cache (\`go clean -modcache\`) and check the mirror named by GOPROXY.`, { cause });
  }
  return new LocalError('BuildFailed', `${name} could not be built.`, { cause });
}
