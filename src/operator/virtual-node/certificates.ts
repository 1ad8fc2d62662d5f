import type { Log } from '../../base/log.ts';
import type { KubeClient } from '../../kube/client.ts';
import { timestamp } from '../../kube/conditions.ts';
import type { Reconcile, Result } from '../../kube/controller.ts';
import { certificateSigningRequests, type CertificateSigningRequest, type Node } from '../../kube/core.ts';
import type { Informer } from '../../kube/informer.ts';
import type { Clock } from '../../base/clock.ts';
import type { VirtualMachine } from '../../kube/yadokari.ts';

export interface NodeCertificatesContext {
  readonly client: KubeClient;
  readonly requests: Informer<CertificateSigningRequest>;
  /** Indexed `virtualNode` by the name of the Node that each is. */
  readonly vms: Informer<VirtualMachine>;
  readonly nodes: Informer<Node>;
  /** Where the agents' service account is. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Of Kubernetes' own signers: identities and servers of nodes. */
const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet';
const SERVING_SIGNER = 'kubernetes.io/kubelet-serving';
const SIGNERS: ReadonlySet<string> = new Set([CLIENT_SIGNER, SERVING_SIGNER]);
const NODE_USER = 'system:node:';
const PATIENCE_MS = 60_000;
const AGAIN_MS = 1000;

/**
 * Approves what agents ask for in the name of Nodes that are guests: an identity for a Node whose machine is on the
 * agent's own node, and a server certificate that such an identity asks for itself. All other requests are left to
 * whoever else decides.
 */
export class NodeCertificatesReconciler {
  readonly #context: NodeCertificatesContext;

  constructor(context: NodeCertificatesContext) {
    this.#context = context;
  }

  readonly reconcile: Reconcile = async (key, signal): Promise<Result | void> => {
    const { requests, client, clock, log } = this.#context;
    const request = requests.get(key);
    if (request === undefined || isDecided(request) || !SIGNERS.has(request.spec.signerName)) return;
    if (!(await this.#isDue(request))) {
      const age = clock.now() - Date.parse(request.metadata.creationTimestamp ?? '');
      // The machine's status may be a moment behind its agent.
      return age < PATIENCE_MS ? { requeueAfterMs: AGAIN_MS } : undefined;
    }
    const now = timestamp(clock.now());
    const approval = { type: 'Approved', status: 'True', reason: 'VirtualNode', message: "asked for by the agent of the machine's node", lastUpdateTime: now, lastTransitionTime: now };
    await client.patch(certificateSigningRequests, { name: request.metadata.name }, { status: { conditions: [...request.status?.conditions ?? [], approval] } }, { subresource: 'approval', signal });
    log.info({ request: request.metadata.name, user: request.spec.username }, 'certificate of a node approved');
  };

  async #isDue({ spec }: CertificateSigningRequest): Promise<boolean> {
    const { subjectOf } = await import('../../kube/certificate-request.ts');
    const subject = subjectOf(Buffer.from(spec.request, 'base64').toString('utf8'));
    if (subject === undefined || subject.organizations.length !== 1 || subject.organizations[0] !== 'system:nodes') return false;
    if (!subject.commonName.startsWith(NODE_USER)) return false;
    const machine = this.#context.vms.byIndex('virtualNode', subject.commonName.slice(NODE_USER.length))[0];
    const host = machine?.spec.containerHost === undefined ? undefined : machine.status?.node;
    if (host === undefined) return false;
    if (spec.signerName === CLIENT_SIGNER) {
      return isFor(spec, 'client auth', 'server auth') && subject.names.length + subject.addresses.length === 0 && nodeOfAgent(spec, this.#context.namespace) === host;
    }
    const addresses = new Set(this.#context.nodes.get(host)?.status?.addresses?.map(({ address }) => address));
    return isFor(spec, 'server auth', 'client auth') && spec.username === subject.commonName
      && subject.names.length === 0 && subject.addresses.length > 0 && subject.addresses.every((address) => addresses.has(address));
  }
}

/** The node whose agent asks: by its certificate's name, or by the node that its service account's token is bound to. */
function nodeOfAgent({ username = '', extra, groups = [] }: CertificateSigningRequest['spec'], namespace: string): string | undefined {
  if (groups.includes('yadokari:agents') && username.startsWith('yadokari:agent:')) return username.slice('yadokari:agent:'.length);
  if (username !== `system:serviceaccount:${namespace}:yadokari-agent`) return undefined;
  return extra?.['authentication.kubernetes.io/node-name']?.[0];
}

function isDecided({ status }: CertificateSigningRequest): boolean {
  return status?.certificate !== undefined || status?.conditions?.some(({ type }) => type === 'Approved' || type === 'Denied' || type === 'Failed') === true;
}

function isFor({ usages }: CertificateSigningRequest['spec'], wanted: string, unwanted: string): boolean {
  return usages.includes(wanted) && !usages.includes(unwanted);
}
