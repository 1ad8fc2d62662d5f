import { run } from '../../src/base/process.ts';
import { median, milliseconds, type Figure } from './figures.ts';

const FACTOR = 1.2;
const MARGIN_MS = 20;

export interface Comparison {
  readonly what: string;
  readonly rawName: string;
  readonly rounds: number;
  /** Given the number of the round. */
  readonly ours: (round: number) => Promise<unknown>;
  readonly raw: (round: number) => Promise<unknown>;
  /** Makes each round ready, and cleans up after it; not timed. */
  readonly before?: (round: number) => Promise<unknown>;
  readonly after?: (round: number) => Promise<unknown>;
}

/** Times the two in turn: whatever else the machine does both feel. */
export async function compared({ what, rawName, rounds, ours, raw, before, after }: Comparison): Promise<Figure> {
  console.error(`… ${what}`);
  const times = { ours: [] as number[], raw: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    await before?.(round);
    times.ours.push(await timed(() => ours(round)));
    times.raw.push(await timed(() => raw(round)));
    await after?.(round);
  }
  const [a, b] = [median(times.ours), median(times.raw)];
  const limit = FACTOR * b + MARGIN_MS;
  const beside = `${rawName} ${milliseconds(b)}: ${(a / b).toFixed(2)} ×`;
  // What is known is not to be lost when something later fails.
  console.error(`  ${milliseconds(a)}, ${beside}`);
  return { what, value: milliseconds(a), beside, goal: `≤ ${FACTOR} × + ${MARGIN_MS} ms = ${milliseconds(limit)}${a > limit ? ', missed' : ''}` };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

export interface Load {
  readonly name: string;
  readonly unit: 'MB/s' | 'operations/s';
  readonly args: readonly string[];
}

/** What is read was written by the load before it. */
export const loads: readonly Load[] = [
  { name: 'written in order', unit: 'MB/s', args: ['--rw=write', '--bs=1M', '--iodepth=8'] },
  { name: 'read in order', unit: 'MB/s', args: ['--rw=read', '--bs=1M', '--iodepth=8'] },
  { name: 'written anywhere, 4 KiB', unit: 'operations/s', args: ['--rw=randwrite', '--bs=4k', '--iodepth=16'] },
];

interface Job {
  readonly read: { readonly bw_bytes: number; readonly iops: number };
  readonly write: { readonly bw_bytes: number; readonly iops: number };
}

/** fio past the page cache; `where` says what it works on. */
export async function throughput({ args, unit }: Load, where: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  console.error(`… ${where.at(-1)}: ${args.join(' ')}`);
  const common = ['--name=bench', '--output-format=json', '--size=256M', '--runtime=6', '--direct=1', '--end_fsync=1'];
  const said = JSON.parse(await run('fio', [...common, ...args, ...where], { env: { ...process.env, ...env }, timeoutMs: 120_000 })) as { readonly jobs: readonly Job[] };
  const [job] = said.jobs;
  const side = args.includes('--rw=read') ? job?.read : job?.write;
  return side === undefined ? Number.NaN : unit === 'MB/s' ? side.bw_bytes / 1e6 : side.iops;
}

export function rates(what: string, { name, unit }: Load, ours: number, raw: number, rawName: string): Figure {
  return { what: `${what}, ${name}`, value: `${ours.toFixed(0)} ${unit}`, beside: `${rawName} ${raw.toFixed(0)}: ${(ours / raw).toFixed(2)} ×` };
}

/** Where fio works with files or devices of the kernel. */
export function onFile(path: string): readonly string[] {
  return ['--ioengine=libaio', `--filename=${path}`];
}
