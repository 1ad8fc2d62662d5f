import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { run } from '../../src/base/process.ts';
import { startTestCluster, type TestCluster } from '../env/cluster.ts';

interface Example {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

interface Workload {
  /** What it says of itself, such as `virtual machine vm-n1`. */
  readonly who: string;
  readonly address: string;
}

const NAMESPACE = 'flat';

describe('the flat network', { timeout: 300_000 }, () => {
  let cluster: TestCluster;
  const workloads: Workload[] = [];

  before(async () => {
    cluster = await startTestCluster({ name: 'flat' });
    await cluster.namespace(NAMESPACE);
    const examples = parseAllDocuments(await readFile(join(import.meta.dirname, '../../deploy/examples/hello.yaml'), 'utf8')).map((document) => document.toJS() as Example);
    const on = (kind: string, prefix: string) => cluster.nodes.map((node) => {
      const example = examples.find((candidate) => candidate.kind === kind);
      assert.ok(example, kind);
      return { ...example, metadata: { name: `${prefix}-${node}` }, spec: { ...example.spec, nodeSelector: { 'kubernetes.io/hostname': node } } };
    });
    const image = examples.find(({ kind }) => kind === 'VirtualMachineImage');
    const objects = [image, ...on('VirtualMachine', 'vm'), ...on('Pod', 'pod')];
    await cluster.apply(NAMESPACE, objects.map((object) => JSON.stringify(object)).join('\n---\n'));
    for (const [kind, who] of [['vm', 'virtual machine'], ['ypod', 'container']] as const) {
      for (const node of cluster.nodes) {
        const name = `${kind === 'vm' ? 'vm' : 'pod'}-${node}`;
        workloads.push(await cluster.eventually(`${name} Ready on ${node}`, async () => {
          const [placed, ready, address] = (await cluster.kubectl('-n', NAMESPACE, 'get', kind, name, '-o', 'jsonpath={.status.node}|{.status.conditions[?(@.type=="Ready")].status}|{.status.address}')).split('|');
          return ready === 'True' && placed === node && address !== undefined && address !== '' && { who: `${who} ${name}`, address };
        }, 90_000, NAMESPACE));
      }
    }
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it('gives each of the four an address of its own', () => {
    assert.equal(workloads.length, 4);
    assert.equal(new Set(workloads.map(({ address }) => address)).size, 4);
  });

  it('lets each reach each, who sees its real address', async () => {
    const pairs = workloads.flatMap((from) => workloads.filter((to) => to !== from).map((to) => ({ from, to })));
    assert.equal(pairs.length, 12);
    for (const { from, to } of pairs) {
      // A server that has just become ready elsewhere may need a moment until routes to it are known here.
      const said = await cluster.eventually(`${from.who} reaches ${to.who}`, async () => {
        const text = await get(`http://${from.address}/cgi-bin/fetch?${to.address}`);
        return text.startsWith('Hello') ? text : Promise.reject(new Error(text));
      }, 10_000, NAMESPACE);
      assert.equal(said.trim(), `Hello from ${to.who}. You are ${from.address}.`);
    }
  });

  it('lets the host reach each', async () => {
    for (const { who, address } of workloads) {
      const source = /\bsrc (\S+)/.exec(await run('ip', ['-o', 'route', 'get', address]))?.[1];
      assert.equal((await get(`http://${address}/cgi-bin/index.cgi`)).trim(), `Hello from ${who}. You are ${source}.`);
    }
  });

  it('lets a node reach each, as itself', async () => {
    for (const node of cluster.status.nodes) {
      for (const { who, address } of workloads) {
        const said = await cluster.inNode(node.name, process.execPath, '-e', `fetch('http://${address}/cgi-bin/index.cgi', { signal: AbortSignal.timeout(10_000) }).then((response) => response.text()).then(console.log)`);
        assert.match(said, new RegExp(`^Hello from ${who}\\. You are `));
      }
    }
  });
});

async function get(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(15_000) });
  return response.text();
}
