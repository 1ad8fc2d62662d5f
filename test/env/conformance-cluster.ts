import { nodes } from '../../src/kube/core.ts';
import { documents, startTestCluster, type TestCluster } from './cluster.ts';
import { containerHostImages, containerHostImports, containerHostMachine } from './container-host-objects.ts';
import { ConformanceNode, isReady } from './conformance-node.ts';

const START_MS = 120_000;

/** Namespaces of the two nodes' pods; the second is the machine's own. */
export const NAMESPACES = ['conform-node', 'conform-guest'] as const;
const MACHINE = 'host';

const machine = documents(...containerHostImages, containerHostMachine(MACHINE, { spec: { cpu: 2, memory: '1Gi', containerHost: { maxPods: 60 } } }));

const plain = (kind: string, name: string, fields: object): string => documents({ apiVersion: 'v1', kind, metadata: { name }, ...fields });

/** What the pods refer to. */
const objects = plain('ConfigMap', 'settings', { data: { colour: 'blue', size: 'x\ny' } })
  + plain('ConfigMap', 'odd', { data: { 'a-b.c': '1', '1st': '2', '_ok': '3', 'x.y': '4' } })
  + plain('ConfigMap', 'binary', { binaryData: { bytes: Buffer.from([0, 255, 10, 128]).toString('base64') } })
  + plain('Secret', 'keys', { stringData: { key: 's3cret' } })
  + plain('Secret', 'odd', { stringData: { '2nd': 'a', fine: 'b' } })
  + plain('Service', 'web-front', { spec: { selector: { none: 'such' }, ports: [{ name: 'http', port: 80 }, { name: 'dns-udp', port: 53, protocol: 'UDP' }] } })
  + plain('Service', 'headless', { spec: { clusterIP: 'None', selector: { none: 'such' }, ports: [{ port: 80 }] } });

export async function startConformanceCluster(): Promise<TestCluster> {
  return startTestCluster({ name: 'conformance', imports: await containerHostImports() });
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
