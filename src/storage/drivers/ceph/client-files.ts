import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monHostOf, type CephSettings, type CephUser } from './settings.ts';

/** What programs of Ceph read: where the cluster is, how long they look for it, and where they can be asked. */
export async function writeConf(folder: string, settings: CephSettings, adminSocket = ''): Promise<string> {
  return write(folder, 'ceph.conf', confOf(settings, adminSocket));
}

/** The same, for whoever writes it where it is read. */
export function confOf(settings: Pick<CephSettings, 'monitors'>, adminSocket = ''): string {
  const options = { mon_host: monHostOf(settings), client_mount_timeout: '10', log_file: '', admin_socket: adminSocket, pid_file: '' };
  return `[global]\n${Object.entries(options).map(([name, value]) => `${name} = ${value}\n`).join('')}`;
}

/** For nobody else to read. */
export async function writeKey(folder: string, { key }: CephUser): Promise<string> {
  return write(folder, 'key', key);
}

/** For nobody else to read. */
export async function writeKeyring(folder: string, { user, key }: CephUser): Promise<string> {
  return write(folder, 'keyring', `[client.${user}]\nkey = ${key}\n`);
}

async function write(folder: string, name: string, text: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, name), text, { mode: 0o600 });
  return join(folder, name);
}
