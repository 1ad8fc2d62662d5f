import assert from 'node:assert/strict';
import { it } from 'node:test';
import { CniError, cniResult, parseCniRequest, podOf, type CniRequest } from './cni-request.ts';

const request: CniRequest = { command: 'ADD', containerId: 'c1', netns: '/run/netns/x', ifName: 'eth0', args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=u', config: { cniVersion: '1.0.0' } };
const endpoint = { address: '10.0.0.5', macAddress: '02:00:00:00:00:01', hostInterface: 'cali1', hostMac: 'ee:ee:ee:ee:ee:ee', gateway: '169.254.1.1' };

it('reads the pod from CNI_ARGS', () => {
  assert.deepEqual(podOf(request.args), { namespace: 'default', name: 'web', uid: 'u' });
  assert.equal(podOf(''), undefined);
});

it('formats results of the current and of older versions', () => {
  assert.deepEqual(cniResult(request, endpoint), {
    cniVersion: '1.0.0',
    interfaces: [{ name: 'cali1', mac: 'ee:ee:ee:ee:ee:ee' }, { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/x' }],
    ips: [{ address: '10.0.0.5/32', gateway: '169.254.1.1', interface: 1 }],
    routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }],
    dns: {},
  });
  assert.match(JSON.stringify(cniResult({ ...request, config: { cniVersion: '0.3.1' } }, endpoint)), /"cniVersion":"0.3.1".*"version":"4"/);
});

for (const [what, change] of [
  ['a container id that is a path', { containerId: '../../etc/x' }],
  ['a namespace with a line break', { netns: '/run/x\nlink del eth0' }],
  ['an interface name with a space', { ifName: 'eth0 up' }],
  ['an unknown command', { command: 'MOVE' }],
] as const) {
  it(`refuses ${what}`, () => assert.throws(() => parseCniRequest(JSON.stringify({ ...request, ...change })), CniError));
}
