import { join } from 'node:path';
import type { CertificateRequest, KeyPair } from '../base/certificate.ts';
import { readIfExists, writeFileAtomically } from './file.ts';
import { nodeAddress, type NetworkPlan } from './network-plan.ts';

export type Authority = 'cluster-ca' | 'front-proxy-ca' | 'etcd-ca';

interface Entry extends CertificateRequest {
  readonly authority: Authority;
}

/** Every certificate of the control plane, by file name. */
export function controlPlaneCertificates(plan: NetworkPlan): Readonly<Record<string, Entry>> {
  const client = (commonName: string, ...organizations: string[]): Entry => ({ authority: 'cluster-ca', commonName, organizations, usages: ['client'] });
  const here = [plan.gateway];
  return {
    'etcd-server': { authority: 'etcd-ca', commonName: 'etcd', addresses: here, usages: ['server', 'client'] },
    'etcd-client': { authority: 'etcd-ca', commonName: 'kube-apiserver', usages: ['client'] },
    'apiserver': {
      authority: 'cluster-ca', commonName: 'kube-apiserver', usages: ['server'], addresses: [...here, plan.kubernetesAddress],
      names: ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'],
    },
    'components': { authority: 'cluster-ca', commonName: 'control-plane', addresses: here, usages: ['server'] },
    'apiserver-kubelet-client': client('kube-apiserver-kubelet-client'),
    'front-proxy-client': { authority: 'front-proxy-ca', commonName: 'front-proxy-client', usages: ['client'] },
    'controller-manager': client('system:kube-controller-manager'),
    'scheduler': client('system:kube-scheduler'),
    'coredns': client('yadokari:coredns'),
    'operator': client('yadokari:operator', 'yadokari:operators'),
    'csi': client('yadokari:csi'),
    'admin': client('yadokari:admin', 'system:masters'),
  };
}

/** Every certificate of a node, by file name. */
export function nodeCertificates(plan: NetworkPlan, node: string, ordinal: number): Readonly<Record<string, Entry>> {
  return {
    [`${node}-kubelet-client`]: { authority: 'cluster-ca', commonName: `system:node:${node}`, organizations: ['system:nodes'], usages: ['client'] },
    [`${node}-kubelet-server`]: { authority: 'cluster-ca', commonName: `system:node:${node}`, organizations: ['system:nodes'], usages: ['server'], names: [node], addresses: [nodeAddress(plan, ordinal)] },
    [`${node}-proxy`]: { authority: 'cluster-ca', commonName: 'system:kube-proxy', usages: ['client'] },
    [`${node}-agent`]: { authority: 'cluster-ca', commonName: `yadokari:agent:${node}`, organizations: ['yadokari:agents'], usages: ['client'] },
    [`${node}-csi`]: { authority: 'cluster-ca', commonName: 'yadokari:csi', usages: ['client'] },
  };
}

/**
 * Keys and certificates in a folder: what is missing, about to expire, or made for other addresses is made anew, all else kept.
 * Files are `<name>.crt` and `<name>.key`, readable by their owner alone.
 */
export class Pki {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Path of a file in the folder, such as `apiserver.crt`. */
  path(file: string): string {
    return join(this.folder, file);
  }

  async ensureAuthorities(): Promise<void> {
    const authorities: readonly Authority[] = ['cluster-ca', 'front-proxy-ca', 'etcd-ca'];
    await Promise.all(authorities.map(async (name) => {
      if ((await this.#read(name)) === undefined) await this.#write(name, await (await issuing()).createAuthority(name));
    }));
    if ((await readIfExists(this.path('service-account.key'))) === undefined) {
      const keys = await (await issuing()).createSigningKeys();
      await writeFileAtomically(this.path('service-account.pub'), keys.publicKey);
      await writeFileAtomically(this.path('service-account.key'), keys.privateKey);
    }
  }

  /** Makes what is needed of these; ensureAuthorities must have ended before. */
  async ensure(entries: Readonly<Record<string, Entry>>, nowMs: number = Date.now()): Promise<void> {
    await Promise.all(Object.entries(entries).map(async ([name, entry]) => {
      const authority = await this.pair(entry.authority);
      const existing = await this.#read(name);
      const { stillGood, issueCertificate } = await issuing();
      if (existing !== undefined && stillGood(existing.certificate, authority.certificate, entry, nowMs)) return;
      await this.#write(name, await issueCertificate(authority, entry));
    }));
  }

  /** The PEM texts under a name. Throws when there are none. */
  async pair(name: string): Promise<KeyPair> {
    const pair = await this.#read(name);
    if (pair === undefined) throw new Error(`no certificate ${name} in ${this.folder}`);
    return pair;
  }

  async #read(name: string): Promise<KeyPair | undefined> {
    const [certificate, key] = await Promise.all([readIfExists(this.path(`${name}.crt`)), readIfExists(this.path(`${name}.key`))]);
    return certificate === undefined || key === undefined ? undefined : { certificate, key };
  }

  async #write(name: string, pair: KeyPair): Promise<void> {
    await writeFileAtomically(this.path(`${name}.key`), pair.key);
    await writeFileAtomically(this.path(`${name}.crt`), pair.certificate);
  }
}

// The X.509 library takes a tenth of a second to load: only when something is to be started at all.
function issuing(): Promise<typeof import('../base/certificate.ts')> {
  return import('../base/certificate.ts');
}
