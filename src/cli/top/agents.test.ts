import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ApiError } from '../../kube/api-error.ts';
import { KubeClient } from '../../kube/client.ts';
import type { Transport } from '../../kube/transport.ts';
import { proxiedAgents, readAgents, type AgentSource } from './agents.ts';

const signal = AbortSignal.timeout(10_000);
const PODS = '/api/v1/pods';
const USUAL_PODS = '/api/v1/namespaces/yadokari-system/pods';

/** An API server that answers these paths and forbids all others. */
function apiOf(answers: Readonly<Record<string, string>>): KubeClient {
  const send: Transport['send'] = async ({ method, path }) => {
    const answer = answers[path.split('?')[0] ?? ''];
    if (answer === undefined) throw new ApiError(`${method} ${path}`, 403, '');
    return answer;
  };
  return new KubeClient({ send, open: () => Promise.reject(new Error('nothing is watched')), close: () => {} });
}

function podsOf(namespace: string, ...names: readonly string[]): string {
  const items = names.map((name, index) => ({ metadata: { name, namespace }, spec: { nodeName: `n${index + 1}`, containers: [{ name: 'agent', ports: [{ name: 'metrics', containerPort: 9500 }] }] } }));
  return JSON.stringify({ metadata: {}, items });
}

describe('the agents that the chart runs', () => {
  it('are asked through the API server, wherever they are', async () => {
    const client = apiOf({ [PODS]: podsOf('ops', 'agent-a'), '/api/v1/namespaces/ops/pods/http:agent-a:9500/proxy/metrics': 'page' });
    assert.deepEqual((await readAgents(await proxiedAgents(client, signal), signal)).pages, new Map([['n1', 'page']]));
  });

  it('are found in the usual namespace by those who may see no other', async () => {
    assert.deepEqual((await proxiedAgents(apiOf({ [USUAL_PODS]: podsOf('yadokari-system', 'agent-a') }), signal)).map(({ node }) => node), ['n1']);
  });

  it('are told from a cluster without any', async () => {
    await assert.rejects(proxiedAgents(apiOf({ [PODS]: podsOf('ops') }), signal), { code: 'NoAgents' });
  });

  it('say which right is missing', async () => {
    await assert.rejects(proxiedAgents(apiOf({}), signal), { code: 'NotAllowed', message: /the right to list pods and get pods\/proxy in namespace yadokari-system/ });
    const agents = await proxiedAgents(apiOf({ [PODS]: podsOf('ops', 'agent-a') }), signal);
    await assert.rejects(readAgents(agents, signal), { code: 'NotAllowed', message: /the right to get pods\/proxy in namespace ops/ });
  });
});

describe('asking agents', () => {
  const silent: AgentSource = { node: 'n1', read: () => Promise.reject(new Error('connection refused')) };

  it('goes on without those that do not answer, and says why', async () => {
    const { pages, failures } = await readAgents([silent, { node: 'n2', read: async () => 'page' }], signal);
    assert.deepEqual([[...pages], [...failures]], [[['n2', 'page']], [['n1', 'connection refused']]]);
  });

  it('fails when none answers', async () => {
    await assert.rejects(readAgents([silent], signal), { code: 'NoFigures', message: /n1: connection refused/ });
  });
});
