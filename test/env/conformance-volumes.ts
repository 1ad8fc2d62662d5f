import { ended, event, once, sh, waiting, type ConformanceCase, type Fields } from './conformance-case.ts';

const MOUNT = [{ name: 'v', mountPath: '/v' }];
const LOOK = 'cd /v; find . | sort | xargs stat -c "%n %F %a %u:%g"; for f in $(find . -type f -o -type l | grep -v "/\\.\\." | sort); do test -f $f && echo "$f: $(cat $f)"; done; true';
/** Names of folders with times in them are not compared. */
const look = (script = LOOK, more: Fields = {}): Fields => sh(`(${script}) 2>&1 | sed -E 's/\\.\\.[0-9]{4}[-0-9T_:.Z]+/..<time>/g'`, { volumeMounts: MOUNT, ...more });
const volume = (source: Fields, container: Fields = look(), more: Fields = {}): Fields => once(container, { volumes: [{ name: 'v', ...source }], ...more });
const token = { serviceAccountToken: { path: 'token', expirationSeconds: 600, audience: 'example' } };
const PAYLOAD = 'cut -d. -f2 /v/token | tr _- /+ | sed "s/$/==/" | base64 -d 2>/dev/null | grep -oE "\\"aud\\":\\[[^]]*\\]|\\"sub\\":\\"[^\\"]*\\"|\\"name\\":\\"volume[^\\"]*\\""; stat -L -c "%a %u:%g" /v/token';

