import { connect } from 'node:net';
import { request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { KeyPair } from '../../base/certificate.ts';

/** Resolves once something accepts connections there; rejects only when the signal aborts. `target` is a path or an address with a port. */
export async function accepting(target: { readonly path: string } | { readonly host: string; readonly port: number }, signal: AbortSignal): Promise<void> {
  while (!(await connects(target))) await delay(15, undefined, { signal });
}

function connects(target: { readonly path: string } | { readonly host: string; readonly port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(target);
    socket.setTimeout(1000, () => socket.destroy());
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('close', () => resolve(false));
    socket.once('error', () => resolve(false));
  });
}

export interface ApiAccess {
  readonly host: string;
  readonly authorityCertificate: string;
  readonly credentials: KeyPair;
}

/** Resolves once a GET of the path answers 200; rejects only when the signal aborts. */
export async function answering(api: ApiAccess, path: string, signal: AbortSignal): Promise<void> {
  while ((await statusOf(api, path)) !== 200) await delay(40, undefined, { signal });
}

function statusOf(api: ApiAccess, path: string): Promise<number> {
  return new Promise((resolve) => {
    const call = request({ host: api.host, port: 6443, path, ca: api.authorityCertificate, cert: api.credentials.certificate, key: api.credentials.key, timeout: 2000, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(0));
    call.end();
  });
}
