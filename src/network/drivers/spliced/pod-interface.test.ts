import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NetworkError } from '../../port.ts';
import { parsePodInterface } from './pod-interface.ts';

/** What `ip -json -batch -` prints of a pod. */
function shown(address: string, prefixlen: number, routes: readonly { readonly dst: string; readonly gateway?: string; readonly scope?: string; readonly flags?: readonly string[] }[]): string {
  return `${JSON.stringify([{ ifname: 'eth0', mtu: 1450, address: '0a:58:0a:f4:00:05', addr_info: [{ family: 'inet', local: address, prefixlen, scope: 'global' }] }])}\n${JSON.stringify(routes)}\n`;
}

const onLink = (network: string, prefix = 32) => ({ network, prefix, router: '0.0.0.0' });
const via = (router: string, network = '0.0.0.0', prefix = 0) => ({ network, prefix, router });

describe('a pod\'s interface', () => {
  it('of a bridge is told by mask and router alone', () => {
    assert.deepEqual(parsePodInterface(shown('10.244.0.5', 24, [{ dst: 'default', gateway: '10.244.0.1' }, { dst: '10.244.0.0/24', scope: 'link' }])), {
      address: '10.244.0.5', prefix: 24, macAddress: '0a:58:0a:f4:00:05', mtu: 1450, router: '10.244.0.1', routes: [],
    });
  });

  it('with a router beyond its network gets a route to it first', () => {
    const calico = parsePodInterface(shown('10.244.0.5', 32, [{ dst: 'default', gateway: '169.254.1.1' }, { dst: '169.254.1.1', scope: 'link' }]));
    assert.deepEqual([calico.prefix, calico.router, calico.routes], [32, '169.254.1.1', [onLink('169.254.1.1'), via('169.254.1.1')]]);
    const flagged = parsePodInterface(shown('10.244.0.5', 32, [{ dst: 'default', gateway: '10.244.0.1', flags: ['onlink'] }]));
    assert.deepEqual(flagged.routes, [onLink('10.244.0.1'), via('10.244.0.1')]);
  });

  it('whose network is reached through the router gets no network of its own', () => {
    const ptp = parsePodInterface(shown('10.22.0.5', 16, [{ dst: 'default', gateway: '10.22.0.1' }, { dst: '10.22.0.0/16', gateway: '10.22.0.1' }, { dst: '10.22.0.1', scope: 'link' }]));
    assert.deepEqual([ptp.prefix, ptp.routes], [32, [onLink('10.22.0.1'), via('10.22.0.1'), via('10.22.0.1', '10.22.0.0', 16)]]);
  });

  it('keeps further routes of the CNI', () => {
    const more = parsePodInterface(shown('10.244.0.5', 24, [{ dst: 'default', gateway: '10.244.0.1' }, { dst: '10.96.0.0/12', gateway: '10.244.0.2' }, { dst: '10.244.0.0/24', scope: 'link' }]));
    assert.deepEqual([more.prefix, more.routes], [24, [via('10.244.0.1'), via('10.244.0.2', '10.96.0.0', 12)]]);
  });

  it('without an address is waited for', () => {
    for (const output of ['', '[{"mtu":1500,"address":"02:00:00:00:00:01"}]\n[]\n']) {
      assert.throws(() => parsePodInterface(output), (error: unknown) => error instanceof NetworkError && error.disposition === 'wait');
    }
  });
});
