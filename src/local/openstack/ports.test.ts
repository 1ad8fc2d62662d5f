import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import type { LocalError } from '../errors.ts';
import { freePorts, listeners } from './ports.ts';

describe('the ports of an OpenStack', () => {
  it('are all different, and below those that the kernel gives away', async () => {
    const ports = Object.values(await freePorts('127.0.0.1'));
    assert.equal(new Set(ports).size, listeners.length);
    assert.deepEqual(ports.filter((port) => port < 20_000 || port >= 32_000), []);
  });

  it('are none that somebody listens on, nor one twice', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { readonly port: number };
    let next = port - 1;
    const repeated: number[] = [];
    const ports = await freePorts('127.0.0.1', () => {
      if (repeated.length > 0) return repeated.pop() ?? 0;
      repeated.push(next += 1);
      return next;
    }).finally(() => taken.close());
    assert.ok(!Object.values(ports).includes(port));
    assert.equal(new Set(Object.values(ports)).size, listeners.length);
  });

  it('end in an error where there are too few', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { readonly port: number };
    await assert.rejects(freePorts('127.0.0.1', () => port), (error: LocalError) => error.code === 'NoFreePort');
    taken.close();
  });
});
