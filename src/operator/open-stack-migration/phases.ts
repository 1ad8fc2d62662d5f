import type { ServerPhase } from '../../api/open-stack-migration.ts';
import { timestamp } from '../../kube/conditions.ts';
import { nothingElse } from './moved.ts';
import { removeCopies } from './disk-move.ts';
import { copyDisks, tidyDisks } from './disks.ts';
import { planned } from './planning.ts';
import { withFloating } from './floating.ts';
import { goBack } from './rollback.ts';
import { start } from './starting.ts';
import { entered, nextPass, SOON_MS, waiting, type Step, type StepContext } from './step.ts';
import { stopSource } from './stopping.ts';

/** How often a plan is looked at again that waits for a person. */
const PLAN_MS = 10_000;

/** What is done in each phase, in the order in which a server goes through them. */
export const PHASES: Readonly<Record<ServerPhase, Step>> = {
  Planned: async (server, context) => planned(server, context, PLAN_MS),
  Blocked: async (server, context) => planned(server, context, PLAN_MS),
  /** For a turn; and, where it is copied only once it has stopped, for its time. */
  Waiting: async (server, { migration: { spec }, clock }) => {
    if (spec.strategy === 'Warm') return entered(server, 'Copying', clock);
    const reason = notBefore(spec.cutover, clock.now());
    return reason === undefined ? entered(server, 'Stopping', clock) : waiting(server, reason, SOON_MS);
  },
  Copying: async (server, context, signal) => {
    const stepped = await copyDisks(server, context, signal);
    return stepped.isDone ? entered(stepped.server, 'AwaitingCutover', context.clock) : stepped;
  },
  AwaitingCutover: async (server, context, signal) => {
    const tidied = await tidyDisks(server, context, signal);
    // Their end takes seconds, which the server would be in the dark for.
    const areGone = await removeCopies(tidied, context, signal);
    const reason = notBefore(context.migration.spec.cutover, context.clock.now()) ?? (areGone ? undefined : 'the pods of the first copies are going');
    return reason === undefined ? entered(tidied, 'Stopping', context.clock) : waiting(tidied, reason, SOON_MS);
  },
  Stopping: async (server, context, signal) => {
    const stepped = await stopSource(server, context, signal);
    return stepped.isDone ? entered({ ...stepped.server, disks: nextPass(stepped.server.disks) }, 'Finishing', context.clock) : stepped;
  },
  Finishing: async (server, context, signal) => {
    const stepped = await copyDisks(server, context, signal);
    return stepped.isDone ? entered(await withFloating(stepped.server, context, signal), 'Starting', context.clock) : stepped;
  },
  Starting: start,
  Moved: nothingElse,
  RollingBack: goBack,
  RolledBack: async (server, { migration: { spec }, clock }) => (spec.rollback === true ? { server } : entered(server, 'Planned', clock)),
};

/** Those in which a server has a turn. */
export const BUSY: ReadonlySet<ServerPhase> = new Set(['Copying', 'AwaitingCutover', 'Stopping', 'Finishing', 'Starting']);
/** Those from which a server goes back when it is told to. */
export const BEGUN: ReadonlySet<ServerPhase> = new Set([...BUSY, 'Waiting', 'Moved']);

function notBefore(cutover: StepContext['migration']['spec']['cutover'], nowMs: number): string | undefined {
  if (cutover?.when === 'Manual') return 'for cutover.when: Automatic, as yado tenant cutover says it';
  const atMs = cutover?.at === undefined ? 0 : Date.parse(cutover.at);
  return atMs > nowMs ? `for ${timestamp(atMs)}` : undefined;
}
