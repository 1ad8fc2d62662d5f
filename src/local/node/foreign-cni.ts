import type { NetworkPlan } from '../network-plan.ts';
import { nodeAddress } from '../network-plan.ts';

/** Who makes the pods' interfaces: our own plugin, or the reference plugin `bridge` as a stand-in for any other CNI. */
export type CniChoice = 'native' | 'bridge';

/** How operator and agent are told of a CNI that is not ours. */
export function networkFlag(cni: CniChoice | undefined): readonly string[] {
  return cni === 'bridge' ? ['--network', 'spliced'] : [];
}

/** Programs in /opt/cni/bin that the choice needs, of those that deploy/toolchain has beside its own. */
export const bridgePlugins: readonly string[] = ['bridge', 'host-local'];

/** As many nodes as know of each other: each has a /24 of the pod pool. */
const nodeLimit = 200;

/** The pods' addresses of a node, by its ordinal. */
export function podCidr(plan: NetworkPlan, ordinal: number): string {
  const [first, second] = plan.podPool.split('.');
  return `${first}.${second}.${ordinal}.0/24`;
}

/**
 * A conflist for the plugins `bridge` and `host-local`. Addresses are remembered until the node's next boot. The plugin's
 * own masquerade would hide pods from other nodes: the host masquerades what leaves the cluster.
 */
export function bridgeConfig(plan: NetworkPlan, ordinal: number): string {
  const ipam = { type: 'host-local', dataDir: '/run/cni/networks', ranges: [[{ subnet: podCidr(plan, ordinal) }]], routes: [{ dst: '0.0.0.0/0' }] };
  const plugin = { type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true, ipMasq: false, mtu: 1500, ipam };
  return `${JSON.stringify({ cniVersion: '1.0.0', name: 'bridge', plugins: [plugin] })}\n`;
}

/** Lines for `ip -batch`: where the pods of the nodes are, for one of the nodes or, without an ordinal, for the host. Natively BIRD knows that. */
export function podRoutes(plan: NetworkPlan, cni: CniChoice | undefined, ordinal?: number): string {
  if (cni !== 'bridge') return '';
  const others = Array.from({ length: nodeLimit }, (_, index) => index + 1).filter((other) => other !== ordinal);
  const table = ordinal === undefined ? ` table ${plan.routeTable}` : '';
  return others.map((other) => `route replace ${podCidr(plan, other)} via ${nodeAddress(plan, other)}${table}\n`).join('');
}
