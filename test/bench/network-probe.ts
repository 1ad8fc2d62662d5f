/** network-probe.ts ADDRESS MEBIBYTES: throughput to and from a peer's pages /cgi-bin/sink and /cgi-bin/source, and the latency of a small page. Prints JSON. */
import http from 'node:http';
import { median } from './figures.ts';

export interface Probe {
  readonly sentMbit: number;
  readonly receivedMbit: number;
  readonly requestMs: number;
}

const [address = '', mebibytes = '64'] = process.argv.slice(2);
const bytes = Number(mebibytes) * 2 ** 20;
const ROUNDS = 3;
const REQUESTS = 200;

/** Sends so many bytes, and resolves with how many came back. */
function exchange(path: string, length: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const request = http.request({ host: address, path, method: length > 0 ? 'POST' : 'GET', agent: false, headers: length > 0 ? { 'content-length': length } : {} }, (response) => {
    let seen = 0;
    response.on('data', (chunk: Buffer) => void (seen += chunk.length)).on('end', () => resolve(seen)).on('error', reject);
  });
  request.on('error', reject);
  const chunk = Buffer.alloc(65_536);
  let left = length;
  const write = (): void => {
    while (left > 0) {
      left -= chunk.length;
      if (!request.write(chunk)) return void request.once('drain', write);
    }
    request.end();
  };
  write();
  return promise;
}

const [sent, received, requests]: [number[], number[], number[]] = [[], [], []];
const rate = (count: number, since: number): number => (count * 8) / (performance.now() - since) / 1000;
for (let round = 0; round < ROUNDS; round += 1) {
  let started = performance.now();
  await exchange('/cgi-bin/sink', bytes);
  sent.push(rate(bytes, started));
  started = performance.now();
  received.push(rate(await exchange('/cgi-bin/source', 0), started));
}
for (let index = 0; index < REQUESTS; index += 1) {
  const started = performance.now();
  await exchange('/', 0);
  requests.push(performance.now() - started);
}
console.log(JSON.stringify({ sentMbit: median(sent), receivedMbit: median(received), requestMs: median(requests) } satisfies Probe));
