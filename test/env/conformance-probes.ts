import { all, always, event, ready, restarted, running, sh, STAY, type ConformanceCase, type Fields } from './conformance-case.ts';

const EACH = { periodSeconds: 1, timeoutSeconds: 9 };
const HTTPD = 'mkdir -p /w; echo ok > /w/index.html; exec httpd -f -p 8080 -h /w';
const probed = (kind: string, probe: Fields, script = STAY, more: Fields = {}): Fields => always(sh(script, { ...(more['volumes'] === undefined ? {} : { volumeMounts: [{ name: 'v', mountPath: '/v' }] }), [`${kind}Probe`]: { ...EACH, ...probe }, ports: [{ name: 'http', containerPort: 8080 }] }), more);
const unhealthy = event('Unhealthy');

/** Probes of each kind, that succeed and that fail. */
export const probes: readonly ConformanceCase[] = [
  { name: 'readiness-exec', spec: probed('readiness', { exec: { command: ['true'] } }), until: ready },
  { name: 'readiness-exec-fails', spec: probed('readiness', { exec: { command: ['sh', '-c', 'echo not yet; exit 1'] } }), until: all(running(), unhealthy) },
  { name: 'readiness-http', spec: probed('readiness', { httpGet: { port: 'http', path: '/' } }, HTTPD), until: ready },
  { name: 'readiness-http-404', spec: probed('readiness', { httpGet: { port: 8080, path: '/none' }, initialDelaySeconds: 3 }, HTTPD), until: all(running(), unhealthy) },
  { name: 'readiness-http-refused', spec: probed('readiness', { httpGet: { port: 81, path: '/' } }), until: all(running(), unhealthy) },
  { name: 'readiness-tcp', spec: probed('readiness', { tcpSocket: { port: 'http' }, initialDelaySeconds: 3 }, HTTPD), until: ready },
  { name: 'readiness-tcp-refused', spec: probed('readiness', { tcpSocket: { port: 81 } }), until: all(running(), unhealthy) },
  { name: 'readiness-grpc-refused', spec: probed('readiness', { grpc: { port: 81 }, timeoutSeconds: 2 }), until: all(running(), unhealthy) },
  { name: 'readiness-exec-absent', spec: probed('readiness', { exec: { command: ['/nonexistent'] } }), until: all(running(), unhealthy) },
  { name: 'readiness-timeout', spec: probed('readiness', { exec: { command: ['sleep', '30'] }, timeoutSeconds: 1 }), until: all(running(), unhealthy) },
  { name: 'liveness-ok', spec: probed('liveness', { exec: { command: ['true'] } }), until: ready },
  { name: 'liveness-fails', spec: probed('liveness', { exec: { command: ['sh', '-c', 'test -e /v/second'] }, initialDelaySeconds: 2, failureThreshold: 1 }, `trap 'exit 0' TERM; test -e /v/first && touch /v/second; touch /v/first; while :; do sleep 0.5; done`, { volumes: [{ name: 'v', emptyDir: {} }] }), until: restarted() },
  { name: 'startup-ok', spec: probed('startup', { exec: { command: ['true'] } }), until: ready },
  { name: 'startup-fails', spec: probed('startup', { exec: { command: ['false'] }, initialDelaySeconds: 4, failureThreshold: 1 }, STAY, { restartPolicy: 'Always' }), until: restarted() },
  { name: 'startup-fails-never', spec: probed('startup', { exec: { command: ['false'] }, failureThreshold: 1 }, STAY, { restartPolicy: 'Never' }), until: ({ status }) => status.phase === 'Failed' || status.phase === 'Succeeded' },
];
