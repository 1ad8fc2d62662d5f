import type { Command } from 'commander';
import { OpenStackCloud } from '../../openstack/cloud.ts';
import { CloudSettingsError, parseClouds, type CloudSettings } from '../../openstack/clouds.ts';
import type { CliContext } from '../context.ts';
import { readCloudsFile, type CloudsFile } from './clouds-file.ts';

/** Which cloud is meant. */
export interface CloudOptions {
  readonly clouds?: string;
  readonly osCloud?: string;
}

export interface ChosenCloud {
  readonly file: CloudsFile;
  readonly settings: CloudSettings;
}

/** A person waits: who does not answer soon is told of rather than waited for. */
const PATIENCE = { attempts: 2, timeoutMs: 20_000 };

export function withCloudOptions(command: Command): Command {
  return command
    .option('--clouds <file>', "the clouds.yaml (default: where OpenStack's own clients look)")
    .option('--os-cloud <name>', 'which cloud of it (default: OS_CLOUD, else the only one)');
}

/** Rejects with YadoError: of the file, or of what is in it. */
export async function chosenCloud({ clouds, osCloud }: CloudOptions, { environment, homeFolder }: Pick<CliContext, 'environment' | 'homeFolder'>): Promise<ChosenCloud> {
  const file = await readCloudsFile({ environment, homeFolder, ...(clouds === undefined ? {} : { file: clouds }) });
  const name = [osCloud, environment['OS_CLOUD']].find((text) => text !== undefined && text !== '');
  try {
    return { file, settings: parseClouds(file.text, name === undefined ? {} : { name }) };
  } catch (error) {
    if (!(error instanceof CloudSettingsError)) throw error;
    const hint = name === undefined && error.field === 'clouds' && error.message.endsWith('say which') ? ' with --os-cloud' : '';
    throw new CloudSettingsError(error.cloud, error.field, `${error.message}${hint} (${file.path})`);
  }
}

/** Signs in, and closes the connection when `work` is done. */
export async function withCloud<T>(settings: CloudSettings, { progress, signal }: CliContext, work: (cloud: OpenStackCloud) => Promise<T>): Promise<T> {
  await using cloud = await progress.step(`Signing in to cloud ${settings.name} at ${settings.authUrl}`, () => OpenStackCloud.connect(settings, { ...PATIENCE, signal }));
  return await work(cloud);
}
