import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isConnected, parseProcDrbd, versionOf } from './kernel-state.ts';

const text = `version: 8.4.11 (api:1/proto:86-101)
srcversion: F73C670A7EC572DB9CF3E5B 
 0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----
    ns:0 nr:0 dw:0 dr:0 al:8 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
 1: cs:WFConnection ro:Primary/Unknown ds:UpToDate/DUnknown C s-----
    ns:0 nr:0 dw:0 dr:0 al:8 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:65280
 2: cs:Unconfigured

12: cs:SyncTarget ro:Secondary/Secondary ds:Inconsistent/UpToDate C r-----
    ns:0 nr:3264 dw:2240 dr:0 al:8 bm:0 lo:1 pe:1 ua:1 ap:0 ep:1 wo:f oos:63040
	[>....................] sync'ed:  5.4% (63040/65280)K
	finish: 0:00:56 speed: 1,120 (1,120) want: 1,120 K/sec
13: cs:StandAlone ro:Secondary/Unknown ds:Inconsistent/DUnknown   r-----
    ns:0 nr:0 dw:0 dr:0 al:8 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:65280
`;

it('is read from what the kernel says, device by device', () => {
  const states = parseProcDrbd(text);
  assert.deepEqual([...states.keys()], [0, 1, 12, 13]);
  assert.deepEqual(states.get(0), { minor: 0, connection: 'Connected', role: 'Primary', peerRole: 'Secondary', disk: 'UpToDate', peerDisk: 'UpToDate', suspended: false, outOfSyncBytes: 0 });
  assert.deepEqual(states.get(12), { minor: 12, connection: 'SyncTarget', role: 'Secondary', peerRole: 'Secondary', disk: 'Inconsistent', peerDisk: 'UpToDate', suspended: false, syncedPercent: 5.4, outOfSyncBytes: 63040 * 1024 });
  assert.deepEqual([...states.values()].map(({ suspended }) => suspended), [false, true, false, false]);
  assert.deepEqual([...states.values()].map(isConnected), [true, false, true, false]);
  assert.equal(versionOf(text), '8.4.11');
  assert.equal(versionOf('GIT-hash: none'), undefined);
});
