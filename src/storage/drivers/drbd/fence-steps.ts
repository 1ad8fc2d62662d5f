import type { ReplicatedVolume } from '../../../kube/yadokari.ts';
import { timestamp } from '../../../kube/conditions.ts';
import { readmit, shutOut, type Fence } from './fence.ts';
import { isConnected } from './kernel-state.ts';
import { decisionFor } from './promotion.ts';
import type { Replica, ReplicaContext, ReplicaStep } from './replica.ts';

/**
 * Shuts the other nodes out of the volume in the API, so that this one may write alone; the kernel finds it written
 * down here, and goes on. False where this node is shut out itself: it may not write.
 */
export async function shutOthersOut({ id, resource, others }: Pick<Replica, 'id' | 'resource' | 'others'>, { objects, node, facts, clock, log }: ReplicaContext, signal?: AbortSignal): Promise<boolean> {
  const names = others.map((other) => other.node);
  let won = false;
  await objects.change(id, (volume) => {
    const fence = shutOut(volume.spec.fence, node, names, clock.now());
    won = fence !== undefined;
    return fence === undefined ? undefined : withFence(volume, fence);
  }, signal);
  if (!won) return false;
  await facts.set(resource, 'fenced');
  log.warn({ volume: id, outdated: names }, 'the other replicas are shut out: they lack what is written from now on');
  return true;
}

/** A node that writes and has lost the others goes on only once these are shut out. */
export const ensureFence: ReplicaStep = async (replica, context, signal) => {
  const { state, others, resource, said, volume } = replica;
  const { kernel, facts, settings, node } = context;
  if (state === undefined || state.role !== 'Primary' || others.length === 0 || isConnected(state) || context.major >= 9) return;
  if (facts.has(resource, 'split-brain')) return;
  if (state.disk !== 'UpToDate') {
    said.message = `it has lost the others, and its own data are ${state.disk}`;
    // Begun before.
    if (state.disk === 'Failed' || state.disk === 'Diskless') await failWrites(replica, context, signal);
    return;
  }
  const fenced = facts.has(resource, 'fenced') && !volume.spec.fence.outdated.includes(node);
  try {
    if (!fenced && !(await shutOthersOut(replica, context, signal))) {
      said.message = `another node was let write to it, and ${node} may not any more: what it has not written yet is lost`;
      return await failWrites(replica, context, signal);
    }
  } catch (error) {
    // Nobody decides: waiting is what suspend-io asks for.
    if (settings.onNoQuorum === 'io-error' && replica.aloneMs > ASKED_MS) await failWrites(replica, context, signal);
    throw error;
  }
  // The kernel has asked in vain, if the API did not answer in time.
  if (state.suspended && replica.aloneMs > ASKED_MS) await kernel.setup(['resume-io', String(replica.minor)], signal);
};

/** The kernel waits for an answer for no longer than this. */
const ASKED_MS = 25_000;
/** A disk that does not go in this time is looked at again. */
const DETACHED_MS = 5000;

/**
 * Lets what waits fail, and nothing of it reach this node's data; nothing else either, until all have let go of the volume
 * here. While a disk is but about to go (`Failed`), what goes on would be noted on it as a change of its own: a split brain.
 */
async function failWrites({ resource, state, minor }: Replica, { kernel, log, clock }: ReplicaContext, signal: AbortSignal): Promise<void> {
  if (state?.suspended !== true) return;
  if (state.disk !== 'Diskless' && state.disk !== 'Failed') await kernel.setup(['detach', String(minor), '--force'], signal);
  for (const until = clock.now() + DETACHED_MS; (await kernel.state(minor))?.disk === 'Failed'; await clock.sleep(100, signal)) {
    if (clock.now() > until) return;
  }
  await kernel.setup(['resume-io', String(minor)], signal);
  log.warn({ resource }, 'another node writes to the volume now: writes fail here');
}

