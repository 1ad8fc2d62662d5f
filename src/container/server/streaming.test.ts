import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { duplexPair, type Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as settled } from 'node:timers/promises';
import { ManualClock } from '../../base/clock.ts';
import { LINGER_MS, passThrough } from './streaming.ts';

const request = {
  method: 'POST',
  rawHeaders: ['Host', 'node:10250', 'Connection', 'Upgrade', 'Upgrade', 'SPDY/3.1', 'Authorization', 'Bearer secret', 'X-Stream-Protocol-Version', 'v5.channel.k8s.io', 'X-Stream-Protocol-Version', 'v4.channel.k8s.io', 'X-Forwarded-For', '10.0.0.1', 'Impersonate-User', 'root'],
} as unknown as IncomingMessage;

class CountingClock extends ManualClock {
  timers = 0;

  override after(ms: number, callback: () => void): () => void {
    let pending = true;
    const done = (): void => {
      if (pending) this.timers -= 1;
      pending = false;
    };
    this.timers += 1;
    const cancel = super.after(ms, () => {
      done();
      callback();
    });
    return () => {
      done();
      cancel();
    };
  }
}

interface Passed {
  readonly client: Duplex;
  readonly socket: Duplex;
  readonly upstream: Duplex;
  readonly runtime: Duplex;
  readonly clock: CountingClock;
}

function passed(): Passed {
  const [client, socket] = duplexPair();
  const [upstream, runtime] = duplexPair();
  const clock = new CountingClock();
  passThrough(request, socket, Buffer.from('early'), new URL('http://127.0.0.1:4000/exec/token?x=1'), upstream, clock);
  for (const side of [client, runtime]) side.on('error', () => {});
  return { client, socket, upstream, runtime, clock };
}

async function read(side: Duplex): Promise<string> {
  await settled();
  await settled();
  return String(side.read() ?? '');
}

describe('an upgraded connection', () => {
  it('goes on to the runtime, without credentials', async () => {
    const { client, runtime } = passed();
    assert.equal(await read(runtime), 'POST /exec/token?x=1 HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v5.channel.k8s.io\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\nearly');
    client.write('input');
    runtime.write('output');
    assert.deepEqual([await read(runtime), await read(client)], ['input', 'output']);
  });

  it('ends with its client', async () => {
    const { client, socket, upstream, clock } = passed();
    client.destroy();
    socket.destroy();
    await settled();
    assert.equal(upstream.destroyed, true);
    assert.equal(clock.timers, 0);
  });

  it('ends with the runtime, once all has been said', async () => {
    const { client, socket, runtime, clock } = passed();
    runtime.end('last words');
    assert.equal(await read(client), 'last words');
    client.end();
    await read(client);
    await read(runtime);
    await clock.advance(LINGER_MS);
    assert.equal(socket.destroyed, true);
    assert.equal(clock.timers, 0);
  });

  for (const [who, side] of [['client', 'client'], ['runtime', 'runtime']] as const) {
    it(`does not wait for ever when only the ${who} has ended`, async () => {
      const ends = passed();
      ends[side].end();
      await read(ends.client);
      await read(ends.runtime);
      assert.equal(ends.socket.destroyed, false);
      await ends.clock.advance(LINGER_MS);
      assert.equal(ends.socket.destroyed && ends.upstream.destroyed, true);
      await settled();
      assert.equal(ends.clock.timers, 0);
    });
  }

  it('ends when either side breaks', async () => {
    for (const side of ['socket', 'upstream'] as const) {
      const ends = passed();
      ends[side].destroy(new Error('reset'));
      await settled();
      await ends.clock.advance(LINGER_MS);
      assert.equal(ends.socket.destroyed && ends.upstream.destroyed, true, side);
      assert.equal(ends.clock.timers, 0);
    }
  });

  it('does not begin when the client has gone meanwhile', async () => {
    const [, socket] = duplexPair();
    const [upstream] = duplexPair();
    socket.destroy();
    await settled();
    passThrough(request, socket, Buffer.alloc(0), new URL('http://127.0.0.1:4000/'), upstream, new ManualClock());
    assert.equal(upstream.destroyed, true);
  });
});
