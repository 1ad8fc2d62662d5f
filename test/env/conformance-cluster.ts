import { nodes } from '../../src/kube/core.ts';
import { buildContainerImages } from '../../src/local/images/container-images.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { join } from 'node:path';
import { object, startTestCluster, type TestCluster } from './cluster.ts';
import { containerHostImage } from './container-host.ts';
import { ConformanceNode, isReady } from './conformance-node.ts';

const START_MS = 120_000;
const file = (name: string) => `/var/lib/yadokari/import/${name}`;

/** Namespaces of the two nodes' pods; the second is the machine's own. */
export const NAMESPACES = ['conform-node', 'conform-guest'] as const;
const MACHINE = 'host';

const machine = object('VirtualMachineImage', 'container-host', { format: 'tar', source: { file: { path: file('container-host.tar') } } })
  + object('VirtualMachineImage', 'container-images', { format: 'raw', source: { file: { path: file('images.tar') } } })
  + object('VirtualMachine', MACHINE, {
    cpu: 2, memory: '1Gi', kernelBoot: { image: 'container-host' }, containerHost: { maxPods: 60 }, terminationGracePeriodSeconds: 3,
    // Without a disk for them its containers are in memory, and wait for nothing.
    disks: [{ name: 'images', image: 'container-images', readOnly: true, ephemeral: true }],
  });

const plain = (kind: string, name: string, fields: object): string => `---\n${JSON.stringify({ apiVersion: 'v1', kind, metadata: { name }, ...fields })}\n`;

/** What the pods refer to. */
const objects = plain('ConfigMap', 'settings', { data: { colour: 'blue', size: 'x\ny' } })
  + plain('ConfigMap', 'odd', { data: { 'a-b.c': '1', '1st': '2', '_ok': '3', 'x.y': '4' } })
  + plain('ConfigMap', 'binary', { binaryData: { bytes: Buffer.from([0, 255, 10, 128]).toString('base64') } })
  + plain('Secret', 'keys', { stringData: { key: 's3cret' } })
  + plain('Secret', 'odd', { stringData: { '2nd': 'a', fine: 'b' } })
  + plain('Service', 'web-front', { spec: { selector: { none: 'such' }, ports: [{ name: 'http', port: 80 }, { name: 'dns-udp', port: 53, protocol: 'UDP' }] } })
  + plain('Service', 'headless', { spec: { clusterIP: 'None', selector: { none: 'such' }, ports: [{ port: 80 }] } });

export function startConformanceCluster(): Promise<TestCluster> {
  return Promise.all([containerHostImage(join(defaultCacheRoot, 'images')), buildContainerImages({ cacheFolder: join(defaultCacheRoot, 'images') })])
    .then((imports) => startTestCluster({ name: 'conformance', imports: imports.map(({ path }) => path) }));
}

/** A kubelet's node and one that is a machine of the same cluster. */
export async function conformanceNodes(cluster: TestCluster): Promise<readonly [ConformanceNode, ConformanceNode]> {
  for (const namespace of NAMESPACES) {
    await cluster.namespace(namespace);
    await cluster.apply(namespace, objects);
  }
  await cluster.apply(NAMESPACES[1], machine);
  const virtual = `${MACHINE}.${NAMESPACES[1]}`;
  await cluster.eventually(`${virtual} takes pods`, async () => isReady(await cluster.client.get(nodes, { name: virtual })), START_MS);
  await cluster.eventually('service accounts are there', async () => (await cluster.kubectl('get', 'serviceaccounts,configmaps', '-A', '-o', 'name')).split('\n').filter((line) => line.endsWith('/kube-root-ca.crt')).length >= NAMESPACES.length + 1);
  return [await ConformanceNode.open(cluster.client, 'n1', NAMESPACES[0]), await ConformanceNode.open(cluster.client, virtual, NAMESPACES[1])];
}
