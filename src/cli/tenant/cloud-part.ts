import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';
import { messageOf } from '../../base/errors.ts';
import { CloudSettingsError, parseClouds } from '../../openstack/clouds.ts';
import type { ChosenCloud } from './cloud-options.ts';

/** Fields that may name files of this host, which nobody in a cluster can read. */
const PEM_FIELDS = ['cacert', 'cert', 'key'] as const;

/** A clouds.yaml of this cloud alone, with certificates written out. Rejects with CloudSettingsError. */
export async function cloudPart({ file, settings: { name } }: ChosenCloud): Promise<string> {
  const { clouds } = parse(file.text) as { readonly clouds: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
  const cloud = { ...clouds[name] };
  for (const field of PEM_FIELDS) {
    const value = cloud[field];
    if (typeof value === 'string' && value !== '' && !value.includes('-----BEGIN ')) cloud[field] = await pemOf(name, field, value);
  }
  const text = stringify({ clouds: { [name]: cloud } }, { aliasDuplicateObjects: false });
  // What a cluster is given is what it can use.
  parseClouds(text, { name, files: false });
  return text;
}

async function pemOf(cloud: string, field: string, path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new CloudSettingsError(cloud, field, `${field} of cloud "${cloud}" is ${path}, which cannot be read: ${messageOf(error)}`);
  });
  if (!text.includes('-----BEGIN ')) throw new CloudSettingsError(cloud, field, `${field} of cloud "${cloud}" is ${path}: it must be a file in PEM form`);
  return text;
}
