import type { SandboxConfig } from '../../cri.ts';
import type { PodManifest } from '../pod.ts';
import type { NodeSettings } from '../port.ts';

/** As the kubelet's validation has them. https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/ */
const MOST_SERVERS = 3;
const MOST_SEARCHES = 32;
const LONGEST_SEARCHES = 2048;

/** The pod's host name: its own, or the first 63 characters of its name. */
export function hostnameOf({ metadata, spec }: PodManifest): string {
  return spec.hostname ?? metadata.name.slice(0, 63).replace(/[-.]+$/, '');
}

/** Its full name below a headless Service; undefined when it has no subdomain. */
export function fullNameOf(pod: PodManifest, settings: NodeSettings): string | undefined {
  const { subdomain } = pod.spec;
  return subdomain === undefined || subdomain === '' ? undefined : `${hostnameOf(pod)}.${subdomain}.${pod.metadata.namespace ?? 'default'}.svc.${settings.clusterDomain}`;
}

/** /etc/hosts of the pod's containers. */
export function hostsFileOf(pod: PodManifest, address: string, settings: NodeSettings): string {
  const full = fullNameOf(pod, settings);
  const aliases = (pod.spec.hostAliases ?? []).filter(({ hostnames = [] }) => hostnames.length > 0).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}\n`);
  return [
    '# Kubernetes-managed hosts file.\n',
    '127.0.0.1\tlocalhost\n',
    '::1\tlocalhost ip6-localhost ip6-loopback\n',
    'fe00::0\tip6-localnet\n',
    'fe00::0\tip6-mcastprefix\n',
    'fe00::1\tip6-allnodes\n',
    'fe00::2\tip6-allrouters\n',
    `${address}\t${full === undefined ? '' : `${full}\t`}${hostnameOf(pod)}\n`,
    ...(aliases.length === 0 ? [] : ['\n# Entries added by HostAliases.\n', ...aliases]),
  ].join('');
}

/** resolv.conf of the pod's containers, by its dnsPolicy and dnsConfig; `exceeded` is told what did not fit. */
export function dnsOf({ metadata, spec }: PodManifest, settings: NodeSettings, exceeded: (message: string) => void): SandboxConfig['dns'] {
  const policy = spec.dnsPolicy ?? 'ClusterFirst';
  const domain = settings.clusterDomain;
  const cluster = policy === 'ClusterFirst' || policy === 'ClusterFirstWithHostNet';
  const own = cluster
    ? { servers: settings.clusterDns, searches: [`${metadata.namespace ?? 'default'}.svc.${domain}`, `svc.${domain}`, domain, ...settings.dns.searches], options: ['ndots:5'] }
    : policy === 'Default' ? { ...settings.dns, options: [] as readonly string[] } : { servers: [], searches: [], options: [] };
  const { nameservers = [], searches = [], options = [] } = spec.dnsConfig ?? {};
  const wanted = new Map(own.options.map((option) => [option.split(':')[0] ?? '', option]));
  for (const { name, value } of options) wanted.set(name, value === undefined || value === '' ? name : `${name}:${value}`);
  const [servers, domains] = [[...new Set([...own.servers, ...nameservers])], [...new Set([...own.searches, ...searches])]];
  const applied = { servers: servers.slice(0, MOST_SERVERS), searches: limited(domains), options: [...wanted.values()] };
  if (applied.servers.length < servers.length) exceeded(`Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${applied.servers.join(' ')}`);
  if (applied.searches.length < domains.length) exceeded(`Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${applied.searches.join(' ')}`);
  return applied;
}

function limited(searches: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (const search of searches.slice(0, MOST_SEARCHES)) if ([...kept, search].join(' ').length <= LONGEST_SEARCHES) kept.push(search);
  return kept;
}
