import { KubeClient } from '../../kube/client.ts';
import { HttpTransport, loadKubeconfig } from '../../kube/transport.ts';
import type { StorageBackend } from '../../kube/yadokari.ts';
import type { Progress } from '../../base/progress.ts';
import { ControlClient } from '../control-client.ts';
import { kubeconfigPath } from '../control/commands.ts';
import { LocalError } from '../errors.ts';
import type { ClusterLayout } from '../layout.ts';
import { withLock } from '../lock.ts';
import { networkPlan } from '../network-plan.ts';
import { ensurePackages } from '../packages.ts';
import { readRecord, writeRecord, type ClusterRecord } from '../record.ts';
import { serverPackages, storagePackages } from './packages.ts';
import { ensureStorage, type StorageProgramsOptions } from './programs.ts';
import { storageKinds, storageServers, type StorageServer } from './record.ts';
import { applyBackend, mustBeFree, type ServerBackend } from './servers/backend-objects.ts';

export interface AddStorageOptions {
  readonly layout: ClusterLayout;
  readonly server: StorageServer;
  /** Install Debian packages that are missing. */
  readonly packages: boolean;
  readonly programs: StorageProgramsOptions;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface AddedStorage {
  readonly backend: StorageBackend;
  /** The cluster had the server before. */
  readonly wasThere: boolean;
}

/** Gives a running cluster a server of volumes of its own, with drivers and a StorageBackend. Can be repeated, after whatever stopped it. */
export async function addStorage(options: AddStorageOptions): Promise<AddedStorage> {
  const { layout, server, signal } = options;
  const control = new ControlClient(layout);
  const { ready } = await control.status(signal);
  if (!ready) throw new LocalError('NotReady', `Cluster ${layout.name} is not ready yet; try again once it is.`, { disposition: 'retry' });
  return withLock(layout.lock, async () => {
    const before = await recordOf(layout);
    const client = new KubeClient(new HttpTransport(loadKubeconfig({ kubeconfig: kubeconfigPath(layout, 'admin') })));
    try {
      const place: ServerBackend = { client, server, plan: networkPlan(before.index), signal };
      await mustBeFree(place);
      await start(options, before, control);
      const backend = await options.progress.step(`StorageBackend ${server} is ready`, () => applyBackend({ ...place, layout }));
      return { backend, wasThere: before.storage?.servers?.includes(server) === true };
    } finally {
      client.close();
    }
  }, { signal, onWait: () => options.progress.line(`Waiting for another command on cluster ${layout.name} to end`) });
}

async function recordOf(layout: ClusterLayout): Promise<ClusterRecord> {
  const record = await readRecord(layout);
  if (record === undefined) throw new LocalError('NotRunning', `There is no cluster ${layout.name}; start one with \`yado up\`.`);
  return record;
}

/** The server and the drivers run afterwards, and do after the next `up`. */
async function start({ layout, server, packages, programs, progress, signal }: AddStorageOptions, before: ClusterRecord, control: ControlClient): Promise<void> {
  const had = before.storage;
  const kinds = storageKinds.filter((kind) => kind === server || had?.kinds.includes(kind) === true);
  const servers = storageServers.filter((one) => one === server || had?.servers?.includes(one) === true);
  const { environment } = programs;
  await ensurePackages({ progress, install: packages, extra: [...storagePackages(kinds), ...serverPackages(servers)], environment, signal });
  const storage = await ensureStorage({ kinds, servers }, programs);
  await writeRecord(layout, { ...before, storage });
  await progress.step(`A server of ${server} and its drivers run`, () => control.renewStorage(signal));
}
