import type { ReplicaStep } from './replica.ts';

/** Compares the replicas where somebody asks for it: one of them does, for all. */
export const ensureVerified: ReplicaStep = async ({ resource, volume, state, said, mine, others }, { kernel }, signal) => {
  const { verify, replicas } = volume.spec;
  const first = Math.min(...replicas.filter(({ diskless }) => diskless !== true).map(({ nodeId }) => nodeId));
  if (verify === undefined || said.verified === verify || mine.nodeId !== first || state === undefined || others.length === 0) return;
  const begun = volume.status?.replicas?.find((replica) => replica.node === mine.node)?.verifying === verify;
  if (state.connection === 'VerifyS' || state.connection === 'VerifyT') {
    said.verifying = verify;
  } else if (begun && state.connection === 'Connected') {
    said.verified = verify;
  } else if (state.connection === 'Connected' && state.peerDisk === 'UpToDate' && state.disk === 'UpToDate') {
    await kernel.admin(['verify', resource], signal);
    said.verifying = verify;
  }
};
