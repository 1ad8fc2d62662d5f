import type { KubeClient } from '../kube/client.ts';

/** What the API server calls itself, without the v. */
export async function kubernetesVersionOf(client: KubeClient, signal: AbortSignal): Promise<string> {
  const { gitVersion } = JSON.parse(await client.raw({ method: 'GET', path: '/version', signal })) as { readonly gitVersion: string };
  return gitVersion.replace(/^v/, '');
}
