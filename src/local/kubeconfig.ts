import { stringify } from 'yaml';
import type { KeyPair } from '../base/certificate.ts';

export interface KubeconfigSource {
  /** Name of context, cluster and user. */
  readonly name: string;
  /** URL of the API server. */
  readonly server: string;
  readonly authorityCertificate: string;
  readonly credentials: KeyPair;
}

export interface KubeconfigEntries {
  readonly cluster: { readonly name: string; readonly cluster: object };
  readonly user: { readonly name: string; readonly user: object };
  readonly context: { readonly name: string; readonly context: object };
}

export function kubeconfigEntries(source: KubeconfigSource): KubeconfigEntries {
  const { name } = source;
  return {
    cluster: { name, cluster: { 'server': source.server, 'certificate-authority-data': base64(source.authorityCertificate) } },
    user: { name, user: { 'client-certificate-data': base64(source.credentials.certificate), 'client-key-data': base64(source.credentials.key) } },
    context: { name, context: { cluster: name, user: name } },
  };
}

/** A kubeconfig file of its own, credentials included. */
export function kubeconfigText(source: KubeconfigSource): string {
  const { cluster, user, context } = kubeconfigEntries(source);
  return stringify({ 'apiVersion': 'v1', 'kind': 'Config', 'clusters': [cluster], 'users': [user], 'contexts': [context], 'current-context': source.name });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
