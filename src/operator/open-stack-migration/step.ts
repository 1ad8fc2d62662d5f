import type { DiskMigration, ServerMigration, ServerPhase } from '../../api/open-stack-migration.ts';
import type { Clock } from '../../base/clock.ts';
import { YadoError } from '../../base/errors.ts';
import { timestamp } from '../../kube/conditions.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { PersistentVolumeClaim, Pod } from '../../kube/core.ts';
import type { EventNote } from '../../kube/event-recorder.ts';
import type { Informer } from '../../kube/informer.ts';
import type { OpenStackMigration, VirtualMachine } from '../../kube/yadokari.ts';
import { EXPORT_PREFIX } from '../../openstack/counterparts.ts';
import type { MirrorInformers } from '../open-stack-tenant/informers.ts';
import type { Project } from '../open-stack-tenant/project.ts';
import type { PlanGround } from './plan.ts';

/** All that a step of a server's move works with. */
export interface StepContext extends Project {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly migration: OpenStackMigration;
  /** What plans depend on; asked for only where there is something to plan. */
  readonly ground: () => Promise<PlanGround>;
  readonly mirrored: MirrorInformers;
  readonly vms: Informer<VirtualMachine>;
  readonly claims: Informer<PersistentVolumeClaim>;
  /** Pods that copy disks. */
  readonly copies: Informer<Pod>;
  readonly pauseImage: string;
  /** Tells a person in an event of the migration. */
  readonly note: (note: EventNote) => void;
}

/** What a step came to: how the server is now, and when it is to be looked at again; at once where its phase has changed. */
export interface Stepped {
  readonly server: ServerMigration;
  readonly againMs?: number;
}

/** One look at a server in one phase: it does at most what brings it to the next, may be repeated, and says what it waits for. */
export type Step = (server: ServerMigration, context: StepContext, signal: AbortSignal) => Promise<Stepped>;

/** Of what takes seconds in the cloud. */
export const SOON_MS = 1000;
/** While a server is in the dark. */
export const DARK_MS = 300;

/** What somebody has to do something about before a server can go on. */
export class MigrationError extends YadoError {
  constructor(code: 'SourceGone' | 'SourceFault' | 'NameTaken' | 'SecretMissing', message: string) {
    super(code, message, { disposition: 'stalled' });
  }
}

/** The server in another phase, with nothing to say of it yet. */
export function entered(server: ServerMigration, phase: ServerPhase, clock: Clock, more: Partial<ServerMigration> = {}): Stepped {
  const { message: _, ...rest } = server;
  return { server: { ...rest, ...more, phase, since: timestamp(clock.now()) }, againMs: 0 };
}

export function waiting(server: ServerMigration, message: string, againMs = SOON_MS): Stepped {
  return { server: { ...server, message: message.slice(0, 1024) }, againMs };
}

/** Begins another pass of copies, after one that has begun. */
export function nextPass(disks: readonly DiskMigration[] = []): DiskMigration[] {
  return disks.map(({ copiedBytes: _copied, writtenBytes: _written, forgotten: _forgotten, ...disk }) => ({ ...disk, pass: disk.step === 'Waiting' ? disk.pass : disk.pass + 1, step: 'Waiting' }));
}

/** Of what the cloud has of a disk's copy, so that it is found again by whoever did not see it made; never again after the server went back, and has written since. */
export function exportName(context: StepContext, server: ServerMigration, { name, pass, forgotten = 0 }: DiskMigration): string {
  return `${exportPrefix(context, server)}${name}-${server.attempt ?? 1}.${pass}${forgotten === 0 ? '' : `.${forgotten}`}`;
}

/** Of the names of all that the cloud has of a server's copies. */
export function exportPrefix({ migration: { metadata: { uid = '' } } }: StepContext, { id = '' }: ServerMigration): string {
  return `${EXPORT_PREFIX}-${uid.slice(0, 8)}-${id}-`;
}
