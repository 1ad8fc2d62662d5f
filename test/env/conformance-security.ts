import { always, ended, once, ready, sh, STAY, waiting, type ConformanceCase, type Fields } from './conformance-case.ts';

const WHO = 'id -u; id -g; id -G; grep -E "^(Cap(Prm|Eff|Bnd)|NoNewPrivs|Seccomp):" /proc/self/status';
const as = (securityContext: Fields, script = WHO): Fields => sh(script, { securityContext });

const UNPROTECTED = 'The hosts of the tests may not protect a process from the kernel when memory runs out; a guest may.';
const placed = (...matchExpressions: readonly Fields[]): Fields => ({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } } } });

/** Users, rights and resources. */
export const security: readonly ConformanceCase[] = [
  { name: 'user-default', spec: once(sh(WHO)), until: ended },
  { name: 'user-of-pod', spec: once(sh(WHO), { securityContext: { runAsUser: 1000, runAsGroup: 1001, supplementalGroups: [7, 8] } }), until: ended },
  { name: 'user-of-container', spec: once(as({ runAsUser: 2000 }), { securityContext: { runAsUser: 1000, runAsGroup: 1001 } }), until: ended },
  { name: 'non-root-ok', spec: once(as({ runAsNonRoot: true, runAsUser: 1000 })), until: ended },
  { name: 'non-root-image', spec: once(as({ runAsNonRoot: true })), until: waiting('CreateContainerConfigError') },
  { name: 'non-root-user-0', spec: once(as({ runAsNonRoot: true, runAsUser: 0 })), until: waiting('CreateContainerConfigError') },
  { name: 'non-root-image-user', spec: always({ name: 'c', image: 'localhost/yadokari/pause:1', imagePullPolicy: 'Never' }, { securityContext: { runAsNonRoot: true } }), until: ready },
  { name: 'capabilities', spec: once(as({ capabilities: { add: ['NET_ADMIN', 'SYS_TIME'], drop: ['CHOWN', 'MKNOD'] } })), until: ended },
  { name: 'capabilities-none', spec: once(as({ capabilities: { drop: ['ALL'] } })), until: ended },
  { name: 'capabilities-of-user', spec: once(as({ runAsUser: 1000, capabilities: { add: ['NET_BIND_SERVICE'] } })), until: ended },
  { name: 'read-only-root', spec: once(as({ readOnlyRootFilesystem: true }, 'touch /x; touch /tmp/x; touch /dev/shm/x && echo shm; echo words > /dev/termination-log')), until: ended },
  { name: 'no-new-privileges', spec: once(as({ allowPrivilegeEscalation: false })), until: ended },
  { name: 'seccomp-default', spec: once(as({ seccompProfile: { type: 'RuntimeDefault' } })), until: ended },
  { name: 'seccomp-of-pod', spec: once(sh(WHO), { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } }), until: ended },
  { name: 'sysctls', spec: once(sh('cat /proc/sys/net/ipv4/ip_unprivileged_port_start; cat /proc/sys/net/ipv4/ping_group_range'), { securityContext: { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '80' }] } }), until: ended },
  { name: 'sysctls-forbidden', spec: once(sh('true'), { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '65536' }] } }), until: ended },
  { name: 'masked-paths', spec: once(sh("cat /proc/keys /proc/timer_list /proc/sched_debug 2>&1 | head -3; ls /sys/firmware; for f in sys bus fs irq sysrq-trigger; do [ ! -e /proc/$f ] || grep -q \" /proc/$f .*ro,\" /proc/mounts || echo $f may be written; done")), until: ended },
  { name: 'resources', spec: once(sh('true', { resources: { requests: { cpu: '100m', memory: '16Mi' }, limits: { cpu: '1', memory: '64Mi' } } })), until: ended },
  { name: 'guaranteed', spec: once(sh('cat /proc/self/oom_score_adj', { resources: { limits: { cpu: '200m', memory: '32Mi' } } })), until: ended, differs: { 'logs.c': UNPROTECTED } },
  { name: 'too-much-cpu', spec: once(sh('true', { resources: { requests: { cpu: '500' } } })), until: ended },
  { name: 'too-much-memory', spec: once(sh('true', { resources: { requests: { memory: '900Gi' } } })), until: ended },
  { name: 'node-selector', spec: once(sh('true'), { nodeSelector: { none: 'such' } }), until: ended },
  { name: 'node-affinity-ok', spec: once(sh('true'), placed({ key: 'kubernetes.io/hostname', operator: 'Exists' }, { key: 'none', operator: 'NotIn', values: ['such'] })), until: ended },
  { name: 'node-affinity', spec: once(sh('true'), placed({ key: 'kubernetes.io/hostname', operator: 'Exists' }, { key: 'none', operator: 'Exists' })), until: ended },
  { name: 'shared-processes', spec: always([sh(STAY), sh(`sleep 1; tr '\\0' ' ' < /proc/1/cmdline; echo; ls -d /proc/[0-9]* | wc -l | sed 's/^[0-9]$/few/'; ${STAY}`, { name: 'd' })], { shareProcessNamespace: true }), until: ready },
  { name: 'own-processes', spec: once(sh("tr '\\0' ' ' < /proc/1/cmdline | cut -c1-5")), until: ended },
];
