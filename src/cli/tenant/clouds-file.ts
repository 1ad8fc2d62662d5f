import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { errnoOf, messageOf, YadoError } from '../../base/errors.ts';

export interface CloudsSearch {
  /** As the person names it; nothing else is looked for then. */
  readonly file?: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly homeFolder: string;
  /** Default: the one that the program runs in. */
  readonly workingFolder?: string;
}

export interface CloudsFile {
  /** Where it was found. */
  readonly path: string;
  /** What is in it, with what a secure.yaml adds. */
  readonly text: string;
}

const SUFFIXES = ['yaml', 'yml', 'json'] as const;

/**
 * Finds a clouds.yaml where OpenStack's own clients do, the first that is there:
 * https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html
 * Secrets may be in a secure.yaml, which is found in the same way. Rejects with YadoError `NoCloudsFile`.
 */
export async function readCloudsFile(search: CloudsSearch): Promise<CloudsFile> {
  const { file, environment } = search;
  const named = file ?? nonEmpty(environment['OS_CLIENT_CONFIG_FILE']);
  const paths = named === undefined ? candidates('clouds', search) : [named];
  const found = await firstOf(paths);
  if (found === undefined) throw new YadoError('NoCloudsFile', noneAmong(paths, named), { disposition: 'stalled' });
  const secure = await firstOf([nonEmpty(environment['OS_CLIENT_SECURE_FILE']) ?? '', ...candidates('secure', search)].filter((path) => path !== ''));
  return secure === undefined ? found : { path: found.path, text: withSecrets(found, secure) };
}

function candidates(name: string, { environment, homeFolder, workingFolder = '' }: CloudsSearch): readonly string[] {
  const configurations = nonEmpty(environment['XDG_CONFIG_HOME']);
  const folders = [workingFolder, ...(configurations === undefined ? [] : [join(configurations, 'openstack')]), join(homeFolder, '.config/openstack'), '/etc/openstack'];
  return [...new Set(folders)].flatMap((folder) => SUFFIXES.map((suffix) => join(folder, `${name}.${suffix}`)));
}

async function firstOf(paths: readonly string[]): Promise<CloudsFile | undefined> {
  for (const path of paths) {
    try {
      return { path, text: await readFile(path, 'utf8') };
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw new YadoError('NoCloudsFile', `${path} cannot be read: ${messageOf(error)}`, { disposition: 'stalled' });
    }
  }
  return undefined;
}

function noneAmong(paths: readonly string[], named: string | undefined): string {
  if (named !== undefined) return `There is no file ${named}`;
  return `There is no clouds.yaml: neither ${paths.filter((path) => path.endsWith('.yaml')).join(' nor ')}; name one with --clouds or OS_CLIENT_CONFIG_FILE`;
}

function withSecrets(clouds: CloudsFile, secure: CloudsFile): string {
  const known = parsed(clouds);
  const more = parsed(secure);
  return JSON.stringify(merged(known, more));
}

/** The messages of the parser quote lines, which may hold passwords. */
function parsed({ path, text }: CloudsFile): unknown {
  try {
    return parse(text, { prettyErrors: false, logLevel: 'error' });
  } catch {
    throw new YadoError('NoCloudsFile', `${path} is no YAML`, { disposition: 'stalled' });
  }
}

/** Fields of the second are added to those of the first, and go before them. */
function merged(first: unknown, second: unknown): unknown {
  if (!isObject(first) || !isObject(second)) return second ?? first;
  return { ...first, ...Object.fromEntries(Object.entries(second).map(([name, value]) => [name, merged(first[name], value)])) };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
