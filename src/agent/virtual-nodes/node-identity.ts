import type { Clock } from '../../base/clock.ts';
import { YadoError } from '../../base/errors.ts';
import { isNotFound } from '../../kube/api-error.ts';
import type { RequestedSubject } from '../../kube/certificate-request.ts';
import type { KubeClient } from '../../kube/client.ts';
import { certificateSigningRequests, type CertificateSigningRequest } from '../../kube/core.ts';

/** PEM texts. */
export interface SignedCertificate {
  readonly certificate: string;
  readonly key: string;
  /** When a new one is to be asked for, in milliseconds since the epoch. */
  readonly renewAt: number;
}

/** The cluster does not sign what was asked for. */
export class CertificateError extends YadoError {
  constructor(message: string) {
    super('CertificateRefused', message, { disposition: 'wait' });
  }
}

const LIFETIME_SECONDS = 86_400;
const PATIENCE_MS = 30_000;
const LOOK_MS = 200;
const API_USAGES = { client: ['digital signature', 'client auth'], server: ['digital signature', 'server auth'] } as const;
const SIGNERS = { client: 'kubernetes.io/kube-apiserver-client-kubelet', server: 'kubernetes.io/kubelet-serving' } as const;

/** As a kubelet has it: the Node authorizer lets it read just what the pods of this Node refer to. */
export function nodeSubject(node: string, addresses: readonly string[] = []): RequestedSubject {
  return { commonName: `system:node:${node}`, organizations: ['system:nodes'], names: [], addresses };
}

/**
 * Has the cluster sign a certificate for a new key. The operator approves what the agent of
 * the machine's own node asks for.
 */
export async function signedCertificate(client: KubeClient, kind: 'client' | 'server', subject: RequestedSubject, clock: Clock, signal: AbortSignal): Promise<SignedCertificate> {
  const { createCertificateRequest } = await import('../../kube/certificate-request.ts');
  const { key, request } = await createCertificateRequest(subject);
  const asked = clock.now();
  const created = await client.create(certificateSigningRequests, requestOf(kind, request), { signal });
  const certificate = await issued(client, created.metadata.name, clock, signal);
  return { certificate, key, renewAt: asked + LIFETIME_SECONDS * 1000 * 0.7 };
}

function requestOf(kind: 'client' | 'server', request: string): CertificateSigningRequest {
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { generateName: 'yadokari-node-' } as unknown as CertificateSigningRequest['metadata'],
    spec: { request: Buffer.from(request).toString('base64'), signerName: SIGNERS[kind], usages: API_USAGES[kind], expirationSeconds: LIFETIME_SECONDS },
  };
}

async function issued(client: KubeClient, name: string, clock: Clock, signal: AbortSignal): Promise<string> {
  for (const until = clock.now() + PATIENCE_MS; clock.now() < until;) {
    const { status } = await client.get(certificateSigningRequests, { name }, signal).catch((error: unknown) => {
      if (isNotFound(error)) throw new CertificateError(`certificate request ${name} was deleted before it was signed`);
      throw error;
    });
    if (status?.certificate !== undefined) return Buffer.from(status.certificate, 'base64').toString('utf8');
    const refused = status?.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
    if (refused !== undefined) throw new CertificateError(`certificate request ${name} was refused: ${refused.message ?? refused.reason ?? refused.type}`);
    await clock.sleep(LOOK_MS, signal);
  }
  throw new CertificateError(`certificate request ${name} was not signed within ${PATIENCE_MS / 1000} s; is the operator running, and does the cluster sign certificates of kubelets?`);
}
