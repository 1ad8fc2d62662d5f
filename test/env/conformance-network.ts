import { ended, once, sh, type ConformanceCase, type Fields } from './conformance-case.ts';

const NAMES = 'cat /etc/hosts /etc/resolv.conf; hostname; hostname -f 2>&1; cat /etc/hostname; stat -c "%n %a %u:%g" /etc/hosts /etc/resolv.conf /etc/hostname';
const named = (more: Fields): Fields => once(sh(NAMES), more);

/** Names and addresses. */
export const network: readonly ConformanceCase[] = [
  { name: 'names', spec: named({}), until: ended },
  { name: 'host-aliases', spec: named({ hostAliases: [{ ip: '192.0.2.1', hostnames: ['a.example', 'b.example'] }, { ip: '192.0.2.2', hostnames: ['c.example'] }] }), until: ended },
  { name: 'hostname', spec: named({ hostname: 'other' }), until: ended },
  { name: 'subdomain', spec: named({ hostname: 'other', subdomain: 'headless' }), until: ended },
  { name: 'fqdn', spec: named({ hostname: 'other', subdomain: 'headless', setHostnameAsFQDN: true }), until: ended },
  { name: 'dns-none', spec: named({ dnsPolicy: 'None', dnsConfig: { nameservers: ['192.0.2.53'], searches: ['one.example', 'two.example'], options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }] } }), until: ended },
  { name: 'dns-merged', spec: named({ dnsConfig: { nameservers: ['192.0.2.53', '192.0.2.54', '192.0.2.55'], searches: ['one.example'], options: [{ name: 'ndots', value: '2' }, { name: 'timeout', value: '1' }] } }), until: ended },
  { name: 'dns-default', spec: named({ dnsPolicy: 'Default' }), until: ended, differs: { 'logs.c': 'The guest has no resolver of its own that pods could use: the policy Default asks the cluster\'s DNS, without search domains.' } },
  { name: 'dns-host-net', spec: named({ dnsPolicy: 'ClusterFirstWithHostNet' }), until: ended },
  { name: 'interfaces', spec: once(sh("ip -o -4 addr show | awk '{print $2, $4}'; ip -o link show | sed -E 's/.*mtu ([0-9]+).*/\\1/'")), until: ended },
  { name: 'user-writes-hosts', spec: once(sh('echo 192.0.2.9 x.example >> /etc/hosts; tail -1 /etc/hosts; cat /proc/sys/kernel/hostname')), until: ended },
  { name: 'long-name-of-a-pod-that-has-more-than-sixty-three-characters-in-it', spec: once(sh('hostname')), until: ended },
];
