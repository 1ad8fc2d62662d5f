import type { ServiceFacts } from '../../openstack/service-facts.ts';
import { formatTable } from '../table.ts';
import type { Discovery, ServerLine, Whereabouts } from './discovery.ts';

/** Who signs in where, and which services there are. */
export function whereaboutsText({ cloud, authUrl, user, project, region, services }: Whereabouts): string {
  const failures = services.flatMap((service) => (service.kind === 'failing' ? [service.reason] : []));
  return [
    `Cloud ${cloud} at ${authUrl}: user ${user.name} (${user.roles.join(', ') || 'without a role'}) in project ${project.name} (${project.id}), ${region === undefined ? 'several regions' : `region ${region}`}`,
    '',
    formatTable([['SERVICE', 'VERSION', 'ADDRESS'], ...services.map(rowOfService)]),
    ...(failures.length === 0 ? [] : ['', ...failures]),
  ].join('\n');
}

/** What the project has, and what of it would be shown. */
export function discoveryText(discovery: Discovery): string {
  const { kinds, missingKinds, servers, unreachable, problems } = discovery;
  const left = [
    ...missingKinds.map((kind) => `${kind}: the cloud has no such service, or does not show them`),
    ...unreachable.map((id) => `server ${id}: the part of the cloud that has it does not answer`),
    ...problems,
  ];
  return [
    formatTable([['KIND', 'THERE', 'HERE', 'AS'], ...kinds.map(({ kind, there, here, as }) => [wordsOf(kind), String(there), here === undefined ? '-' : String(here), as])]),
    '',
    servers.length === 0 ? 'The project has no servers.' : formatTable([['SERVER', 'STATUS', 'FLAVOR', 'ADDRESSES', 'VOLUMES', 'IMAGE'], ...servers.map(rowOfServer)]),
    '',
    ...(left.length === 0 ? ['Nothing that has a counterpart here is left out.'] : ['Not shown, or not all of it:', ...left.map((line) => `  ${line}`)]),
    'Subnets that share addresses with the cluster are left out too: the OpenStackTenant tells which.',
    'In mode Manage servers are started, stopped and restarted from here; all else is done in the cloud.',
  ].join('\n');
}

function rowOfService(service: ServiceFacts): readonly string[] {
  switch (service.kind) {
    case 'there': return [service.name, service.version, service.url];
    case 'failing': return [service.name, 'fails', service.url];
    case 'missing': return [service.name, 'missing', service.reason];
  }
}

function rowOfServer({ name, status, task, locked, flavor, addresses, volumes, image }: ServerLine): readonly string[] {
  const more = [...(task === undefined ? [] : [task]), ...(locked ? ['locked'] : [])];
  return [
    name, `${status}${more.length === 0 ? '' : ` (${more.join(', ')})`}`, flavor,
    addresses.map(({ address, floating }) => `${address}${floating ? ' (floating)' : ''}`).join(', ') || '-',
    volumes.map(({ id, name: title }) => title || id).join(', ') || '-',
    image === undefined ? '-' : image.name || image.id,
  ];
}

/** `4 security groups`, `1 floating address`. */
export function countText(count: number, kind: string): string {
  const words = wordsOf(kind);
  return `${count} ${count === 1 ? words.replace(/(ss)es$|s$/, '$1') : words}`;
}

/** `securityGroups` as people write it. */
export function wordsOf(kind: string): string {
  return kind.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
