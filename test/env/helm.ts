import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { CommandError, run } from '../../src/base/process.ts';
import { silentProgress } from '../../src/base/progress.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureExtraProgram } from '../../src/local/toolchain/toolchain.ts';

const root = join(import.meta.dirname, '../..');
export const chartFolder = join(root, 'deploy/helm/yadokari');
export const releaseNamespace = 'yadokari-system';

/** Values as on the command line: `network.mode=native`. */
export type Values = readonly string[];

/** Helm of the toolchain, built when it is first asked for. */
export class Helm {
  readonly #program: string;
  readonly #kubeconfig: string | undefined;

  constructor(program: string, kubeconfig?: string) {
    this.#program = program;
    this.#kubeconfig = kubeconfig;
  }

  static async ready(): Promise<Helm> {
    return new Helm(await ensureExtraProgram('helm', { modules: join(root, 'deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress }));
  }

  /** The same, for a cluster. */
  with(kubeconfig: string): Helm {
    return new Helm(this.#program, kubeconfig);
  }

  /** Runs helm in the release's namespace; throws CommandError. */
  run(...args: readonly string[]): Promise<string> {
    const place = this.#kubeconfig === undefined ? [] : ['--kubeconfig', this.#kubeconfig];
    return run(this.#program, [...args, '--namespace', releaseNamespace, ...place], { timeoutMs: 300_000 });
  }

  /** What the chart renders, hooks included. */
  template(values: Values = []): Promise<string> {
    return this.run('template', 'yadokari', chartFolder, ...settings(values));
  }

  /** What Helm says when it refuses the values; fails when it does not. */
  async refusal(values: Values): Promise<string> {
    try {
      await this.template(values);
    } catch (error) {
      if (error instanceof CommandError) return error.stderr;
      throw error;
    }
    throw new Error(`these values were accepted: ${values.join(' ')}`);
  }
}

export function settings(values: Values): readonly string[] {
  return values.flatMap((value) => ['--set', value]);
}

export function objectsOf(text: string): readonly KubeObject[] {
  const documents = parseAllDocuments(text);
  if (!Array.isArray(documents)) return [];
  return documents.map((document) => {
    if (document.errors.length > 0) throw new Error(`${document.errors[0]?.message}\n${document.toString()}`);
    return document.toJS() as KubeObject | null;
  }).filter((object) => object !== null);
}
