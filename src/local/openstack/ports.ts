import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';
import { LocalError } from '../errors.ts';

/** Who listens; the databases are reached by a socket of the file system. */
export const listeners = ['keystone', 'glance', 'placement', 'neutron', 'cinder', 'nova', 'memcached'] as const;
export type Listener = (typeof listeners)[number];
export type OpenStackPorts = Readonly<Record<Listener, number>>;

/** Below those that the kernel gives to connections, so that none of them is taken before it is listened on. */
const FIRST = 20_000;
const END = 32_000;
const TRIES = 1000;

/**
 * Free ports of an address of this machine, no two alike. They are free until somebody else takes them:
 * whoever is in need of certainty asks again when a program does not get its port.
 * Throws LocalError `NoFreePort`.
 */
export async function freePorts(address: string, candidate: () => number = () => randomInt(FIRST, END)): Promise<OpenStackPorts> {
  const held = new Map<number, Server>();
  try {
    for (let tries = 0; held.size < listeners.length; tries++) {
      if (tries === TRIES) throw new LocalError('NoFreePort', `There are no ${listeners.length} free ports between ${FIRST} and ${END} at ${address}; end programs that listen there, or choose another address.`);
      const port = candidate();
      const server = held.has(port) ? undefined : await listening(address, port);
      if (server !== undefined) held.set(port, server);
    }
    const ports = [...held.keys()];
    return Object.fromEntries(listeners.map((name, index) => [name, ports[index] ?? 0])) as OpenStackPorts;
  } finally {
    await Promise.all([...held.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

async function listening(address: string, port: number): Promise<Server | undefined> {
  const server = createServer().listen(port, address);
  try {
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}
