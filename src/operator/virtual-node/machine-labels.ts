import { createHash } from 'node:crypto';
import { GROUP } from '../../api/group.ts';

const PREFIX = `label.${GROUP}/`;
const LONGEST_NAME = 63;

/** The label of a Node that says what this label of its machine does: the scheduler sees labels of Nodes alone. */
export function nodeLabelOf(key: string): string {
  const name = key.replace('/', '_');
  if (name.length <= LONGEST_NAME) return `${PREFIX}${name}`;
  return `${PREFIX}${name.slice(0, LONGEST_NAME - 9)}-${createHash('sha256').update(key).digest('hex').slice(0, 8)}`;
}

export function nodeLabelsOf(labels: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [nodeLabelOf(key), value]));
}
