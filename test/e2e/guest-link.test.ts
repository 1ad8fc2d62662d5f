import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../../src/base/process.ts';
import type { HttpLink } from '../../src/container/link/http-link.ts';
import { buildContainerImages, helloImageName } from '../../src/local/images/container-images.ts';
import { ContainerHost, containerHostImage } from '../env/container-host.ts';
import { CriCalls, type CriPod } from '../env/cri-calls.ts';

const cacheFolder = join(tmpdir(), 'yado-test-images');
const folder = await mkdtemp(join(tmpdir(), 'yado-link-'));
const pod: CriPod = { name: 'web', uid: randomUUID() };
const address = '10.200.0.7';
let guest: ContainerHost;
let link: HttpLink;
let cri: CriCalls;
let sandbox = '';
let container = '';
let startedAt = 0;

/** Until the condition holds; the milliseconds that it took. */
async function until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<number> {
  const begun = performance.now();
  while (!(await condition())) {
    if (performance.now() - begun > timeoutMs) throw new Error(`${what} took over ${timeoutMs} ms\n${await guest.console()}`);
    await sleep(10);
  }
  return Math.round(performance.now() - begun);
}

const answers = (): Promise<boolean> => cri.call('Version').then(() => true, () => false);

async function relayMiB(): Promise<number> {
  return Math.round(Number(await guest.shell("awk '/VmRSS/ { print $2 }' /proc/$(pidof yado-relay)/status")) / 102.4) / 10;
}

before(async () => {
  const image = await containerHostImage(cacheFolder);
  startedAt = performance.now();
  guest = await ContainerHost.start(folder, image);
  startedAt = performance.now();
  link = await guest.link();
  cri = new CriCalls(link.runtimeSocket);
}, { timeout: 600_000 });

