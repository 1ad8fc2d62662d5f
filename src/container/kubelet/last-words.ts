import type { PodFiles } from '../pod-files.ts';
import { relativeTo } from './pod-paths.ts';

/** As the kubelet: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/ */
const LONGEST_MESSAGE = 4096;
const LONGEST_FROM_LOG = 2048;
const MOST_LINES = 80;
const LOG_TAIL = 64 * 1024;

/** What a container that ended has left to say: its message file, or the end of its log. */
export async function lastWords(files: PodFiles, messageFile: string | undefined, logPath: string | undefined, signal?: AbortSignal): Promise<string> {
  const said = messageFile === undefined ? undefined : await files.readFile(messageFile, LONGEST_MESSAGE, signal);
  if (said !== undefined && said.length > 0) return said.toString();
  const log = logPath === undefined ? undefined : relativeTo(files.root, logPath);
  const tail = log === undefined ? undefined : await files.readFile(log, LOG_TAIL, signal);
  return tail === undefined ? '' : endOfLog(tail.toString());
}

/** The last lines of a log in CRI's format: `time stream F|P text`, P for what goes on in the next line. */
export function endOfLog(log: string): string {
  const lines = log.split('\n').flatMap((line) => /^\S+ (?:stdout|stderr) ([FP])\S* ?(.*)$/.exec(line)?.slice(1, 3) as [string, string] | undefined ?? []);
  let text = '';
  for (let index = 0; index + 1 < lines.length; index += 2) text += `${lines[index + 1] ?? ''}${lines[index] === 'F' ? '\n' : ''}`;
  const last = text.split('\n').slice(-(MOST_LINES + 1)).join('\n');
  return Buffer.from(last).subarray(-LONGEST_FROM_LOG).toString();
}
