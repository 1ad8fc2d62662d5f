import { ended, event, once, sh, waiting, type ConformanceCase, type Fields } from './conformance-case.ts';

const field = (name: string, fieldPath: string): Fields => ({ name, valueFrom: { fieldRef: { fieldPath } } });
const resource = (name: string, path: string, divisor?: string): Fields => ({ name, valueFrom: { resourceFieldRef: { resource: path, ...(divisor === undefined ? {} : { divisor }) } } });
const LIMITS = { resources: { requests: { cpu: '150m', memory: '20Mi', 'ephemeral-storage': '1Mi' }, limits: { cpu: '1500m', memory: '64Mi', 'ephemeral-storage': '100Mi' } } };

/** Variables, command lines and working folders. */
export const environment: readonly ConformanceCase[] = [
  { name: 'env-plain', spec: once(sh('env | sort', { env: [{ name: 'A', value: 'one' }, { name: 'B', value: '$(A) two' }, { name: 'C', value: '$$(A) $(NONE) $(' }, { name: 'D', value: 'http://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)' }, { name: 'EMPTY' }] })), until: ended },
  { name: 'env-no-links', spec: once(sh('env | sort'), { enableServiceLinks: false }), until: ended },
  { name: 'env-fields', metadata: { labels: { tier: 'web' }, annotations: { 'example.com/note': 'a "note"' } }, spec: once(sh('env | grep ^X_ | sort', { env: [
    field('X_NAME', 'metadata.name'), field('X_NAMESPACE', 'metadata.namespace'), field('X_UID', 'metadata.uid'), field('X_TIER', "metadata.labels['tier']"), field('X_NOTE', "metadata.annotations['example.com/note']"), field('X_ABSENT', "metadata.labels['absent']"),
    field('X_NODE', 'spec.nodeName'), field('X_ACCOUNT', 'spec.serviceAccountName'), field('X_HOST', 'status.hostIP'), field('X_HOSTS', 'status.hostIPs'), field('X_POD', 'status.podIP'), field('X_PODS', 'status.podIPs'),
  ] })), until: ended },
  { name: 'env-resources', spec: once(sh('env | grep ^X_ | sort', { ...LIMITS, env: [
    resource('X_CPU', 'limits.cpu'), resource('X_CPU_M', 'limits.cpu', '1m'), resource('X_MEMORY', 'limits.memory'), resource('X_MEMORY_MI', 'limits.memory', '1Mi'), resource('X_RCPU', 'requests.cpu'), resource('X_RMEMORY', 'requests.memory', '1k'), resource('X_STORAGE', 'limits.ephemeral-storage', '1Mi'), resource('X_RSTORAGE', 'requests.ephemeral-storage'),
  ] })), until: ended },
  { name: 'env-resource-defaults', spec: once(sh('env | grep ^X_ | sort', { env: [resource('X_CPU', 'limits.cpu', '1m'), resource('X_MEMORY', 'limits.memory'), resource('X_RCPU', 'requests.cpu'), resource('X_RMEMORY', 'requests.memory')] })), until: ended },
  { name: 'env-keys', spec: once(sh('env | grep ^X_ | sort', { env: [
    { name: 'X_COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } }, { name: 'X_KEY', valueFrom: { secretKeyRef: { name: 'keys', key: 'key' } } },
    { name: 'X_NO_KEY', valueFrom: { configMapKeyRef: { name: 'settings', key: 'absent', optional: true } } }, { name: 'X_NO_MAP', valueFrom: { secretKeyRef: { name: 'absent', key: 'absent', optional: true } } }, { name: 'X_BOTH', value: '$(X_COLOUR)-$(X_KEY)' },
  ] })), until: ended },
  { name: 'env-map-missing', spec: once(sh('env', { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'absent', key: 'a' } } }] })), until: waiting('CreateContainerConfigError') },
  { name: 'env-secret-missing', spec: once(sh('env', { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'absent', key: 'a' } } }] })), until: waiting('CreateContainerConfigError') },
  { name: 'env-key-missing', spec: once(sh('env', { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'absent' } } }] })), until: waiting('CreateContainerConfigError') },
  { name: 'env-secret-key-missing', spec: once(sh('env', { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'keys', key: 'absent' } } }] })), until: waiting('CreateContainerConfigError') },
  { name: 'env-from', spec: once(sh('env | sort', { envFrom: [{ configMapRef: { name: 'settings' } }, { prefix: 'S_', secretRef: { name: 'keys' } }, { configMapRef: { name: 'absent', optional: true } }], env: [{ name: 'colour', value: 'over' }] }), { enableServiceLinks: false }), until: ended },
  { name: 'env-from-odd', spec: once(sh('env | sort', { envFrom: [{ configMapRef: { name: 'odd' } }] }), { enableServiceLinks: false }), until: ended },
  { name: 'env-from-missing', spec: once(sh('env', { envFrom: [{ secretRef: { name: 'absent' } }] })), until: waiting('CreateContainerConfigError') },
  { name: 'args', spec: once({ ...sh(''), command: ['sh', '-c', 'echo "$0" "$@"', '$(A)'], args: ['$(A)', '$$(A)', '$(B)', '$(NONE)', 'a  b', ''], env: [{ name: 'A', value: 'x y' }, { name: 'B', value: '$(A)!' }] }), until: ended },
  { name: 'working-folder', spec: once(sh('pwd', { workingDir: '/var' })), until: ended },
  { name: 'working-folder-new', spec: once(sh('pwd; stat -c "%a %u:%g" /new/one', { workingDir: '/new/one' })), until: ended },
  { name: 'tty', spec: once(sh('test -t 0 && echo stdin; test -t 1 && echo stdout; stty size 2>&1', { tty: true, stdin: true })), until: ended },
  { name: 'stdin-none', spec: once(sh('readlink /proc/self/fd/0; cat; test -t 1 || echo no terminal')), until: ended },
  { name: 'env-from-event', spec: once(sh('exit 0', { envFrom: [{ configMapRef: { name: 'odd' } }, { secretRef: { name: 'odd' } }] })), until: (seen) => ended(seen) && event('Started')(seen) },
];
