import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeDhcp, DhcpOption, DhcpType, encodeDhcp, addressBytes, type DhcpMessage } from './packet.ts';
import { dhcpAnswer, FOREVER_SECONDS, type DhcpLease } from './answer.ts';

const lease: DhcpLease = {
  address: '10.244.0.5', prefix: 32, macAddress: '02:00:00:00:00:05', hostname: 'web', mtu: 1450, servers: ['10.98.0.10'], search: ['default.svc.x', 'x'],
  server: '169.254.1.1', router: '169.254.1.1', leaseSeconds: FOREVER_SECONDS,
  routes: [{ network: '169.254.1.1', prefix: 32, router: '0.0.0.0' }, { network: '0.0.0.0', prefix: 0, router: '169.254.1.1' }],
};

function message(type: number, more: { readonly ciaddr?: string; readonly options?: readonly (readonly [number, Buffer])[] } = {}): DhcpMessage {
  return {
    op: 'request', transaction: 7, seconds: 1, broadcast: true, ciaddr: more.ciaddr ?? '0.0.0.0', yiaddr: '0.0.0.0', siaddr: '0.0.0.0', giaddr: '0.0.0.0',
    macAddress: lease.macAddress, options: new Map([[DhcpOption.type, Buffer.from([type])], ...(more.options ?? [])]),
  };
}

const typeOf = (answer: DhcpMessage | undefined): number | undefined => answer?.options.get(DhcpOption.type)?.[0];
const wants = (address: string) => ({ options: [[DhcpOption.requestedAddress, addressBytes(address)]] as const });

describe('DHCP', () => {
  it('offers the guest\'s address with everything that it needs', () => {
    const answer = dhcpAnswer(message(DhcpType.discover), lease);
    assert.equal(typeOf(answer), DhcpType.offer);
    assert.equal(answer?.yiaddr, '10.244.0.5');
    const hex = Object.fromEntries([...answer.options].map(([code, value]) => [code, value.toString('hex')]));
    assert.deepEqual(hex, {
      1: 'ffffffff', 3: 'a9fe0101', 6: '0a62000a', 12: Buffer.from('web').toString('hex'), 15: Buffer.from('default.svc.x').toString('hex'),
      26: '05aa', 51: 'ffffffff', 53: '02', 54: 'a9fe0101',
      119: '0764656661756c7403737663017800017800',
      121: '20a9fe01010000000000a9fe0101',
    });
  });

  it('tells a network by its mask and its router alone, and how long that holds', () => {
    const answer = dhcpAnswer(message(DhcpType.discover), { ...lease, prefix: 22, router: '10.244.0.1', routes: [], server: '169.254.200.1', leaseSeconds: 3600 });
    const hex = (code: number): string | undefined => answer?.options.get(code)?.toString('hex');
    assert.deepEqual([DhcpOption.mask, DhcpOption.router, DhcpOption.routes, DhcpOption.server, DhcpOption.leaseTime].map(hex), ['fffffc00', '0af40001', undefined, 'a9fec801', '00000e10']);
  });

  it('survives the wire', () => {
    const answer = dhcpAnswer(message(DhcpType.discover), lease) ?? assert.fail();
    const packet = encodeDhcp(answer);
    assert.ok(packet.length >= 300);
    assert.deepEqual(decodeDhcp(packet), answer);
    assert.equal(decodeDhcp(packet.subarray(0, 200)), undefined);
    assert.equal(decodeDhcp(Buffer.alloc(300)), undefined);
    const cut = packet.subarray(0, 245);
    assert.equal(decodeDhcp(cut), undefined);
  });

  it('splits and joins options longer than 255 bytes', () => {
    const long = Buffer.alloc(600, 'x');
    const decoded = decodeDhcp(encodeDhcp(message(DhcpType.discover, { options: [[DhcpOption.search, long]] })));
    assert.deepEqual(decoded?.options.get(DhcpOption.search), long);
  });

  it('acknowledges its own address, also when renewed, and refuses any other', () => {
    assert.equal(typeOf(dhcpAnswer(message(DhcpType.request, wants('10.244.0.5')), lease)), DhcpType.ack);
    assert.equal(typeOf(dhcpAnswer(message(DhcpType.request, { ciaddr: '10.244.0.5' }), lease)), DhcpType.ack);
    const refused = dhcpAnswer(message(DhcpType.request, wants('10.244.0.6')), lease);
    assert.equal(typeOf(refused), DhcpType.nak);
    assert.equal(refused?.yiaddr, '0.0.0.0');
    assert.deepEqual([...refused.options.keys()], [DhcpOption.type, DhcpOption.server]);
  });

  it('informs without a lease', () => {
    const answer = dhcpAnswer(message(DhcpType.inform, { ciaddr: '10.244.0.5' }), lease);
    assert.equal(typeOf(answer), DhcpType.ack);
    assert.equal(answer?.yiaddr, '0.0.0.0');
    assert.equal(answer.options.has(DhcpOption.leaseTime), false);
  });

  it('says nothing to what is meant for another server, to a release and to a decline', () => {
    assert.equal(dhcpAnswer(message(DhcpType.request, { options: [[DhcpOption.server, addressBytes('10.0.0.9')]] }), lease), undefined);
    assert.equal(dhcpAnswer(message(DhcpType.release), lease), undefined);
    assert.equal(dhcpAnswer(message(DhcpType.decline), lease), undefined);
  });
});
