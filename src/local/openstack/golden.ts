import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import { run } from '../../base/process.ts';
import type { Progress } from '../../base/progress.ts';
import { LocalError } from '../errors.ts';
import { removeAbandoned } from '../images/build-cache.ts';
import { withLock } from '../lock.ts';
import { OpenStackApi } from './api.ts';
import { makeCatalog } from './catalog.ts';
import { daemonCommand, type OpenStackDaemon } from './daemons.ts';
import { Database } from './database.ts';
import { insideOf } from './namespace.ts';
import { authUrl, INSIDE, type OpenStackPlace } from './place.ts';
import { freePorts } from './ports.ts';
import { makeSchemas } from './schemas.ts';
import type { ServicePrograms } from './service-programs.ts';
import { layOut } from './site-files.ts';
import { TiedProcesses } from './tied-processes.ts';
import { servedAt } from './waiting.ts';

export interface GoldenOptions {
  readonly cacheFolder: string;
  readonly programs: ServicePrograms;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** What a new OpenStack begins with: databases with their tables, users and catalog, and the keys and the secret that belong to them. */
const CONTENTS = ['mariadb', 'fernet', 'credential-keys', 'secret'] as const;
const GRACE_MS = 30_000;
/** Of other versions: a clone of another age may go on with its own. */
const KEPT = 3;
const PATIENCE_MS = 600_000;
const SOURCES = ['golden.ts', 'schemas.ts', 'catalog.ts', 'namespace.ts', 'place.ts', 'daemons.ts', 'conf/common.ts', 'conf/keystone.ts', 'conf/nova.ts'] as const;

/** The archive of a new OpenStack: found, or made now, which takes about half a minute. One process makes it, others wait. */
export async function ensureGolden(options: GoldenOptions): Promise<string> {
  const { cacheFolder, programs, progress, signal } = options;
  const sources = await Promise.all(SOURCES.map((name) => readFile(new URL(name, import.meta.url), 'utf8')));
  const key = createHash('sha256').update([programs.version, ...sources].join('\0')).digest('hex').slice(0, 16);
  const path = join(cacheFolder, `golden-${key}.tar.zst`);
  if (await exists(path)) return path;
  const onWait = () => progress.line('Waiting for another run that makes the databases of OpenStack');
  await withLock(join(cacheFolder, 'golden.lock'), async () => {
    if (!await exists(path)) await make(path, options);
  }, { onWait, ...(signal === undefined ? {} : { signal }) });
  return path;
}

/** Puts the contents of the archive into a folder. */
export async function restoreGolden(path: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await throughTar(['--extract', '--directory', folder], (child) => pipeline(createReadStream(path), createZstdDecompress(), child.stdin));
}

async function make(path: string, { cacheFolder, programs, progress, signal }: GoldenOptions): Promise<void> {
  await removeAbandoned(cacheFolder);
  const folder = await mkdtemp(join(cacheFolder, 'building-'));
  const processes = new TiedProcesses<OpenStackDaemon>(join(folder, 'log'));
  try {
    const place: OpenStackPlace = { folder: join(folder, 'site'), address: '127.0.0.1', ports: await freePorts('127.0.0.1'), programs: programs.folder };
    await progress.step("Making OpenStack's databases (once, about half a minute)", async (step) => {
      await furnish(place, processes, (detail) => step.update(detail), signal === undefined ? processes.failed : AbortSignal.any([signal, processes.failed]));
    });
    const archive = join(folder, 'archive');
    await throughTar(['--create', '--directory', place.folder, ...CONTENTS], (child) => pipeline(child.stdout, createZstdCompress(), createWriteStream(archive, { mode: 0o600 })));
    await rename(archive, path);
    await removeOldest(cacheFolder);
  } finally {
    await processes.kill();
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

async function furnish(place: OpenStackPlace, processes: TiedProcesses<OpenStackDaemon>, tell: (detail: string) => void, signal: AbortSignal): Promise<void> {
  const secret = randomBytes(18).toString('base64url');
  await layOut(place, {}, secret);
  const [file = '', ...args] = insideOf(place, ['mariadb-install-db', '--no-defaults', '--user=root', `--datadir=${INSIDE}/mariadb`, '--auth-root-authentication-method=normal', '--skip-test-db']);
  await run(file, args, { cwd: '/', timeoutMs: PATIENCE_MS, signal });
  const start = (daemon: OpenStackDaemon) => processes.start(daemon, daemonCommand(daemon, place, {}));
  await start('mariadb');
  await start('memcached');
  const database = new Database(place);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
  await database.answering(limit);
  await makeSchemas(database, place, secret, tell, signal);
  tell('the catalog');
  await start('keystone');
  await servedAt(authUrl(place), AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]));
  await makeCatalog(await OpenStackApi.signIn(authUrl(place), { user: 'admin', password: secret, project: 'admin' }, signal), place, secret);
  await processes.stop('keystone', 0);
  await processes.stop('mariadb', GRACE_MS);
}

async function removeOldest(cacheFolder: string): Promise<void> {
  const paths = (await readdir(cacheFolder)).filter((name) => name.startsWith('golden-')).map((name) => join(cacheFolder, name));
  const dated = await Promise.all(paths.map(async (path) => ({ path, madeAt: await stat(path).then(({ mtimeMs }) => mtimeMs, () => 0) })));
  for (const { path } of dated.sort((a, b) => b.madeAt - a.madeAt).slice(KEPT)) await rm(path, { force: true });
}

type Tar = { readonly stdin: Writable; readonly stdout: Readable };

async function throughTar(args: readonly string[], flow: (child: Tar) => Promise<void>): Promise<void> {
  const child = spawn('tar', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new LocalError('ArchiveFailed', `tar ${args.join(' ')} ends with exit code ${code}; is the disk full?`))));
  });
  await Promise.all([flow(child), ended]);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}
