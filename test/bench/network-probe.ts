/** network-probe.ts ADDRESS MEBIBYTES: throughput to and from a peer that sinks on port 9000 and sources on 9001, and the latency of requests on port 80. Prints JSON. */
import http from 'node:http';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
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

/** The peer listens anew after each connection. */
async function connect(port: number): Promise<net.Socket> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await new Promise<net.Socket>((resolve, reject) => {
        const socket = net.connect({ host: address, port, noDelay: true }, () => resolve(socket));
        socket.once('error', reject);
      });
    } catch (error) {
      if (tries === 50) throw error;
      await delay(100);
    }
  }
}

async function send(): Promise<number> {
  const socket = await connect(9000);
  const chunk = Buffer.alloc(65_536);
  const started = performance.now();
  for (let left = bytes; left > 0; left -= chunk.length) if (!socket.write(chunk)) await new Promise((resolve) => void socket.once('drain', resolve));
  socket.end();
  await new Promise((resolve) => void socket.resume().once('close', resolve));
  return (bytes * 8) / (performance.now() - started) / 1000;
}

async function receive(): Promise<number> {
  const socket = await connect(9001);
  const started = performance.now();
  let seen = 0;
  socket.on('data', (chunk: Buffer) => {
    seen += chunk.length;
    if (seen >= bytes) socket.destroy();
  });
  await new Promise((resolve) => void socket.once('close', resolve));
  return (seen * 8) / (performance.now() - started) / 1000;
}

function request(agent: http.Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    http.get({ host: address, path: '/', agent }, (response) => void response.resume().once('end', () => resolve())).once('error', reject);
  });
}

const [sent, received, requests]: [number[], number[], number[]] = [[], [], []];
for (let round = 0; round < ROUNDS; round += 1) {
  sent.push(await send());
  received.push(await receive());
}
const agent = new http.Agent({ keepAlive: false });
for (let index = 0; index < REQUESTS; index += 1) {
  const started = performance.now();
  await request(agent);
  requests.push(performance.now() - started);
}
console.log(JSON.stringify({ sentMbit: median(sent), receivedMbit: median(received), requestMs: median(requests) } satisfies Probe));
