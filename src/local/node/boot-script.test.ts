import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { run } from '../../base/process.ts';
import { parseHierarchies } from '../cgroup.ts';
import { bootScript, privateFolders } from './boot-script.ts';

const versionTwo = parseHierarchies('cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n');
const versionOne = parseHierarchies('cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n');
const script = (hierarchies: typeof versionTwo) => bootScript({ hostname: 'n1', folder: "/state/it's", hierarchies, bridged: false });

describe('the boot of a node', () => {
  it('is a shell script, whatever the names', async () => {
    for (const hierarchies of [versionOne, versionTwo]) await run('sh', ['-n'], { input: script(hierarchies) });
  });

  it('gives the node each of its folders at the path of a production host', () => {
    for (const path of privateFolders) assert.ok(script(versionTwo).includes(`mount --bind '/state/it'\\''s${path}' ${path}\n`), path);
  });

  it('leaves the root of a cgroup of version 2 before it hands controllers down', () => {
    const text = script(versionTwo);
    assert.ok(text.indexOf("echo 0 > '/sys/fs/cgroup'/init/cgroup.procs") < text.indexOf('cgroup.subtree_control'));
    assert.doesNotMatch(text, /tmpfs \/sys\/fs\/cgroup/);
  });

  it('mounts hierarchies of version 1 where the host has them, with the names of single controllers', () => {
    const text = script(versionOne);
    assert.match(text, /mount -t tmpfs .* \/sys\/fs\/cgroup\n/);
    assert.match(text, /mount -t cgroup -o cpu,cpuacct cgroup '\/sys\/fs\/cgroup\/cpu,cpuacct'\nln -sfn '\/sys\/fs\/cgroup\/cpu,cpuacct' \/sys\/fs\/cgroup\/cpu\n/);
    assert.match(text, /mount -t cgroup -o none,name=systemd cgroup/);
  });
});
