import assert from 'node:assert/strict';
import { test } from 'node:test';
import { domainArgs } from './procedures.ts';
import { readStatistics, usageOf } from './domain-statistics.ts';
import { XdrReader, XdrWriter } from './rpc/xdr.ts';

const id = '11111111-2222-3333-4444-555555555555';

/** A reply about one domain. */
function replyOf(...parameters: readonly Buffer[]): XdrReader {
  return new XdrReader(Buffer.concat([new XdrWriter().unsigned(1).toBuffer(), domainArgs(id, 'default.hello').unsigned(parameters.length).toBuffer(), ...parameters]));
}

function parameter(name: string, type: number, value: Buffer): Buffer {
  return Buffer.concat([new XdrWriter().string(name).int(type).toBuffer(), value]);
}

function unsignedLong(name: string, value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return parameter(name, 4, bytes);
}

test('adds the figures of all disks and all interfaces up', () => {
  const [statistics] = readStatistics(replyOf(
    unsignedLong('balloon.rss', 2048n), unsignedLong('balloon.maximum', 131_072n),
    unsignedLong('block.0.rd.bytes', 10n), unsignedLong('block.0.wr.bytes', 1n), unsignedLong('block.11.rd.bytes', 30n), unsignedLong('block.11.rd.reqs', 7n),
    unsignedLong('net.0.rx.bytes', 5_000_000_000n), unsignedLong('net.0.tx.bytes', 3n), unsignedLong('net.1.tx.bytes', 4n),
  ));
  assert.ok(statistics !== undefined);
  assert.deepEqual(usageOf(statistics, 1.5), {
    id, cpuSeconds: 1.5, memoryBytes: 2 ** 21, diskReadBytes: 40, diskWrittenBytes: 1, networkReceivedBytes: 5_000_000_000, networkSentBytes: 7,
  });
});

test('leaves out what a busy guest does not tell', () => {
  const [statistics] = readStatistics(replyOf());
  assert.ok(statistics !== undefined);
  assert.deepEqual(usageOf(statistics, 1.5), { id, cpuSeconds: 1.5, networkReceivedBytes: 0, networkSentBytes: 0 });
});

test('reads parameters of every type', () => {
  const [int, double, long] = [Buffer.alloc(4), Buffer.alloc(8), Buffer.alloc(8)];
  int.writeInt32BE(-2);
  double.writeDoubleBE(0.25);
  long.writeBigInt64BE(-3n);
  const [statistics] = readStatistics(replyOf(
    parameter('int', 1, int), parameter('unsigned', 2, new XdrWriter().unsigned(7).toBuffer()), parameter('long', 3, long),
    parameter('double', 5, double), parameter('boolean', 6, new XdrWriter().int(1).toBuffer()), parameter('string', 7, new XdrWriter().string('vda').toBuffer()),
  ));
  assert.deepEqual(Object.fromEntries(statistics?.values ?? []), { int: -2, unsigned: 7, long: -3, double: 0.25, boolean: 1, string: 'vda' });
  assert.throws(() => readStatistics(replyOf(parameter('new', 8, int))), RangeError);
});