/** What is shut out knows so itself, whoever asks. */
export const ensureOutdated: ReplicaStep = async ({ minor, state, volume, mine }, { kernel }, signal) => {
  if (state === undefined || !volume.spec.fence.outdated.includes(mine.node) || isConnected(state) || state.role === 'Primary') return;
  if (state.disk === 'UpToDate' || state.disk === 'Consistent') await kernel.setup(['outdate', String(minor)], signal);
};

/** Lets others in again that have all that was written. */
export const readmitOthers: ReplicaStep = async ({ id, resource, state, volume, others, minor }, { objects, node, facts, kernel }, signal) => {
  const outdated = others.filter((other) => volume.spec.fence.outdated.includes(other.node));
  if (state === undefined || volume.spec.fence.outdated.includes(node) || state.connection !== 'Connected' || state.disk !== 'UpToDate' || state.peerDisk !== 'UpToDate') return;
  if (outdated.length === 0) return;
  // The kernel must not find that they are out once they are not.
  await facts.unset(resource, 'fenced');
  // Had it lost the other before that, it would have found it, and written.
  const now = await kernel.state(minor);
  if (now?.connection !== 'Connected' || now.peerDisk !== 'UpToDate') return;
  for (const other of outdated) {
    await objects.change(id, (stored) => {
      const fence = readmit(stored.spec.fence, node, other.node);
      return fence === undefined ? undefined : withFence(stored, fence);
    }, signal);
  }
};

/** Does what a person has decided, where several nodes have changed the volume. */
export const ensureDecision: ReplicaStep = async (replica, context, signal) => {
  const { id, resource, state, volume, mine, said } = replica;
  const { facts, kernel, objects } = context;
  const { discard } = volume.spec;
  if (state === undefined) return;
  if (isConnected(state)) await facts.unset(resource, 'split-brain');
  if (facts.has(resource, 'split-brain')) said.splitBrain = true;
  if (discard === undefined) {
    if (said.splitBrain === true) said.message = decisionFor(id, volume.spec);
    return;
  }
  if (discard !== mine.node) {
    if (state.connection === 'StandAlone') await kernel.admin(['connect', resource], signal);
    if (!isConnected(state) && volume.spec.fence.outdated.includes(mine.node)) await goOnWithWhatIsHere(replica, context, signal);
    return;
  }
  if (isConnected(state)) {
    await objects.change(id, decided(mine.node), signal);
  } else if (state.role === 'Primary') {
    said.message = `${mine.node} is to give up what was written on it: end what uses the volume there`;
  } else if (state.connection === 'StandAlone') {
    await kernel.admin(['connect', '--discard-my-data', resource], signal);
  }
};

/** Whoever has what this node lacks is not to be waited for. */
async function goOnWithWhatIsHere({ id, resource, others }: Replica, { objects, kernel, facts, node, clock, log }: ReplicaContext, signal: AbortSignal): Promise<void> {
  const names = others.map((other) => other.node);
  await objects.change(id, (volume) => withFence(volume, { outdated: names, by: node, time: timestamp(clock.now()), epoch: volume.spec.fence.epoch + 1 }), signal);
  await facts.set(resource, 'fenced');
  await kernel.admin(['primary', '--force', resource], signal);
  await kernel.admin(['secondary', resource], signal);
  log.warn({ volume: id, given: names }, 'somebody has decided: what was written elsewhere alone is given up');
}

function decided(node: string): (volume: ReplicatedVolume) => ReplicatedVolume | undefined {
  return (volume) => {
    const { discard, ...spec } = volume.spec;
    // It lacks what the others have until that has been copied.
    return discard === node ? { ...volume, spec: { ...spec, fence: { ...spec.fence, outdated: [node], epoch: spec.fence.epoch + 1 } } } : undefined;
  };
}

function withFence(volume: ReplicatedVolume, fence: Fence): ReplicatedVolume {
  return { ...volume, spec: { ...volume.spec, fence } };
}