after(async () => {
  cri?.[Symbol.dispose]();
  await link?.[Symbol.asyncDispose]();
  await guest?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

describe('the way into a guest', { timeout: 300_000 }, () => {
  test('opens by itself when the guest has booted', async () => {
    await assert.rejects(link.info(), { code: 'LinkDown', disposition: 'retry' });
    await until('the link', () => link.connected, 120_000);
    const linked = Math.round(performance.now() - startedAt);
    await until('the runtime', answers);
    console.log(`# boot to link ${linked} ms, to a runtime with its images ${Math.round(performance.now() - startedAt)} ms`);
    const info = await link.info();
    assert.equal(info.machineId, guest.id.replaceAll('-', ''));
    assert.deepEqual([info.osImage, info.architecture, info.cpus], ['Yadokari container host', 'amd64', 1]);
    const pressure = await link.pressure();
    assert.ok(pressure.diskCapacityBytes > 3 * 2 ** 30, 'pods live on the disk called containers');
    assert.ok(pressure.memoryAvailableBytes > 0 && pressure.memoryAvailableBytes < info.memoryBytes);
  });

  test('connects pods by the addresses that the host gives', async () => {
    const { path } = await buildContainerImages({ cacheFolder });
    await run('ctr', ['-a', link.runtimeSocket, '-n', 'k8s.io', 'images', 'import', path]);
    await link.setNetwork({ mtu: 1400 });
    await link.setNetwork({ mtu: 1400 });
    await until('the network', async () => (await cri.call('Status')).message(1).messages(1).every((condition) => condition.number(2) === 1));
    await assert.rejects(cri.runSandbox(pod), /no address yet/);
    await link.setEndpoint({ podUid: pod.uid, address });
    await link.files.makeFolder(`${pod.uid}/volumes/memory`, { mode: 0o777, memory: { sizeBytes: 2 ** 20 } });
    await link.files.writeVolume(`${pod.uid}/volumes/config`, [{ path: 'greeting', mode: 0o644, content: Buffer.from('hello') }]);
    const begun = performance.now();
    sandbox = await cri.runSandbox(pod);
    console.log(`# sandbox ${Math.round(performance.now() - begun)} ms; relay ${await relayMiB()} MiB`);
    container = await cri.runContainer(pod, sandbox, {
      name: 'web', image: helloImageName, command: ['sh', '-c', 'nc -ll -p 9 -e wc -c & nc -ll -p 7 -e cat & exec sleep 1000000'],
      mounts: ['memory', 'config'].map((name) => [`/${name}`, `${link.files.root}/${pod.uid}/volumes/${name}`]),
    });
    assert.equal((await cri.sandbox(sandbox)).address, address);
    assert.match(await cri.exec(container, 'ip', 'address', 'show', 'eth0'), /mtu 1400[^]*inet 10\.200\.0\.7\/32/);
    assert.match(await cri.exec(container, 'ip', 'route'), /default via 169\.254\.1\.2 dev eth0/);
    assert.equal(await guest.shell(`ip route show ${address} | cut -d' ' -f1,4,5`), `${address} scope link`);
    // The guest's own address, which its link to the pod does not have.
    await guest.shell('ip address add 10.200.0.1/32 dev lo');
    assert.match(await guest.shell(`ping -c 1 -W 2 ${address}`), /1 packets received/);
  });

  test('keeps the files of pods', async () => {
    const { files } = link;
    const volume = `${pod.uid}/volumes/config`;
    const first = await cri.exec(container, 'readlink', '/config/..data');
    await files.writeVolume(volume, [{ path: 'greeting', mode: 0o644, content: Buffer.from('hello') }]);
    assert.equal(await cri.exec(container, 'readlink', '/config/..data'), first, 'what has not changed stays');
    await files.writeVolume(volume, [{ path: 'a/b', mode: 0o400, content: Buffer.from([0, 255]) }, { path: 'top', mode: 0o640, content: Buffer.from('x') }], { group: 2000 });
    assert.equal(await cri.exec(container, 'sh', '-c', 'cd /config; ls -A | grep -v ^..2; stat -L -c "%a %g" a/b top a'), '..data\na\ntop\n440 2000\n640 2000\n2755 2000\n');
    assert.match(await cri.exec(container, 'df', '/memory'), /tmpfs +1024 /);
    await files.writeFile(`${pod.uid}/hosts`, 'one', 0o644);
    const { inode } = await files.stat(`${pod.uid}/hosts`) ?? {};
    await files.writeFile(`${pod.uid}/hosts`, 'second', 0o600);
    assert.deepEqual(await files.stat(`${pod.uid}/hosts`), { sizeBytes: 6, inode });
    assert.equal((await files.readFile(`${pod.uid}/hosts`, 3))?.toString(), 'ond');
    assert.equal(await text(await files.readFrom(`${pod.uid}/hosts`, 2) ?? Readable.from([])), 'cond');
    assert.equal(await files.readFrom(`${pod.uid}/none`, 0), undefined);
    await files.rename(`${pod.uid}/hosts`, `${pod.uid}/hosts.1`);
    assert.deepEqual(await files.list(pod.uid), ['hosts.1', 'volumes']);
    assert.deepEqual(await files.list('nobody'), []);
    await cri.exec(container, 'dd', 'if=/dev/zero', 'of=/memory/zeroes', 'bs=1024', 'count=512');
    assert.ok(await files.usage(`${pod.uid}/volumes/memory`) >= 512 * 1024);
  });

  test('lets no path lead out of the pods\' folder', async () => {
    const { files } = link;
    for (const path of ['../x', `${pod.uid}/../../x`, '/etc/passwd', `${pod.uid}/volumes/..`]) {
      await assert.rejects(files.writeFile(path, 'x', 0o600), { code: 'LinkRefused', disposition: 'terminal' }, path);
    }
    await cri.exec(container, 'ln', '-s', '../../../../../../../etc', '/memory/up');
    await cri.exec(container, 'ln', '-s', '/etc', '/memory/etc');
    await link.files.makeFolder('other', { mode: 0o700 });
    await cri.exec(container, 'ln', '-s', '../../../other', '/memory/other');
    for (const name of ['up/passwd', 'etc/passwd', 'other/x']) {
      await assert.rejects(files.readFile(`${pod.uid}/volumes/memory/${name}`, 10), { code: 'LinkRefused' }, name);
      await assert.rejects(files.writeFile(`${pod.uid}/volumes/memory/${name}`, 'x', 0o600), { code: 'LinkRefused' }, name);
    }
    await assert.rejects(files.writeVolume(`${pod.uid}/volumes/config`, [{ path: '../up', mode: 0o600, content: Buffer.alloc(0) }]), { code: 'LinkRefused' });
    await cri.exec(container, 'mkfifo', '/memory/pipe');
    await assert.rejects(files.readFile(`${pod.uid}/volumes/memory/pipe`, 10), /no regular file/);
  });

  test('reaches ports of pods and of the guest, and ends each direction by itself', async () => {
    const { pid } = await cri.sandbox(sandbox);
    const sent = randomBytes(3 * 2 ** 20);
    const counted = await link.dialPod(pid, 9);
    counted.end(sent);
    assert.equal((await text(counted)).trim(), String(sent.length));
    const echoed = await link.dialPod(pid, 7);
    echoed.end(sent);
    assert.ok((await buffer(echoed)).equals(sent));
    await assert.rejects(link.dialPod(pid, 8), { code: 'LinkRefused', message: /connection refused/ });
    await assert.rejects(link.dialPod(999_999, 8), { code: 'LinkRefused' });
    const url = (await cri.call('Exec', [[1, container], [2, 'true'], [5, 1]])).text(1);
    const streaming = await link.dial(Number(new URL(url).port));
    streaming.end('GET /none HTTP/1.0\r\n\r\n');
    assert.match(await text(streaming), /^HTTP\/1\.0 404 /);
    // A stream that nobody reads holds up no other.
    const unread = await link.dialPod(pid, 7);
    unread.write(Buffer.alloc(2 ** 20));
    await Promise.all(Array.from({ length: 100 }, () => cri.call('Version')));
    unread.destroy();
  });

  test('carries much, and quickly', async () => {
    const size = 12 * 2 ** 20;
    let begun = performance.now();
    await link.files.writeFile(`${pod.uid}/large`, Buffer.alloc(size), 0o600);
    const up = size / 2 ** 20 / ((performance.now() - begun) / 1000);
    begun = performance.now();
    assert.equal((await link.files.readFile(`${pod.uid}/large`, size))?.length, size);
    const down = size / 2 ** 20 / ((performance.now() - begun) / 1000);
    const rounds = 200;
    begun = performance.now();
    for (let round = 0; round < rounds; round++) await cri.call('Version');
    const call = (performance.now() - begun) / rounds;
    begun = performance.now();
    for (let round = 0; round < rounds; round++) await link.files.stat(pod.uid);
    const own = (performance.now() - begun) / rounds;
    console.log(`# CRI call ${call.toFixed(1)} ms, relay call ${own.toFixed(1)} ms, up ${up.toFixed(1)} MiB/s, down ${down.toFixed(1)} MiB/s; relay ${await relayMiB()} MiB, QEMU ${await guest.memoryMiB()} MiB; ${await guest.shell('free -m | sed -n 2p')}`);
    assert.ok(await relayMiB() < 40);
  });

  test('comes back when relay, runtime or host are killed, and the container runs on', async () => {
    const before = await cri.container(container);
    const changes: boolean[] = [];
    const stop = link.onChange((connected) => changes.push(connected));
    const unfinished = link.dialPod((await cri.sandbox(sandbox)).pid, 7).then(async (stream) => buffer(stream));
    unfinished.catch(() => {});
    await sleep(200);
    await guest.shell('killall -9 yado-relay');
    const noticed = await until('notice of the dead relay', () => changes.length > 0);
    const back = await until('the link', () => link.connected);
    await assert.rejects(unfinished);
    assert.deepEqual(changes, [false, true]);
    assert.equal(await cri.container(container), before);
    await guest.shell('killall -9 containerd');
    await until('the end of the runtime', async () => !(await answers()));
    const runtime = await until('the runtime', answers);
    assert.equal(await cri.container(container), before);
    assert.deepEqual(changes, [false, true], 'the runtime is not the link');
    stop();
    console.log(`# relay killed: noticed after ${noticed} ms, back ${back} ms later; containerd back after ${runtime} ms`);
  });

  test('takes a guest that does not answer for lost within ten seconds', async () => {
    await guest.shell('killall -STOP yado-relay');
    const noticed = await until('notice of the silent relay', () => !link.connected);
    await guest.shell('killall -CONT yado-relay');
    const back = await until('the link', () => link.connected);
    console.log(`# relay stopped: noticed after ${noticed} ms, back ${back} ms after it goes on`);
    assert.ok(noticed <= 10_000);
    await until('the runtime', answers);
  });

  test('is not confused by what a killed host has left behind', async () => {
    await link[Symbol.asyncDispose]();
    for (let round = 0; round < 5; round++) {
      const other = spawn(process.execPath, [join(import.meta.dirname, '../env/link-user.ts'), guest.channel, join(folder, 'other.sock'), `${pod.uid}/large`], { stdio: ['ignore', 'pipe', 'inherit'] });
      await new Promise((resolve) => other.stdout.once('data', resolve));
      await sleep(50 + 130 * round);
      other.kill('SIGKILL');
      await new Promise((resolve) => other.once('exit', resolve));
    }
    link = await guest.link();
    const back = await until('the link', () => link.connected);
    assert.equal((await link.files.readFile(`${pod.uid}/large`, 100))?.length, 100);
    await until('the runtime', answers);
    assert.match(await cri.container(container), /^1 since/);
    console.log(`# after killed hosts: back in ${back} ms`);
  });

  test('removes pods with all that is mounted in their folders', async () => {
    await cri.call('StopPodSandbox', [[1, sandbox]]);
    await cri.call('RemovePodSandbox', [[1, sandbox]]);
    await link.removeEndpoint(pod.uid);
    await link.removeEndpoint(pod.uid);
    await link.files.remove(pod.uid);
    await link.files.remove(pod.uid);
    assert.deepEqual(await link.files.list(''), ['other']);
    assert.equal(await guest.shell(`mount | grep -c ${pod.uid}; ip link | grep -c yado; ls /run/yadokari/endpoints | wc -l`), '0\n0\n0');
  });

  test('is a new one after a reset, and what is on the disk is still there', async () => {
    const { bootId } = await link.info();
    await guest.shell('sync');
    await guest.reset();
    await until('the new boot', () => link.info().then((info) => info.bootId !== bootId, () => false), 120_000);
    assert.deepEqual(await link.files.list(''), ['other']);
    await until('the runtime', answers);
    assert.match(await run('ctr', ['-a', link.runtimeSocket, '-n', 'k8s.io', 'images', 'list', '-q']), new RegExp(helloImageName));
  });

  test('shows its socket to root alone', async () => {
    assert.equal((await run('stat', ['-c', '%a', link.runtimeSocket])).trim(), '600');
    assert.doesNotMatch(await readFile(join(folder, 'console.log'), 'utf8'), /panic/i);
  });
});
