import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExternalDriver } from './external-drivers.ts';

export interface ExternalRun {
  readonly driver: ExternalDriver;
  /** Path of e2e.test. */
  readonly program: string;
  readonly kubeconfig: string;
  /** A folder that has kubectl. */
  readonly binaries: string;
  /** Which tests, by their labels: https://onsi.github.io/ginkgo/#spec-labels */
  readonly labels: string;
  /** Regular expression of the names of tests to run alone. */
  readonly focus?: string;
  /** As ginkgo takes it; what is not begun by then is left out. Default 4h. */
  readonly timeout?: string;
  readonly onProgress?: (line: string) => void;
}

export interface ExternalFailure {
  readonly name: string;
  readonly message: string;
}

export interface ExternalResult {
  readonly passed: number;
  readonly failed: readonly ExternalFailure[];
  /** Those that the tests themselves leave out for a driver like this. */
  readonly skipped: number;
}

interface SpecReport {
  readonly State: string;
  readonly LeafNodeType: string;
  readonly LeafNodeText: string;
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly Failure?: { readonly Message: string };
}

/** Runs Kubernetes' own tests of one driver, one after the other. */
export async function runExternal({ driver, program, kubeconfig, binaries, labels, focus = 'External.Storage', timeout = '4h', onProgress }: ExternalRun): Promise<ExternalResult> {
  const folder = await mkdtemp(join(tmpdir(), 'yado-external-'));
  try {
    const [definition, report] = [join(folder, 'driver.yaml'), join(folder, 'report.json')];
    await writeFile(definition, JSON.stringify(driver.definition));
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', program, '--kubeconfig', kubeconfig, '--provider', 'skeleton', '--num-nodes', '2', `-storage.testdriver=${definition}`, '--ginkgo.focus', focus, '--ginkgo.label-filter', labels, '--ginkgo.timeout', timeout, '--ginkgo.no-color', `--ginkgo.json-report=${report}`], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH: `${binaries}:${process.env['PATH']}`, KUBECTL: join(binaries, 'kubectl') } });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-200_000);
      for (const line of chunk.toString().split('\n')) if (/^• \[FAILED\]|^\s+\[FAILED\]|^• \[\d/.test(line)) onProgress?.(line.trim());
    });
    await once(child, 'close');
    const text = await readFile(report, 'utf8').catch(() => { throw new Error(`e2e.test has left no report:\n${said.slice(-4000)}`); });
    return resultOf((JSON.parse(text) as readonly { readonly SpecReports: readonly SpecReport[] }[]).flatMap(({ SpecReports }) => SpecReports));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function resultOf(reports: readonly SpecReport[]): ExternalResult {
  const specs = reports.filter(({ LeafNodeType }) => LeafNodeType === 'It');
  const nameOf = ({ ContainerHierarchyTexts, LeafNodeText }: SpecReport): string => [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(' ');
  const failed = specs.filter(({ State }) => !['passed', 'skipped', 'pending'].includes(State));
  const reasons = specs.filter(({ Failure, State }) => State === 'skipped' && Failure !== undefined);
  return {
    passed: specs.filter(({ State }) => State === 'passed').length,
    failed: failed.map((spec) => ({ name: nameOf(spec), message: (spec.Failure?.Message ?? spec.State).slice(0, 1000) })),
    skipped: reasons.length,
  };
}
