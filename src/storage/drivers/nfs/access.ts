import { BlockList, isIP } from 'node:net';
import { StorageError } from '../../port.ts';

/** Who may mount a volume, and by which number nfs-ganesha knows it. */
export interface Access {
  readonly exportId: number;
  /** Addresses and networks, or `*`. */
  readonly clients: readonly string[];
  /** Addresses that may not, whatever the others say. */
  readonly withdrawn: readonly string[];
}

export function allowed(access: Access, given: string): Access {
  const address = checkedAddress(given);
  const clients = covers(access.clients, address) ? access.clients : [...access.clients, address];
  return { ...access, clients, withdrawn: access.withdrawn.filter((one) => one !== address) };
}

export function withdrawn(access: Access, given: string): Access {
  const address = checkedAddress(given);
  const clients = access.clients.filter((one) => one !== address);
  return { ...access, clients, withdrawn: [...access.withdrawn.filter((one) => one !== address), address].sort() };
}

function covers(clients: readonly string[], address: string): boolean {
  const list = new BlockList();
  for (const client of clients) {
    const [network = '', bits] = client.split('/');
    if (client === '*') return true;
    const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(network, family);
    else list.addSubnet(network, Number(bits), family);
  }
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function checkedAddress(address: string): string {
  if (isIP(address) === 0) throw new StorageError('InvalidRequest', `${JSON.stringify(address)} is not the address of a client`);
  return address;
}