/** Volumes: their files, owners, modes, and what happens when something is missing. */
export const volumes: readonly ConformanceCase[] = [
  { name: 'config-map', spec: volume({ configMap: { name: 'settings' } }), until: ended },
  { name: 'config-map-items', spec: volume({ configMap: { name: 'settings', defaultMode: 0o440, items: [{ key: 'colour', path: 'deep/er/colour' }, { key: 'size', path: 'size', mode: 0o600 }] } }), until: ended },
  { name: 'config-map-binary', spec: volume({ configMap: { name: 'binary' } }, look('od -An -tx1 /v/bytes; wc -c < /v/bytes')), until: ended },
  { name: 'config-map-optional', spec: volume({ configMap: { name: 'absent', optional: true } }), until: ended },
  { name: 'config-map-missing', spec: volume({ configMap: { name: 'absent' } }), until: event('FailedMount') },
  { name: 'config-map-key-missing', spec: volume({ configMap: { name: 'settings', items: [{ key: 'absent', path: 'x' }] } }), until: event('FailedMount') },
  { name: 'config-map-key-optional', spec: volume({ configMap: { name: 'settings', optional: true, items: [{ key: 'absent', path: 'x' }, { key: 'colour', path: 'c' }] } }), until: ended },
  { name: 'config-map-written', spec: volume({ configMap: { name: 'settings' } }, look('echo x > /v/colour; echo y > /v/new; echo $?')), until: ended },
  { name: 'secret', spec: volume({ secret: { secretName: 'keys', defaultMode: 0o400 } }), until: ended },
  { name: 'secret-missing', spec: volume({ secret: { secretName: 'absent' } }), until: event('FailedMount') },
  { name: 'secret-key-missing', spec: volume({ secret: { secretName: 'keys', items: [{ key: 'absent', path: 'x' }] } }), until: event('FailedMount') },
  { name: 'config-map-group', spec: volume({ configMap: { name: 'settings', items: [{ key: 'colour', path: 'd/c' }] } }, look(), { securityContext: { runAsUser: 1000, fsGroup: 3000 } }), until: ended },
  { name: 'projected-key-missing', spec: volume({ projected: { sources: [{ configMap: { name: 'settings', items: [{ key: 'absent', path: 'x' }] } }] } }), until: event('FailedMount') },
  { name: 'secret-group', spec: volume({ secret: { secretName: 'keys', defaultMode: 0o400 } }, look(), { securityContext: { runAsUser: 1000, fsGroup: 3000 } }), until: ended },
  { name: 'downward', metadata: { labels: { tier: 'web', a: 'b' }, annotations: { note: 'a "note"\nin two lines' } }, spec: volume({ downwardAPI: { items: [
    { path: 'name', fieldRef: { fieldPath: 'metadata.name' } }, { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }, { path: 'annotations', fieldRef: { fieldPath: 'metadata.annotations' } }, { path: 'one/label', mode: 0o400, fieldRef: { fieldPath: "metadata.labels['tier']" } },
    { path: 'cpu', resourceFieldRef: { containerName: 'c', resource: 'limits.cpu', divisor: '1m' } }, { path: 'memory', resourceFieldRef: { containerName: 'c', resource: 'requests.memory' } },
  ] } }, look(undefined, { resources: { limits: { cpu: '250m' }, requests: { memory: '10Mi' } } })), until: ended, differs: { 'logs.c': 'A kubelet shows two annotations of its own, kubernetes.io/config.seen and kubernetes.io/config.source, that the pod in the API does not have.' } },
  { name: 'projected', spec: volume({ projected: { defaultMode: 0o640, sources: [{ configMap: { name: 'settings', items: [{ key: 'colour', path: 'c' }] } }, { secret: { name: 'keys', items: [{ key: 'key', path: 's/key', mode: 0o400 }] } }, { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } }] } }), until: ended },
  { name: 'projected-missing', spec: volume({ projected: { sources: [{ secret: { name: 'absent' } }] } }), until: event('FailedMount') },
  { name: 'token', spec: volume({ projected: { sources: [token] } }, look(PAYLOAD)), until: ended },
  { name: 'token-of-user', spec: volume({ projected: { sources: [token] } }, look(PAYLOAD, { securityContext: { runAsUser: 1000 } })), until: ended },
  { name: 'token-of-group', spec: volume({ projected: { sources: [token] } }, look(PAYLOAD, { securityContext: { runAsUser: 1000 } }), { securityContext: { fsGroup: 3000 } }), until: ended },
  { name: 'token-of-users', spec: once([look(PAYLOAD, { securityContext: { runAsUser: 1000 } }), look('stat -L -c "%a %u:%g" /v/token', { name: 'd', securityContext: { runAsUser: 1001 } })], { volumes: [{ name: 'v', projected: { defaultMode: 0o444, sources: [token] } }] }), until: ended },
  { name: 'token-default', spec: once(sh("cd /var/run/secrets/kubernetes.io/serviceaccount; cat namespace; find . | sort | xargs stat -c '%n %F %a %u:%g' | sed -E 's/\\.\\.[0-9]{4}[-0-9T_:.Z]+/..<time>/g'")), until: ended },
  { name: 'token-none', spec: once(sh('ls /var/run/secrets 2>&1'), { automountServiceAccountToken: false }), until: ended },
  { name: 'empty', spec: volume({ emptyDir: {} }, look('echo x > /v/f; stat -c "%F %a %u:%g" /v /v/f')), until: ended },
  { name: 'empty-group', spec: volume({ emptyDir: {} }, look('echo x > /v/f; mkdir /v/d; stat -c "%F %a %u:%g" /v /v/f /v/d; id'), { securityContext: { runAsUser: 1000, runAsGroup: 1001, fsGroup: 2000, supplementalGroups: [3000] } }), until: ended },
  { name: 'empty-memory-limited', spec: volume({ emptyDir: { medium: 'Memory' } }, look('df -k /v | tail -1 | grep -oE " 65536 "', { resources: { limits: { memory: '64Mi' } } })), until: ended },
  { name: 'empty-memory', spec: volume({ emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }, look('stat -c "%F %a %u:%g" /v; stat -f -c "%T" /v; df -k /v | tail -1 | grep -oE " 1024 "; head -c 2000000 /dev/zero > /v/f; echo $?')), until: ended },
  { name: 'empty-size-limit', spec: volume({ emptyDir: { sizeLimit: '1Mi' } }, sh('head -c 3000000 /dev/zero > /v/f; sleep 100', { volumeMounts: MOUNT })), until: ended },
  { name: 'sub-path', spec: volume({ configMap: { name: 'settings' } }, look('cat /one; stat -c "%F %a %u:%g" /one', { volumeMounts: [{ name: 'v', mountPath: '/one', subPath: 'colour' }] })), until: ended },
  { name: 'sub-path-empty', spec: volume({ emptyDir: {} }, look('stat -c "%n %F %a %u:%g" /v /all/a /all/a/b', { volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'a/b' }, { name: 'v', mountPath: '/all' }] })), until: ended },
  { name: 'sub-path-missing', spec: volume({ configMap: { name: 'settings' } }, look('stat -c "%F %a %u:%g" /one', { volumeMounts: [{ name: 'v', mountPath: '/one', subPath: 'absent' }] })), until: (seen) => ended(seen) || waiting('CreateContainerConfigError')(seen) },
  { name: 'sub-path-expr', spec: volume({ emptyDir: {} }, look('ls /all', { env: [{ name: 'WHO', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }], volumeMounts: [{ name: 'v', mountPath: '/v', subPathExpr: 'x-$(WHO)' }, { name: 'v', mountPath: '/all' }] })), until: ended },
  { name: 'sub-path-expr-missing', spec: volume({ emptyDir: {} }, look('ls /v', { volumeMounts: [{ name: 'v', mountPath: '/v', subPathExpr: '$(NONE)' }] })), until: waiting('CreateContainerConfigError') },
  { name: 'sub-path-escape', spec: volume({ emptyDir: {} }, look('ls /v', { volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'out/of' }] }), { initContainers: [sh('ln -s / /v/out', { name: 'i', volumeMounts: MOUNT })] }), until: waiting('CreateContainerConfigError') },
  { name: 'sub-path-link', spec: volume({ emptyDir: {} }, look('ls /v', { volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'out' }] }), { initContainers: [sh('ln -s / /v/out', { name: 'i', volumeMounts: MOUNT })] }), until: waiting('CreateContainerConfigError') },
  { name: 'read-only', spec: volume({ emptyDir: {} }, look('touch /v/x', { volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: true }] })), until: ended },
];
