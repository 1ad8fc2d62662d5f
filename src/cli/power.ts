import { ANNOTATION_REQUESTED_STATE, ANNOTATION_RESTARTED_AT } from '../api/group.ts';
import { YadoError } from '../base/errors.ts';
import type { VirtualMachine } from '../kube/yadokari.ts';

export type PowerVerb = 'start' | 'stop' | 'restart';

export interface PowerChange {
  /** A merge patch of the VirtualMachine; absent when it is as asked already. */
  readonly patch?: object;
  /** What is said to the person. */
  readonly message: string;
}

/**
 * What makes a machine start, stop or restart, given its run strategy. Throws YadoError `NotRunning` for a restart of one
 * that is meant to be stopped, and `OnlyObserved` for a machine of a cloud that is only watched. `now` is an RFC 3339 time.
 */
export function powerChange(vm: VirtualMachine, verb: PowerVerb, now: string): PowerChange {
  const { metadata: { name, annotations }, spec: { runStrategy = 'Always' }, status } = vm;
  const requested = annotations?.[ANNOTATION_REQUESTED_STATE];
  refuseObserved(vm, verb);
  const stopped = runStrategy === 'Halted' || (runStrategy === 'Manual' && requested !== 'Running');
  switch (verb) {
    case 'restart':
      if (stopped) throw new YadoError('NotRunning', `${name} is stopped; start it with \`yado start ${name}\``, { disposition: 'stalled' });
      return { patch: annotation(ANNOTATION_RESTARTED_AT, now), message: `${name} restarts` };
    case 'start':
      if (runStrategy === 'Manual') return stopped ? { patch: annotation(ANNOTATION_REQUESTED_STATE, 'Running'), message: `${name} starts` } : { message: `${name} is started already` };
      if (stopped) return { patch: { spec: { runStrategy: 'Always' } }, message: `${name} starts` };
      // With Once and RerunOnFailure it has ended by itself; a restart runs it once more.
      if (status?.completed === true) return { patch: annotation(ANNOTATION_RESTARTED_AT, now), message: `${name} runs once more` };
      return { message: `${name} is started already` };
    case 'stop':
      if (stopped) return { message: `${name} is stopped already` };
      if (runStrategy === 'Manual') return { patch: annotation(ANNOTATION_REQUESTED_STATE, 'Stopped'), message: `${name} stops` };
      return { patch: { spec: { runStrategy: 'Halted' } }, message: `${name} stops${runStrategy === 'Always' ? '' : `; its runStrategy was ${runStrategy}, and a start will make it Always`}` };
  }
}

/** What is asked of a server that is only observed is put back, and nobody would know why. */
function refuseObserved({ metadata: { name }, spec: { provider }, status }: VirtualMachine, verb: PowerVerb): void {
  const tenant = provider?.openstack?.tenant;
  if (tenant === undefined || status?.conditions?.some(({ type }) => type === 'Synchronized') === true) return;
  throw new YadoError('OnlyObserved', `${name} is a server of OpenStackTenant ${tenant}, which only observes: ${verb} it in the cloud, or set spec.servers.mode of the tenant to Manage`, { disposition: 'stalled' });
}

function annotation(key: string, value: string): object {
  return { metadata: { annotations: { [key]: value } } };
}
