/** The local cluster on a host as most are: with cgroups of version 2 alone, and a kernel that mounts what is on NFS. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { withoutClasses } from '../../src/cli/demo-volumes.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { onOtherKernel, prepareStorage } from '../env/other-kernel.ts';

const root = join(import.meta.dirname, '../..');
const HOUR = 3_600_000;

const machineAndPod = `
sh src/bin/yado.ts up --name other --timeout 2400
$kubectl get nodes -o wide
cat /sys/fs/cgroup/yadokari/other/n1/cgroup.subtree_control
$kubectl apply --validate=ignore -f deploy/examples/hello.yaml
$kubectl wait --for=condition=Ready --timeout=20m ypod/hello-pod
$kubectl wait --for=jsonpath='{.status.guest.phase}'=Running --timeout=20m vm/hello
$kubectl get vm,ypod
sh src/bin/yado.ts down --name other --delete
test ! -e /sys/fs/cgroup/yadokari/other`;

/** The example of shared volumes without those of a Ceph, whose servers take minutes to start there. */
async function sharersOfNfs(): Promise<readonly object[]> {
  const text = await readFile(join(root, 'deploy/examples/shared.yaml'), 'utf8');
  const objects = parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
  return withoutClasses(objects, (name) => name !== 'nfs').shown.map(withPatience);
}

interface Machine {
  readonly kind: string;
  readonly spec: { readonly probes: { readonly readiness: object } };
}

/** The machine takes longer to answer than a probe waits. */
function withPatience(object: Partial<Machine>): object {
  if (object.kind !== 'VirtualMachine' || object.spec === undefined) return object;
  const { probes, ...spec } = object.spec;
  return { ...object, spec: { ...spec, probes: { readiness: { ...probes.readiness, timeoutSeconds: 120 } } } };
}

const SHARERS = ['machine', 'east', 'west'];
const sharedVolume = async (): Promise<string> => `
sh src/bin/yado.ts up --name other --nodes 2 --timeout 2400
sh src/bin/yado.ts storage add nfs --name other
cat > /tmp/objects.json <<'END'
${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: await sharersOfNfs() })}
END
$kubectl apply --validate=ignore -f /tmp/objects.json
$kubectl wait --for=condition=Ready --timeout=20m ypod/east ypod/west
$kubectl wait --for=condition=Ready --timeout=30m vm/machine || { $kubectl describe vm machine; find /root /var/lib -name console.log -exec tail -n 40 {} +; exit 1; }
$kubectl get vm,ypod -o wide
$kubectl exec east -- sh -c 'mount | grep /share'
address() { if [ $1 = machine ]; then $kubectl get vm machine -o jsonpath='{.status.address}'; else $kubectl get pod $1 -o jsonpath='{.status.podIP}'; fi; }
machine=$(address machine) east=$(address east) west=$(address west)
ask() { eval "to=\\$$1"; $kubectl exec east -- timeout 600 wget -q -O - "http://$to/cgi-bin/share?$2" | tr '\n' ' '; }
for who in ${SHARERS.join(' ')}; do echo "$who writes: $(ask $who 'write&files')"; done
for who in ${SHARERS.join(' ')}; do for whose in ${SHARERS.join(' ')}; do echo "$who reads: $(ask $who "read&files&$whose")"; done; done
for holder in ${SHARERS.join(' ')}; do
  echo "$holder: $(ask $holder 'hold&files&60')"
  for who in ${SHARERS.join(' ')}; do [ $who = $holder ] || echo "$who locks while $holder does: $(ask $who 'try&files')"; done
  until [ "$(ask east 'try&files')" = 'free ' ]; do sleep 2; done
done
# The machine last: what it has filled to the last block it cannot remove.
for who in east west machine; do echo "$who fills: $(ask $who 'fill&files&100')"; done
$kubectl delete --wait --timeout=10m vm/machine ypod/east ypod/west pvc/files
sh src/bin/yado.ts storage check --name other
sh src/bin/yado.ts down --name other --delete`;

describe('a host with another kernel', { timeout: 2 * HOUR }, () => {
  it('runs a cluster with a machine and a pod, by cgroups of version 2', async () => {
    assert.match(await onOtherKernel(machineAndPod, { timeoutMs: HOUR }), /^(?=.*\bcpu\b)(?=.*\bmemory\b)(?=.*\bpids\b).*$/m);
  });

  it('shares a volume on NFS among a machine and pods of two nodes: files, locks and quota', async () => {
    await prepareStorage(['nfs']);
    const said = await onOtherKernel(await sharedVolume(), { timeoutMs: HOUR });
    assert.match(said, /type nfs4/);
    for (const who of SHARERS) {
      for (const whose of SHARERS) assert.match(said, new RegExp(`^${who} reads: written by ${whose} *\\s*$`, 'm'));
      for (const holder of SHARERS) if (holder !== who) assert.match(said, new RegExp(`^${who} locks while ${holder} does: taken *\\s*$`, 'm'));
      assert.match(said, new RegExp(`^${who} fills: .*(Disk quota exceeded|No space left on device)`, 'm'));
    }
  });
});
