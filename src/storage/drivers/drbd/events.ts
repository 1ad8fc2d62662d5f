import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Clock } from '../../../base/clock.ts';
import { idOfResource } from './ids.ts';

const AGAIN_MS = 5000;

/** Tells of each volume that something has changed of, as the kernel says it; one program for all of them. */
export async function watchKernel(changed: (id: string) => void, clock: Clock, signal: AbortSignal): Promise<void> {
  for (; !signal.aborted; await clock.sleep(AGAIN_MS, signal).catch(() => {})) {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'drbdsetup', 'events2'], { stdio: ['ignore', 'pipe', 'ignore'], signal, killSignal: 'SIGKILL' });
    const ended = new Promise<void>((resolve) => void child.once('close', () => resolve()).once('error', () => resolve()));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const id = idOfResource(/ name:(\S+)/.exec(line)?.[1] ?? '');
      if (id !== undefined) changed(id);
    });
    await ended;
  }
}
