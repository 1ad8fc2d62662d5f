import { metadataBytes, resourceFile, type ResourceHost } from './resource-file.ts';
import { isConnected } from './kernel-state.ts';
import type { Replica, ReplicaContext, ReplicaStep } from './replica.ts';

/** This replica has room for what the volume has. */
export const ensureBacking: ReplicaStep = async ({ mine, resource, volume, said, minor }, { backing, kernel, major }) => {
  if (mine.diskless === true) return;
  const { sizeBytes, replicas } = volume.spec;
  const metadata = `${resource}.meta`;
  const metaBytes = metadataBytes(sizeBytes, replicas.length - 1);
  if (!(await backing.isReady(resource, sizeBytes)) || !(await backing.isReady(metadata, metaBytes))) {
    const [mayMake, known] = [said.made !== true, await backing.list()];
    await backing.ensure({ name: resource, sizeBytes, mayMake, known });
    await backing.ensure({ name: metadata, sizeBytes: metaBytes, mayMake, known, prepare: async (path) => kernel.createMetadata(minor, path, major, replicas.length - 1) });
  }
  said.backingBytes = await backing.sizeOf(resource) ?? 0;
  said.made = true;
};

/** What the kernel does not take is tried again after this long. */
const RETRY_MS = 5000;

/** The kernel has the resource as it is described, as far as all its nodes have said where they are. */
export const ensureConfigured: ReplicaStep = async (replica, context, signal) => {
  const { resource, state, said } = replica;
  const hosts = hostsOf(replica, context);
  if (typeof hosts === 'string') {
    said.message = hosts;
    return 'wait';
  }
  const { files, facts, backing, settings, kernel, major, paces } = context;
  if (hosts.length === 1 && major < 9) return keepAlone(replica, context, signal);
  const text = resourceFile({ resource, hosts, disk: backing.pathOf(resource), metadata: backing.pathOf(`${resource}.meta`), handlers: facts.handlers(resource, replica.minor), onNoQuorum: settings.onNoQuorum, major });
  const changed = await files.read(resource) !== text;
  if (changed) await files.write(resource, text);
  const splitBrain = facts.has(resource, 'split-brain');
  const diskless = state?.disk === 'Diskless' && replica.mine.diskless !== true;
  const lacking = state === undefined || diskless || (state.connection === 'StandAlone' && !splitBrain && hosts.length > 1);
  if (!changed && !lacking) return undefined;
  if (!changed && !paces.due(replica.id, RETRY_MS)) return undefined;
  if (diskless && state.role === 'Primary') {
    said.message ??= 'its disk is gone: it is attached again once nobody here uses the volume';
    return undefined;
  }
  // What was let go of by force has to go first.
  if (diskless) await kernel.admin(['down', resource], signal);
  // Whoever is to give up changes connects in a way of its own, and where nothing is decided nobody does.
  if ((splitBrain || replica.volume.spec.discard === replica.mine.node) && state !== undefined && state.disk !== 'Diskless') return undefined;
  await kernel.admin(['adjust', resource], signal);
  replica.state = await kernel.state(replica.minor);
};

/** DRBD 8.4 takes no resource of one node: one that the others were removed from stays as it was, and waits for nobody. */
async function keepAlone({ resource, state, said, id }: Replica, { files, facts, kernel, paces }: ReplicaContext, signal: AbortSignal): Promise<'wait' | undefined> {
  if (await files.read(resource) === undefined) {
    said.message = 'DRBD 8.4 needs another node: add one to spec.replicas';
    return 'wait';
  }
  await facts.set(resource, 'fenced');
  if ((state === undefined || state.disk === 'Diskless') && paces.due(id, RETRY_MS)) await kernel.admin(['up', resource], signal);
  else if (state !== undefined && state.connection !== 'StandAlone') await kernel.admin(['disconnect', resource], signal);
  return undefined;
}

/** Why not, where a node has not said yet where it is. */
function hostsOf({ volume, minor, port, said }: Replica, { node, hostname }: ReplicaContext): readonly ResourceHost[] | string {
  const hosts: ResourceHost[] = [];
  for (const { node: name, nodeId, diskless = false } of volume.spec.replicas) {
    const status = volume.status?.replicas?.find((replica) => replica.node === name);
    const at = name === node ? { hostname, address: said.address, port, minor } : status;
    if (at?.hostname === undefined || at.address === undefined || at.port === undefined || at.minor === undefined) return `${name} has not said yet where it is`;
    hosts.push({ hostname: at.hostname, address: at.address, port: at.port, minor: at.minor, nodeId, diskless });
  }
  const twins = new Set(hosts.map((host) => host.hostname)).size < hosts.length;
  return twins ? `nodes of it are all called ${hostname} by their kernels: give each a name of its own` : hosts;
}

/** What has never had data is the same on all sides: blank. DRBD does this just once, before anything was written. */
export const skipFirstSync: ReplicaStep = async ({ resource, volume, mine, state, others }, { kernel }, signal) => {
  const least = Math.min(...volume.spec.replicas.filter(({ diskless }) => diskless !== true).map(({ nodeId }) => nodeId));
  if (state === undefined || mine.nodeId !== least || others.length === 0 || state.disk !== 'Inconsistent') return;
  if (state.connection === 'Connected' && state.peerDisk === 'Inconsistent') await kernel.admin(['new-current-uuid', '--clear-bitmap', `${resource}/0`], signal);
};

/** Grows with what all nodes have made room for. */
export const ensureSize: ReplicaStep = async ({ resource, volume, state, minor, others, said }, { kernel, facts, node }, signal) => {
  const letGo = async (): Promise<void> => {
    // Whoever has opened it meanwhile keeps it.
    await kernel.admin(['secondary', resource], signal).catch(() => {});
    await facts.unset(resource, 'growing');
  };
  if (facts.has(resource, 'growing')) await letGo();
  said.deviceBytes = await kernel.sizeOf(minor);
  if (state === undefined || said.deviceBytes >= volume.spec.sizeBytes || state.disk !== 'UpToDate') return;
  const backed = others.every((other) => (volume.status?.replicas?.find((replica) => replica.node === other.node)?.backingBytes ?? 0) >= volume.spec.sizeBytes);
  if (!backed || (others.length > 0 && (!isConnected(state) || state.peerDisk !== 'UpToDate'))) return;
  const least = [node, ...others.map((other) => other.node)].sort()[0] === node;
  if (state.role !== 'Primary' && (state.peerRole === 'Primary' || !least)) return;
  // DRBD lets nothing grow that nobody may write to.
  const idle = state.role === 'Secondary' && others.length > 0;
  if (idle && volume.spec.fence.outdated.length > 0) return;
  if (idle) {
    await facts.set(resource, 'growing');
    await kernel.admin(['primary', resource], signal);
  }
  try {
    await kernel.setup(['resize', String(minor), '--assume-clean'], signal);
  } finally {
    if (idle) await letGo();
  }
  said.deviceBytes = await kernel.sizeOf(minor);
};
