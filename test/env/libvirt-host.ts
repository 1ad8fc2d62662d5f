import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import { tiedProgram } from './tied.ts';

const folders = { run: '/run/libvirt', etc: '/etc/libvirt', lib: '/var/lib/libvirt', cache: '/var/cache/libvirt', log: '/var/log/libvirt' } as const;

const libvirtdConf = (uuid: string) => `unix_sock_group = "root"\nauth_unix_ro = "none"\nauth_unix_rw = "none"\nhost_uuid = "${uuid}"\n`;
const qemuConf = 'stdio_handler = "file"\nuser = "root"\ngroup = "root"\nsecurity_driver = "none"\ndynamic_ownership = 0\nremember_owner = 0\ncgroup_controllers = [ "cpu", "cpuacct", "memory" ]\nmax_core = 0\n';

/** A libvirtd of the tests' own: in its own mount and process namespaces, with all of its folders under one of ours. */
export class LibvirtHost implements AsyncDisposable {
  readonly folder: string;
  readonly socketPath: string;
  readonly #host: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(folder: string, host: ChildProcess) {
    this.folder = folder;
    this.socketPath = join(folder, 'run', 'libvirt-sock');
    this.#host = host;
    this.#exited = new Promise((resolve) => host.once('exit', resolve));
  }

  /** Starts the host and waits until its libvirtd listens. */
  static async start(): Promise<LibvirtHost> {
    const folder = await mkdtemp(join(tmpdir(), 'yado-libvirt-'));
    for (const name of Object.keys(folders)) await mkdir(join(folder, name), { recursive: true });
    await mkdir(join(folder, 'etc', 'qemu'), { recursive: true });
    await writeFile(join(folder, 'etc', 'libvirtd.conf'), libvirtdConf(randomUUID()));
    await writeFile(join(folder, 'etc', 'qemu.conf'), qemuConf);
    const binds = Object.entries(folders).map(([name, path]) => `mkdir -p ${path}; mount --bind ${join(folder, name)} ${path}`).join('\n');
    // libvirtd looks this user up before it reads its configuration, and only libvirt-daemon-system's installation makes it.
    const user = `grep -q '^libvirt-qemu:' /etc/passwd || { for f in passwd group; do cp /etc/$f ${folder}/$f; done; echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >> ${folder}/passwd; echo 'libvirt-qemu:x:64055:' >> ${folder}/group; grep -q '^kvm:' ${folder}/group || echo 'kvm:x:64056:' >> ${folder}/group; for f in passwd group; do mount --bind ${folder}/$f /etc/$f; done; }`;
    // libvirtd is started anew whenever it ends, so that a test may kill it; init reaps QEMU, whose parent it becomes.
    const script = `set -e\nmount --make-rprivate /\n${binds}\n${user}\nset +e\nwhile :; do rm -f ${folder}/run/libvirt-sock; libvirtd -f /etc/libvirt/libvirtd.conf -p ${folder}/libvirtd.pid; sleep 0.1; while [ -e ${folder}/hold ]; do sleep 0.05; done; done\n`;
    await writeFile(join(folder, 'host.sh'), script);
    const host = spawn('setpriv', [...tiedProgram, 'unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--mount', 'tini', '-s', '--', 'sh', join(folder, 'host.sh')], { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    host.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4000)));
    const started = new LibvirtHost(folder, host);
    for (let tries = 0; tries < 200; tries++) {
      if (await stat(started.socketPath).then(() => true, () => false)) return started;
      await sleep(50);
    }
    await started[Symbol.asyncDispose]();
    throw new Error(`libvirtd does not listen: ${errors}`);
  }

  /** Kills libvirtd as a crash would; guests go on. It starts again by itself, or after `hold` milliseconds. */
  async killDaemon(holdMs = 0): Promise<void> {
    if (holdMs > 0) await writeFile(join(this.folder, 'hold'), '');
    await this.#signal((await readFile(join(this.folder, 'libvirtd.pid'), 'utf8')).trim());
    if (holdMs === 0) return;
    await sleep(holdMs);
    await rm(join(this.folder, 'hold'));
  }

  /** Kills a guest's QEMU as a crash would. */
  async killQemu(name: string): Promise<void> {
    await this.#signal(await this.qemuPid(name));
  }

  /** As seen inside of the host's process namespace. */
  async qemuPid(name: string): Promise<string> {
    return (await readFile(join(this.folder, 'run', 'qemu', `${name}.pid`), 'utf8')).trim();
  }

  async log(): Promise<string> {
    return run('sh', ['-c', `tail -n 20 ${this.folder}/log/qemu/*.log 2>/dev/null`]).catch(() => '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#host.kill('SIGKILL');
    await this.#exited;
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    // libvirt leaves the cgroup above those of its guests; another libvirt may be using it.
    await run('sh', ['-c', 'rmdir /sys/fs/cgroup/machine /sys/fs/cgroup/*/machine 2>/dev/null || true']);
  }

  /** Sends SIGKILL to a process whose number is that of the host's own namespace. */
  async #signal(pid: string): Promise<void> {
    const children = await run('sh', ['-c', `cat /proc/${this.#host.pid}/task/*/children`]);
    const init = children.trim().split(' ')[0] ?? '';
    await run('nsenter', [`--target=${init}`, '--pid', '--mount', 'kill', '-9', pid]);
  }
}
