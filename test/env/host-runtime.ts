import { spawn, type ChildProcess } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import type { ContainerConfig, SandboxConfig } from '../../src/container/cri.ts';
import { CriClient } from '../../src/container/drivers/cri/client.ts';
import { destroyCgroup, detectHierarchies } from '../../src/local/cgroup.ts';
import { containerdConfig } from '../../src/local/node/config.ts';
import { eventually } from './spliced-host.ts';
import { tiedProgram } from './tied.ts';

export interface HostRuntimeOptions {
  /** For all that it keeps; exists. */
  readonly folder: string;
  /** Unique on the machine: its network namespace and its cgroup. */
  readonly name: string;
  /** First three parts of its pods' addresses. */
  readonly network: string;
  /** Archive of images. */
  readonly images: string;
  /** Paths of the loopback, bridge and host-local plugins. */
  readonly plugins: readonly string[];
}

/** A containerd of this machine with a network and a cgroup of its own. */
export class HostRuntime implements AsyncDisposable {
  readonly socket: string;
  readonly #options: HostRuntimeOptions;
  #containerd: ChildProcess;

  private constructor(options: HostRuntimeOptions) {
    this.#options = options;
    this.socket = join(options.folder, 'containerd.sock');
    this.#containerd = this.#spawn();
  }

  static async start(options: HostRuntimeOptions): Promise<HostRuntime> {
    const { folder, name, network, images, plugins } = options;
    await run('ip', ['netns', 'add', name]);
    await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
    await Promise.all(['cni-bin', 'cni-conf'].map((path) => mkdir(join(folder, path))));
    await Promise.all(plugins.map((path) => copyFile(path, join(folder, 'cni-bin', basename(path)))));
    const plugin = { type: 'bridge', bridge: 'cni0', isGateway: true, isDefaultGateway: true, ipam: { type: 'host-local', dataDir: join(folder, 'addresses'), ranges: [[{ subnet: `${network}.0/24` }]] } };
    await writeFile(join(folder, 'cni-conf/10-pods.conflist'), JSON.stringify({ cniVersion: '1.0.0', name: 'pods', plugins: [plugin] }));
    await writeFile(join(folder, 'config.toml'), configIn(folder));
    const runtime = new HostRuntime(options);
    await eventually(() => run('ctr', ['-a', runtime.socket, '-n', 'k8s.io', 'images', 'import', images]));
    return runtime;
  }

  /** A client whose pods are in the runtime's own cgroup. */
  client(): CriClient {
    return new OwnCgroupClient(this.socket, `/${this.#options.name}`);
  }

  /** Gives an image another name. */
  async tag(image: string, name: string): Promise<void> {
    await run('ctr', ['-a', this.socket, '-n', 'k8s.io', 'images', 'tag', image, name]);
  }

  /** Ends containerd without a chance to say so; containers go on. */
  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.#containerd.once('exit', resolve));
    this.#containerd.kill('SIGKILL');
    await gone;
  }

  async restart(): Promise<void> {
    this.#containerd = this.#spawn();
    using client = new CriClient({ socket: this.socket });
    await eventually(() => client.version());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { folder, name } = this.#options;
    using client = new CriClient({ socket: this.socket });
    for (const { id } of await client.listSandboxes().catch(() => [])) {
      await client.stopSandbox(id);
      await client.removeSandbox(id);
    }
    await this.kill();
    await this.#endShims();
    await this.#unmountAll();
    await run('ip', ['netns', 'del', name]);
    await destroyCgroup(await detectHierarchies(), name);
    await eventually(() => rm(folder, { recursive: true, force: true }));
  }

  async #unmountAll(): Promise<void> {
    const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
    for (const path of mounts.filter((mount) => mount.startsWith(`${this.#options.folder}/`)).toReversed()) await run('umount', ['--lazy', path]);
  }

  /** Who is killed while it makes a sandbox forgets the shim that it has started. */
  async #endShims(): Promise<void> {
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
      if (words[0]?.endsWith('containerd-shim-runc-v2') === true && words.includes(this.socket)) process.kill(Number(pid), 'SIGKILL');
    }
  }

  #spawn(): ChildProcess {
    const { folder, name } = this.#options;
    return spawn('setpriv', [...tiedProgram, 'nsenter', `--net=/run/netns/${name}`, 'containerd', '-c', join(folder, 'config.toml')], { stdio: ['ignore', 'ignore', process.env['YADO_LOG'] === 'trace' ? 'inherit' : 'ignore'] });
  }
}

class OwnCgroupClient extends CriClient {
  readonly #cgroup: string;

  constructor(socket: string, cgroup: string) {
    super({ socket });
    this.#cgroup = cgroup;
  }

  override runSandbox(config: SandboxConfig, signal?: AbortSignal): Promise<string> {
    return super.runSandbox(this.#moved(config), signal);
  }

  override createContainer(sandbox: string, config: ContainerConfig, sandboxConfig: SandboxConfig, signal?: AbortSignal): Promise<string> {
    return super.createContainer(sandbox, config, this.#moved(sandboxConfig), signal);
  }

  #moved(config: SandboxConfig): SandboxConfig {
    return { ...config, cgroupParent: this.#cgroup + config.cgroupParent };
  }
}

function configIn(folder: string): string {
  const own = `root = "${folder}/root"\nstate = "${folder}/state"\n`;
  return `${containerdConfig.replace('version = 2\n', `version = 2\n${own}`)}
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${folder}/cni-bin"
    conf_dir = "${folder}/cni-conf"
[grpc]
  address = "${folder}/containerd.sock"
[ttrpc]
  address = "${folder}/ttrpc.sock"
`;
}

/** Waits until the condition gives something. */
export async function until<T>(what: string, condition: () => T | undefined | false | Promise<T | undefined | false>, timeoutMs = 40_000): Promise<T> {
  for (const giveUpAt = Date.now() + timeoutMs; Date.now() < giveUpAt;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    await delay(20);
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}`);
}
