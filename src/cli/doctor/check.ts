import { formatTable } from '../table.ts';

/** `missing` keeps the local cluster from running; `warn` is worth knowing. */
export type Verdict = 'ok' | 'warn' | 'missing';

export interface Finding {
  /** What was looked at, in two or three words. */
  readonly subject: string;
  readonly verdict: Verdict;
  /** What was found. */
  readonly found: string;
  /** How to get what is missing. */
  readonly remedy?: string;
}

export const ok = (subject: string, found: string): Finding => ({ subject, verdict: 'ok', found });
export const warn = (subject: string, found: string, remedy?: string): Finding => ({ subject, verdict: 'warn', found, ...(remedy === undefined ? {} : { remedy }) });
export const missing = (subject: string, found: string, remedy: string): Finding => ({ subject, verdict: 'missing', found, remedy });

/** Whether the local cluster can run. */
export function isFit(findings: readonly Finding[]): boolean {
  return findings.every(({ verdict }) => verdict !== 'missing');
}

/** A table, then what to do about each finding that is not ok, then one line that sums up. */
export function doctorText(findings: readonly Finding[]): string {
  const table = formatTable([['CHECK', 'RESULT', 'FOUND'], ...findings.map(({ subject, verdict, found }) => [subject, verdict, found])]);
  const remedies = findings.filter(({ remedy }) => remedy !== undefined).map(({ subject, remedy }) => `${subject}: ${remedy}`);
  const lacking = findings.filter(({ verdict }) => verdict === 'missing').length;
  const warnings = findings.filter(({ verdict }) => verdict === 'warn').length;
  const sum = lacking > 0 ? `${lacking} required ${lacking === 1 ? 'thing is' : 'things are'} missing: \`yado up\` will not work here yet.`
    : `This host can run a local cluster${warnings > 0 ? ` (${warnings} ${warnings === 1 ? 'warning' : 'warnings'})` : ''}.`;
  return [table, ...(remedies.length > 0 ? ['', ...remedies] : []), '', sum].join('\n');
}
