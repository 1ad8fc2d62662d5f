import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkPlan } from '../../local/network-plan.ts';
import { debianPackages } from '../../local/packages.ts';
import { toolchainPrograms } from '../../local/toolchain/programs.ts';
import { doctorText, isFit, missing, ok, warn } from './check.ts';
import { leftoverFinding, subnetFinding } from './clusters.ts';
import { cgroupVerdict, forwardVerdict } from './kernel.ts';
import { diskFinding, memoryFinding, nodeFinding, openFilesFinding, rootFinding } from './resources.ts';
import { packagesFinding, toolchainVerdict } from './software.ts';

const everything = new Set(toolchainPrograms.map(({ name }) => name));

describe('doctor', () => {
  it('is content with warnings, not with what is missing, and says what to do', () => {
    assert.equal(isFit([ok('a', 'x'), warn('b', 'y')]), true);
    assert.equal(isFit([ok('a', 'x'), missing('b', 'y', 'get it')]), false);
    const text = doctorText([ok('root', 'yes'), missing('veth', 'none', 'modprobe veth')]);
    assert.match(text, /^CHECK {2}RESULT {3}FOUND\nroot {3}ok {7}yes\nveth {3}missing {2}none\n\nveth: modprobe veth\n\n1 required thing is missing/);
    assert.match(doctorText([warn('KVM', 'none')]), /can run a local cluster \(1 warning\)/);
  });

  it('needs root, a Node.js that reads TypeScript, memory and open files', () => {
    const meminfo = (MiB: number) => `MemTotal: 9 kB\nMemAvailable:    ${MiB * 1024} kB\n`;
    const limits = (soft: string, hard: string) => `Limit Soft Hard\nMax open files            ${soft}                 ${hard}                files\n`;
    const verdicts = [
      rootFinding(0), rootFinding(1000), nodeFinding('v24.1.0'), nodeFinding('v20.19.2'), memoryFinding(meminfo(8000)), memoryFinding(meminfo(1500)), memoryFinding(meminfo(300)),
      openFilesFinding(limits('20000', '20000')), openFilesFinding(limits('1024', '1048576')), openFilesFinding(limits('1024', '1024')), openFilesFinding(limits('unlimited', 'unlimited')),
    ].map(({ verdict }) => verdict);
    assert.deepEqual(verdicts, ['ok', 'missing', 'ok', 'missing', 'ok', 'warn', 'missing', 'ok', 'warn', 'missing', 'ok']);
  });

  it('measures the disk of folders that do not exist yet', async () => {
    assert.equal((await diskFinding('disk', '/nowhere/at/all', 1, 'make room')).verdict, 'ok');
    assert.equal((await diskFinding('disk', '/nowhere/at/all', Number.MAX_SAFE_INTEGER, 'make room')).verdict, 'missing');
  });

  it('finds controllers in either version of cgroups, or spread over both', () => {
    const first = (mountOptions: string) => ({ mountPoint: '/x', version: 1 as const, mountOptions });
    const second = { mountPoint: '/y', version: 2 as const, mountOptions: '' };
    assert.match(cgroupVerdict([second], ['cpuset', 'cpu', 'io', 'memory', 'pids']).found, /^version 2, with/);
    assert.match(cgroupVerdict([first('cpu,cpuacct'), first('cpuset'), first('memory'), second], ['pids']).found, /^hybrid/);
    assert.equal(cgroupVerdict([second], ['cpu', 'io', 'memory', 'pids']).verdict, 'ok');
    assert.deepEqual(cgroupVerdict([first('cpu'), first('memory'), second], ['pids']).found, 'hybrid: version 1 with a unified tree, without cpuset');
    const lacking = cgroupVerdict([first('cpu'), first('cpuset'), first('pids')], []);
    assert.deepEqual([lacking.verdict, lacking.found], ['missing', 'version 1, without memory']);
  });

  it('warns of a firewall that drops bridged packets', () => {
    assert.equal(forwardVerdict(true, 'chain FORWARD { type filter hook forward priority filter; policy drop; }').verdict, 'warn');
    assert.equal(forwardVerdict(false, 'policy drop').verdict, 'ok');
    assert.equal(forwardVerdict(true, '').verdict, 'ok');
  });

  it('names the packages that are missing and the command that installs them', () => {
    assert.equal(packagesFinding(() => true).verdict, 'ok');
    const withoutBird = packagesFinding((what) => !what.startsWith('bird'));
    assert.deepEqual([withoutBird.verdict, withoutBird.remedy?.endsWith('bird2')], ['warn', true]);
    assert.deepEqual([packagesFinding(() => false).verdict, debianPackages.length > 10], ['missing', true]);
  });

  it('wants Go only for what is not built yet, and estimates the time', () => {
    assert.deepEqual(toolchainVerdict({ built: everything, goVersion: '', python: false }).map(({ verdict }) => verdict), ['ok', 'ok']);
    const fresh = toolchainVerdict({ built: new Set(), goVersion: 'go1.26.1', python: true });
    assert.deepEqual(fresh.map(({ verdict }) => verdict), ['warn', 'ok']);
    assert.match(fresh[0]?.remedy ?? '', /about \d+ minutes/);
    assert.equal(toolchainVerdict({ built: new Set(), goVersion: 'go1.19.8', python: true })[1]?.verdict, 'warn');
    assert.equal(toolchainVerdict({ built: new Set(), goVersion: '', python: false })[1]?.verdict, 'missing');
  });

  it('tells the next free subnet', () => {
    const finding = subnetFinding({ links: new Set(['yado1']), networks: ['10.55.0.0/16'].slice(1), reserved: new Set([0]) });
    assert.match(finding.found, /^42 of 44 are free, next 10\.55\.2\.0\/24/);
    assert.equal(subnetFinding({ links: new Set(), networks: ['10.0.0.0/8'], reserved: new Set() }).verdict, 'missing');
  });

  it('finds what dead clusters left, and leaves living ones and strangers alone', () => {
    const { bridge } = networkPlan(3);
    const cluster = (name: string, index: number, running: boolean) => ({ name, index, running });
    assert.match(leftoverFinding([cluster('old', 3, false)], new Set([bridge]), [], '/s').remedy ?? '', /yado down --name old/);
    assert.equal(leftoverFinding([cluster('old', 3, false)], new Set(), [`${bridge}-n1`], '/s').verdict, 'warn');
    assert.equal(leftoverFinding([cluster('old', 3, false)], new Set(['eth0']), [], '/s').verdict, 'ok');
    assert.match(leftoverFinding([cluster('new', 3, true)], new Set([bridge, 'yado7']), [`${bridge}-n1`], '/s').found, /^new runs under \/s; bridge yado7 of other state roots$/);
  });
});
