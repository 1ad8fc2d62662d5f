import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import { buildContainerImages, helloImageName } from '../../src/local/images/container-images.ts';
import { buildGuestImage } from '../../src/local/images/guest-image.ts';
import { FolderDiskStore } from '../../src/vm/disks/store.ts';
import { FolderImageStore } from '../../src/vm/images/store.ts';
import { LibvirtHypervisor } from '../../src/vm/drivers/libvirt/hypervisor.ts';
import { LibvirtHost } from '../env/libvirt-host.ts';
import { tiedProgram } from '../env/tied.ts';

const cacheFolder = join(tmpdir(), 'yado-test-images');
const folder = await mkdtemp(join(tmpdir(), 'yado-images-test-'));
after(() => rm(folder, { recursive: true, force: true }));

async function until(what: string, seconds: number, check: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !(await check().catch(() => false)); await sleep(50)) assert.ok(Date.now() < end, `waited for ${what}`);
}

describe('images built from packages', { timeout: 240_000 }, () => {
  test('the guest boots to ready and follows its seed', async () => {
    const image = await buildGuestImage({ cacheFolder });
    assert.ok((await stat(image.path)).size < 30 * 1024 * 1024);
    const files = await new FolderImageStore({ folder: join(folder, 'store') }).ensure({ name: 'tiny', key: 'tiny', source: { kind: 'file', path: image.path }, format: 'tar' });
    const disks = new FolderDiskStore(join(folder, 'disks'));
    const userData = "#cloud-config\nwrite_files:\n  - path: /www/cgi-bin/who\n    permissions: '0755'\n    content: |\n      #!/bin/sh\n      echo; echo \"from $REMOTE_ADDR\"\nruncmd:\n  - [ip, link, set, lo, up]\n  - httpd -p 0.0.0.0:80 -h /www\n  - wget -qO- http://127.0.0.1/cgi-bin/who > /dev/console\npackages: [x]\n";
    const seed = await disks.ensureSeed('tiny', { instanceId: 'i1', hostname: 'hermit', userData, sshKeys: ['ssh-ed25519 AAAA me'] });
    await using host = await LibvirtHost.start();
    await using hypervisor = new LibvirtHypervisor({ socketPath: host.socketPath, acceleration: async () => 'tcg' });
    const consoleLogPath = await disks.consoleLogPath('tiny');
    const id = randomUUID();
    await hypervisor.list();
    const started = Date.now();
    await hypervisor.start({
      id, name: 'tiny', hostname: 'hermit', cpu: { sockets: 1, cores: 1, threads: 1 }, memoryMiB: image.minimumMemoryMiB, disks: [seed], interfaces: [], consoleLogPath,
      boot: { kind: 'kernel', kernelPath: join(files.path, 'vmlinuz'), initrdPath: join(files.path, 'initrd.img'), commandLine: image.commandLine },
    });
    const output = () => readFile(consoleLogPath, 'utf8');
    await until('the guest to be ready', 30, async () => (await output()).includes('yadokari: ready hermit')).catch(async (error: unknown) => assert.fail(`${String(error)}\n${await output().catch(() => '')}`));
    console.log(`# ready ${Date.now() - started} ms after the start call`);
    assert.match(await output(), /from 127\.0\.0\.1/);
    assert.match(await output(), /packages in cloud-config is not supported/);
    await hypervisor.remove(id);
  });

  test('a container of hello runs and the sandbox program is small', async () => {
    const images = await buildContainerImages({ cacheFolder });
    const containerd = join(folder, 'containerd');
    await mkdir(containerd);
    const socket = join(containerd, 'containerd.sock');
    await writeFile(join(containerd, 'config.toml'), `version = 2\nroot = "${containerd}/root"\nstate = "${containerd}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "${socket}"\n[ttrpc]\n  address = "${containerd}/ttrpc.sock"\n`);
    const daemon = spawn('setpriv', [...tiedProgram, 'containerd', '-c', join(containerd, 'config.toml')], { stdio: 'ignore' });
    const ctr = (...args: string[]) => run('ctr', ['-a', socket, '-n', 'k8s.io', ...args]);
    try {
      await until('containerd', 10, async () => (await ctr('version')) !== '');
      await ctr('images', 'import', images.path);
      const script = 'mkdir -p /www/cgi-bin; printf "#!/bin/sh\\necho; echo from \\$REMOTE_ADDR\\n" > /www/cgi-bin/who; chmod 755 /www/cgi-bin/who; httpd -p 127.0.0.1:18099 -h /www; wget -qO- http://localhost:18099/cgi-bin/who; killall httpd';
      const name = `yado-hello-${process.pid}`;
      const output = await ctr('run', '--rm', '--net-host', '--mount', 'type=bind,src=/etc/hosts,dst=/etc/hosts,options=rbind:ro', helloImageName, name, 'sh', '-c', script);
      assert.match(output, /from 127\.0\.0\.1/);
      const listed = await ctr('images', 'list', '-q');
      for (const name of images.names) assert.ok(listed.includes(name));
      const pause = `yado-pause-${process.pid}`;
      await ctr('run', '-d', images.names[0] ?? '', pause);
      const pid = /(\d+)/.exec((await ctr('tasks', 'list')).split('\n').find((line) => line.startsWith(pause))?.slice(pause.length) ?? '')?.[1] ?? '';
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      console.log(`# pause: ${/VmRSS:.*/.exec(status)?.[0]}`);
      await ctr('tasks', 'kill', '-s', 'SIGTERM', pause);
      await sleep(200);
      assert.match(await ctr('tasks', 'list'), /RUNNING/);
      await ctr('tasks', 'kill', '-s', 'SIGKILL', pause);
      await until('the end of pause', 5, async () => !(await ctr('tasks', 'list')).includes('RUNNING'));
      await ctr('tasks', 'delete', pause);
      await ctr('containers', 'delete', pause);
    } finally {
      daemon.kill('SIGTERM');
      await new Promise((resolve) => daemon.once('exit', resolve));
    }
  });
});
