import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { takenPorts } from './host-ports.ts';
import { networkPlan } from './network-plan.ts';

const line = (local: string, users = '') => `tcp LISTEN 0      4096   ${local}    0.0.0.0:* ${users}`;

describe('ports at the bridge', () => {
  const plan = networkPlan(3);

  it('are free when others have them at addresses of their own', () => {
    assert.deepEqual(takenPorts(plan, [line('10.55.0.1:6443'), line('127.0.0.1:2379'), line('127.0.0.53%lo:53'), line('0.0.0.0:22')].join('\n')), []);
  });

  it('are taken by who listens on the same or on all addresses, and it is named', () => {
    assert.deepEqual(takenPorts(plan, line('0.0.0.0:2379', 'users:(("etcd",pid=812,fd=7))')), ['port 2379 (for etcd) is taken by etcd (pid 812)']);
    assert.deepEqual(takenPorts(plan, line('*:6443', 'users:(("k3s-server",pid=9,fd=7))')), ['port 6443 (for kube-apiserver) is taken by k3s-server (pid 9)']);
    assert.deepEqual(takenPorts(plan, line('[::]:53')), ['port 53 (for coredns) is taken by a process that cannot be seen from here']);
    assert.equal(takenPorts(plan, line('10.55.3.1:179')).length, 1);
  });
});
