import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../../../base/clock.ts';
import { silentLog } from '../../../base/log.ts';
import type { Cri, CriImage, RegistryAuth, SandboxConfig } from '../../cri.ts';
import type { FolderOptions, PodFiles, VolumeFile } from '../../pod-files.ts';
import type { ContainerSpec, PodManifest, PodManifestSpec } from '../pod.ts';
import type { ConfigMapData, KubeletContext, KubeletEvent, SecretData, ServiceSummary, TokenRequest } from '../port.ts';
import { imageNameOf } from './image-name.ts';
import { VirtualNodeMaterials } from './pod-materials.ts';
import { credentialsFor } from './registry-keys.ts';

const signal = AbortSignal.timeout(20_000);
const text = (values: Readonly<Record<string, string>>): ConfigMapData['data'] => Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value)]));
const configMap = (values: Readonly<Record<string, string>>): ConfigMapData => ({ resourceVersion: '1', immutable: false, data: text(values) });
const secret = (values: Readonly<Record<string, string>>, type = 'Opaque'): SecretData => ({ ...configMap(values), type });
const service = (name: string, namespace: string, change: Partial<ServiceSummary> = {}): ServiceSummary => ({ name, namespace, clusterIP: '10.96.0.9', ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...change });

const pod = (spec: Partial<PodManifestSpec> = {}, container: Partial<ContainerSpec> = {}): PodManifest => ({
  apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'shop', uid: 'u1', labels: { app: 'web', b: 'x"y' }, annotations: { note: 'n' } },
  spec: { nodeName: 'vm.shop', serviceAccountName: 'runner', containers: [{ name: 'c', image: 'app:1', ...container }], ...spec },
});

function world(given: { readonly configMaps?: Readonly<Record<string, ConfigMapData>>; readonly secrets?: Readonly<Record<string, SecretData>>; readonly services?: readonly ServiceSummary[]; readonly pull?: (image: string, auth: RegistryAuth | undefined) => void; readonly present?: readonly string[] } = {}) {
  const clock = new ManualClock(Date.parse('2026-01-01T12:00:00Z'));
  const events: KubeletEvent[] = [];
  const volumes = new Map<string, readonly VolumeFile[]>();
  const folders = new Map<string, FolderOptions>();
  const written = new Map<string, string>();
  const tokens: TokenRequest[] = [];
  const images = new Set(given.present ?? ['app:1']);
  const image = (name: string): CriImage | undefined => (images.has(name) ? { id: `sha256:${name}`, repoTags: [name], repoDigests: [], sizeBytes: 1n } : undefined);
  const files = {
    root: '/pods',
    makeFolder: async (path: string, options: FolderOptions) => void folders.set(path, options),
    writeVolume: async (path: string, content: readonly VolumeFile[]) => void volumes.set(path, content),
    writeFile: async (path: string, content: string) => void written.set(path, content),
    stat: async () => undefined,
  } as unknown as PodFiles;
  const cri = {
    imageStatus: async (name: string) => image(name),
    pullImage: async (name: string, auth: RegistryAuth | undefined) => {
      given.pull?.(name, auth);
      images.add(name);
      return name;
    },
  } as unknown as Cri;
  const context: KubeletContext = {
    cri, files, clock, log: silentLog,
    references: {
      configMap: async (namespace, name) => (namespace === 'shop' ? given.configMaps?.[name] : undefined),
      secret: async (namespace, name) => (namespace === 'shop' ? given.secrets?.[name] : undefined),
      serviceAccountToken: async (request) => {
        tokens.push(request);
        return { token: `token${tokens.length}`, expiresAtMs: clock.now() + request.expirationSeconds * 1000 };
      },
      services: () => given.services ?? [],
    },
    addresses: { assign: async () => '10.244.0.9', release: async () => {} },
    statuses: { write: async () => {}, finish: async () => {} },
    settings: { node: 'vm.shop', hostAddress: '10.0.0.11', clusterDns: ['10.96.0.10'], clusterDomain: 'cluster.local', dns: { servers: ['1.1.1.1'], searches: ['example.org'] }, allocatable: { millicpu: 2000, memoryBytes: 2 ** 30 }, cgroupVersion: 1 },
    node: () => undefined,
    room: () => Promise.reject(new Error('nobody asks here')),
    event: (_about, event) => void events.push(event),
  };
  const materials = new VirtualNodeMaterials(context, 'shop');
  const environment = async (of: PodManifest): Promise<Readonly<Record<string, string>>> => {
    const [container] = of.spec.containers;
    assert.ok(container);
    return Object.fromEntries((await materials.environmentOf(of, container, '10.244.0.9', signal)).map(({ key, value }) => [key, value]));
  };
  const ensureImage = (of: PodManifest) => materials.ensureImage(of, of.spec.containers[0] as ContainerSpec, {} as SandboxConfig, signal);
  return { materials, environment, ensureImage, clock, events, volumes, folders, written, tokens };
}

describe('the environment of a container', () => {
  it('has the values of fields, resources and other variables', async () => {
    const env = [
      { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'HOST', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } },
      { name: 'ACCOUNT', valueFrom: { fieldRef: { fieldPath: 'spec.serviceAccountName' } } },
      { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
      { name: 'CPU_M', valueFrom: { resourceFieldRef: { resource: 'requests.cpu', divisor: '1m' } } },
      { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
      { name: 'ALL', value: '$(NAME) at $(IP) $$(NAME) $(UNKNOWN)' },
    ];
    assert.deepEqual(await world().environment(pod({}, { env, resources: { requests: { cpu: '250m' }, limits: { memory: '64Mi' } } })), {
      NAME: 'web', APP: 'web', NODE: 'vm.shop', IP: '10.244.0.9', HOST: '10.0.0.11', ACCOUNT: 'runner', CPU: '2', CPU_M: '250', MEM: '64', ALL: 'web at 10.244.0.9 $(NAME) $(UNKNOWN)',
    });
  });

  it('takes whole ConfigMaps and Secrets, leaves out what is no name, and lets env win', async () => {
    const w = world({ configMaps: { m: configMap({ A: '1', B: '2', '1st': 'y', 'a=b': 'x' }) }, secrets: { s: secret({ C: '3' }) } });
    const result = await w.environment(pod({}, { envFrom: [{ configMapRef: { name: 'm' } }, { prefix: 'S_', secretRef: { name: 's' } }, { secretRef: { name: 'none', optional: true } }], env: [{ name: 'B', value: '$(A)0' }] }));
    assert.deepEqual(result, { A: '1', B: '10', '1st': 'y', S_C: '3' });
    assert.deepEqual(w.events.map(({ reason }) => reason), ['InvalidEnvironmentVariableNames']);
  });

  it('names services, and only the API server when the pod does not want more', async () => {
    const services = [service('kubernetes', 'default', { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443, protocol: 'TCP' }] }), service('my-db', 'shop'), service('headless', 'shop', { clusterIP: 'None' })];
    const all = await world({ services }).environment(pod());
    assert.equal(all['MY_DB_SERVICE_HOST'], '10.96.0.9');
    assert.equal(all['MY_DB_PORT_80_TCP_ADDR'], '10.96.0.9');
    assert.equal(all['KUBERNETES_SERVICE_PORT_HTTPS'], '443');
    const few = await world({ services }).environment(pod({ enableServiceLinks: false }));
    assert.deepEqual(Object.keys(few).filter((name) => name.startsWith('MY_DB')), []);
    assert.equal(few['KUBERNETES_SERVICE_HOST'], '10.96.0.1');
  });

  for (const [what, valueFrom, message] of [
    ['a missing ConfigMap', { configMapKeyRef: { name: 'm', key: 'k' } }, 'configmap "m" not found'],
    ['a missing Secret', { secretKeyRef: { name: 's', key: 'k' } }, 'secret "s" not found'],
    ['a missing key', { configMapKeyRef: { name: 'there', key: 'k' } }, "couldn't find key k in ConfigMap shop/there"],
  ] as const) {
    it(`waits for ${what}`, async () => {
      await assert.rejects(world({ configMaps: { there: configMap({}) } }).environment(pod({}, { env: [{ name: 'V', valueFrom }] })), { code: 'CreateContainerConfigError', message });
    });
  }

  it('does without what is optional', async () => {
    assert.deepEqual(await world().environment(pod({}, { env: [{ name: 'V', valueFrom: { secretKeyRef: { name: 's', key: 'k', optional: true } } }] })), {});
  });
});

describe('the volumes of a pod', () => {
  const names = (files: readonly VolumeFile[] = []): readonly string[] => files.map(({ path, mode, content }) => `${path} ${mode.toString(8)} ${content.toString()}`);

  it('hold what ConfigMaps, Secrets, fields and tokens say', async () => {
    const w = world({ configMaps: { m: configMap({ a: '1', b: '2' }) }, secrets: { s: secret({ k: 'v' }) } });
    const of = pod({
      volumes: [
        { name: 'cm', configMap: { name: 'm', items: [{ key: 'a', path: 'x/a', mode: 0o400 }] } },
        { name: 'se', secret: { secretName: 's', defaultMode: 0o440 } },
        { name: 'dw', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }, { path: 'cpu', resourceFieldRef: { containerName: 'c', resource: 'limits.cpu', divisor: '1m' } }] } },
        { name: 'pr', projected: { defaultMode: 0o444, sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 600 } }, { configMap: { name: 'm', items: [{ key: 'b', path: 'b' }] } }] } },
        { name: 'tmp', emptyDir: {} },
        { name: 'ram', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
      ],
    });
    await w.materials.ensureVolumes(of, signal);
    assert.deepEqual(names(w.volumes.get('u1/volumes/cm')), ['x/a 400 1']);
    assert.deepEqual(names(w.volumes.get('u1/volumes/se')), ['k 440 v']);
    assert.deepEqual(names(w.volumes.get('u1/volumes/dw')), ['labels 644 app="web"\nb="x\\"y"', 'cpu 644 2000']);
    assert.deepEqual(names(w.volumes.get('u1/volumes/pr')), ['token 444 token1', 'b 444 2']);
    assert.deepEqual([...w.folders], [
      ['u1/volumes/cm', { mode: 0o777 }], ...['se', 'dw', 'pr'].map((name) => [`u1/volumes/${name}`, { mode: 0o1777, memory: {} }]),
      ['u1/volumes/tmp', { mode: 0o777 }], ['u1/volumes/ram', { mode: 0o1777, memory: { sizeBytes: 2 ** 20 } }],
    ]);
  });

  it('give a token to the only user of the pod, and to all where there are more', async () => {
    const projected = [{ name: 'pr', projected: { defaultMode: 0o440, sources: [{ serviceAccountToken: { path: 'token' } }] } }];
    const container = (runAsUser?: number): ContainerSpec => ({ name: `c${runAsUser}`, image: 'i', ...(runAsUser === undefined ? {} : { securityContext: { runAsUser } }) });
    const access = async (spec: Partial<PodManifestSpec>): Promise<unknown> => {
      const w = world();
      await w.materials.ensureVolumes(pod({ volumes: projected, ...spec }), signal);
      return w.volumes.get('u1/volumes/pr')?.map(({ mode, owner }) => [mode.toString(8), owner]);
    };
    assert.deepEqual(await access({ containers: [container(), container()] }), [['440', undefined]]);
    assert.deepEqual(await access({ containers: [container(1000), container(1000)] }), [['600', 1000]]);
    assert.deepEqual(await access({ containers: [container()], securityContext: { runAsUser: 7 } }), [['600', 7]]);
    assert.deepEqual(await access({ containers: [container(1000)], initContainers: [container(0)] }), [['440', undefined]]);
    assert.deepEqual(await access({ containers: [container(1000), container(0)], securityContext: { fsGroup: 3000 } }), [['600', undefined]]);
  });

  it('get another token when most of its life is over', async () => {
    const w = world();
    const of = pod({ volumes: [{ name: 'pr', projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 1000, audience: 'vault' } }] } }] });
    await w.materials.ensureVolumes(of, signal);
    await w.clock.advance(799_000);
    await w.materials.ensureVolumes(of, signal);
    assert.equal(w.tokens.length, 1);
    await w.clock.advance(2000);
    await w.materials.ensureVolumes(of, signal);
    assert.deepEqual(w.tokens.map(({ audiences, pod: bound, serviceAccount }) => [audiences, bound, serviceAccount]), [[['vault'], { name: 'web', uid: 'u1' }, 'runner'], [['vault'], { name: 'web', uid: 'u1' }, 'runner']]);
    assert.deepEqual(names(w.volumes.get('u1/volumes/pr')), ['token 644 token2']);
  });

  it('wait for what is missing, unless it is optional', async () => {
    const w = world({ configMaps: { m: configMap({}) } });
    const fails = (volume: object) => w.materials.ensureVolumes(pod({ volumes: [{ name: 'v', ...volume }] }), signal);
    await assert.rejects(fails({ configMap: { name: 'none' } }), { code: 'FailedMount', message: 'MountVolume.SetUp failed for volume "v" : configmap "none" not found' });
    await assert.rejects(fails({ configMap: { name: 'm', items: [{ key: 'k', path: 'k' }] } }), { code: 'FailedMount', message: 'MountVolume.SetUp failed for volume "v" : configmap references non-existent config key: k' });
    await fails({ secret: { secretName: 'none', optional: true } });
  });

  it('are mounted where the container wants them, and nowhere else', async () => {
    const w = world();
    const volumeMounts = [{ name: 'tmp', mountPath: '/tmp' }, { name: 'tmp', mountPath: '/sub', subPathExpr: 'of-$(POD)' }, { name: 'cm', mountPath: '/etc/app' }];
    const of = pod({ volumes: [{ name: 'tmp', emptyDir: {} }, { name: 'cm', configMap: { name: 'm' } }] }, { volumeMounts });
    const mounts = await w.materials.mountsOf(of, of.spec.containers[0] as ContainerSpec, '10.244.0.9', [{ key: 'POD', value: 'web' }], signal);
    assert.deepEqual(mounts, [
      { containerPath: '/tmp', hostPath: '/pods/u1/volumes/tmp', readonly: false },
      { containerPath: '/sub', hostPath: '/pods/u1/volumes/tmp/of-web', readonly: false },
      { containerPath: '/etc/app', hostPath: '/pods/u1/volumes/cm', readonly: true },
      { containerPath: '/etc/hosts', hostPath: '/pods/u1/etc-hosts', readonly: false },
    ]);
    assert.match(w.written.get('u1/etc-hosts') ?? '', /\n10\.244\.0\.9\tweb\n/);
  });

  it('have the folders that a subPath names, as open as they are themselves', async () => {
    const w = world();
    const of = pod({ volumes: [{ name: 'tmp', emptyDir: {} }], securityContext: { fsGroup: 2000 } }, { volumeMounts: [{ name: 'tmp', mountPath: '/t', subPath: 'a/b' }] });
    await w.materials.mountsOf(of, of.spec.containers[0] as ContainerSpec, '', [], signal);
    assert.deepEqual([...w.folders], [['u1/volumes/tmp/a', { mode: 0o777, group: 2000 }], ['u1/volumes/tmp/a/b', { mode: 0o777, group: 2000 }]]);
  });

  for (const [subPath, message] of [['../x', "subPath \"../x\" must not contain '..'"], ['/x', 'subPath "/x" must not be an absolute path']] as const) {
    it(`are not left by the subPath ${subPath}`, async () => {
      const of = pod({ volumes: [{ name: 'tmp', emptyDir: {} }] }, { volumeMounts: [{ name: 'tmp', mountPath: '/t', subPath }] });
      await assert.rejects(world().materials.mountsOf(of, of.spec.containers[0] as ContainerSpec, '', [], signal), { message });
    });
  }
});

describe('names that a pod knows', () => {
  it('are those of its host aliases and its headless Service', async () => {
    const w = world();
    const of = pod({ hostname: 'db-0', subdomain: 'db', hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }] });
    await w.materials.mountsOf(of, of.spec.containers[0] as ContainerSpec, '10.244.0.9', [], signal);
    assert.match(w.written.get('u1/etc-hosts') ?? '', /\n10\.244\.0\.9\tdb-0\.db\.shop\.svc\.cluster\.local\tdb-0\n\n# Entries added by HostAliases\.\n1\.2\.3\.4\ta\tb\n$/);
  });

  it('are asked of the servers that its dnsPolicy names', () => {
    const { materials, events } = world();
    assert.deepEqual(materials.dnsOf(pod({ dnsConfig: { options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }] } })), {
      servers: ['10.96.0.10'], searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.org'], options: ['ndots:2', 'edns0'],
    });
    assert.deepEqual(materials.dnsOf(pod({ dnsConfig: { nameservers: ['1.1.1.1', '2.2.2.2', '3.3.3.3'] } })).servers, ['10.96.0.10', '1.1.1.1', '2.2.2.2']);
    assert.match(events.map(({ reason, message }) => `${reason} ${message}`).join(), /^DNSConfigForming Nameserver limits were exceeded, .*: 10\.96\.0\.10 1\.1\.1\.1 2\.2\.2\.2$/);
    assert.deepEqual(materials.dnsOf(pod({ dnsPolicy: 'Default' })), { servers: ['1.1.1.1'], searches: ['example.org'], options: [] });
    assert.deepEqual(materials.dnsOf(pod({ dnsPolicy: 'None', dnsConfig: { nameservers: ['9.9.9.9'], searches: ['x'] } })), { servers: ['9.9.9.9'], searches: ['x'], options: [] });
  });
});

describe('an image', () => {
  for (const [image, why] of [['Bad:1', ': repository name (library/Bad) must be lowercase'], ['host.example/UP/x', ': repository name (UP/x) must be lowercase'], ['a//b', '']] as const) {
    it(`has no name when that is ${image}`, async () => {
      const quoted = JSON.stringify(image);
      await assert.rejects(world().ensureImage(pod({}, { image })), { code: 'InvalidImageName', message: `Failed to apply default image tag ${quoted}: couldn't parse image name ${quoted}: invalid reference format${why}` });
    });
  }

  it('is looked for without the credentials that are missing, which is said', async () => {
    const w = world({ present: [] });
    await w.ensureImage(pod({ imagePullSecrets: [{ name: 'none' }] }));
    assert.match(w.events.map(({ reason, message }) => `${reason} ${message}`).join('\n'), /^FailedToRetrieveImagePullSecret Unable to retrieve some image pull secrets \(none\);/m);
  });

  const reasons = (events: readonly KubeletEvent[]): readonly string[] => events.map(({ reason }) => reason);

  it('is pulled only when its policy says so', async () => {
    const there = world();
    assert.equal((await there.ensureImage(pod())).reference, 'app:1');
    assert.deepEqual(reasons(there.events), ['Pulled']);
    const always = world();
    await always.ensureImage(pod({}, { imagePullPolicy: 'Always' }));
    assert.deepEqual(reasons(always.events), ['Pulling', 'Pulled']);
    const latest = world();
    assert.equal((await latest.ensureImage(pod({}, { image: 'other' }))).reference, 'other:latest');
    await assert.rejects(world().ensureImage(pod({}, { image: 'other:1', imagePullPolicy: 'Never' })), { code: 'ErrImageNeverPull', message: 'Container image "other:1" is not present with pull policy of Never' });
    await assert.rejects(world().ensureImage(pod({}, { image: 'Not A Name' })), { code: 'InvalidImageName' });
  });

  it('that cannot be pulled is tried again with growing delays', async () => {
    let fails = true;
    const w = world({ pull: () => {
      if (fails) throw new Error('no such host');
    } });
    const of = pod({}, { image: 'other:1' });
    await assert.rejects(w.ensureImage(of), { code: 'ErrImagePull', message: 'no such host' });
    await assert.rejects(w.ensureImage(of), { code: 'ImagePullBackOff', message: 'Back-off pulling image "other:1": ErrImagePull: no such host' });
    await w.clock.advance(10_001);
    await assert.rejects(w.ensureImage(of), { code: 'ErrImagePull' });
    await w.clock.advance(10_001);
    await assert.rejects(w.ensureImage(of), { code: 'ImagePullBackOff' });
    await w.clock.advance(10_000);
    fails = false;
    await w.ensureImage(of);
  });

  it('is pulled with the credentials that fit', async () => {
    const used: (string | undefined)[] = [];
    const config = JSON.stringify({ auths: { 'other.example': { username: 'no' }, '*.example': { auth: Buffer.from('u:p:q').toString('base64') } } });
    const w = world({ secrets: { pull: secret({ '.dockerconfigjson': config }, 'kubernetes.io/dockerconfigjson') }, pull: (_image, auth) => void used.push(`${auth?.username}/${auth?.password}`) });
    await w.ensureImage(pod({ imagePullSecrets: [{ name: 'pull' }, { name: 'none' }] }, { image: 'my.example/a/b:1' }));
    assert.deepEqual(used, ['u/p:q']);
  });

  for (const [pattern, image, fits] of [
    ['my.example', 'my.example/a:1', true], ['my.example:5000', 'my.example:5000/a:1', true], ['my.example', 'my.example:5000/a:1', false], ['my.example/team', 'my.example/team/a:1', true],
    ['my.example/team', 'my.example/other/a:1', false], ['*.example', 'a.b.example/a:1', false], ['https://index.docker.io/v1/', 'busybox', true], ['https://my.example/v2/', 'my.example/a', true],
  ] as const) {
    it(`${image} is ${fits ? '' : 'not '}pulled with credentials for ${pattern}`, () => {
      const data = secret({ '.dockerconfigjson': JSON.stringify({ auths: { [pattern]: { username: 'u' } } }) }, 'kubernetes.io/dockerconfigjson');
      assert.equal(credentialsFor(image, [data]).length, fits ? 1 : 0);
    });
  }

  for (const [name, expected] of [
    ['busybox', 'docker.io library/busybox latest'], ['a/b:1', 'docker.io a/b 1'], ['localhost/x:1', 'localhost x 1'], ['r.example:5000/x', 'r.example:5000 x latest'],
    [`x@sha256:${'0'.repeat(64)}`, 'docker.io library/x '], ['A:1', undefined], ['a b', undefined], ['x:', undefined], ['x@y', undefined], ['', undefined],
  ] as const) {
    it(`is ${expected === undefined ? 'not ' : ''}named ${JSON.stringify(name)}`, () => {
      const parsed = imageNameOf(name);
      assert.equal(parsed === undefined ? undefined : `${parsed.registry} ${parsed.repository} ${parsed.tag}`, expected);
    });
  }
});

describe('a pod that a virtual node does not run', () => {
  const { materials } = world();
  const cases: readonly (readonly [string, PodManifest])[] = [
    ['spec.hostNetwork', pod({ hostNetwork: true })],
    ['spec.hostPID', pod({ hostPID: true })],
    ['spec.hostIPC', pod({ hostIPC: true })],
    ['spec.hostUsers: false', pod({ hostUsers: false })],
    ['spec.runtimeClassName', pod({ runtimeClassName: 'gvisor' })],
    ['securityContext.privileged', pod({}, { securityContext: { privileged: true } })],
    ['seccompProfile.type: Localhost', pod({ securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'x' } } })],
    ['ports.hostPort', pod({}, { ports: [{ containerPort: 80, hostPort: 80 }] })],
    ['volumeDevices', pod({}, { volumeDevices: [{}] })],
    ['mountPropagation: Bidirectional', pod({}, { volumeMounts: [{ name: 'v', mountPath: '/v', mountPropagation: 'Bidirectional' }] })],
    ['volume v: hostPath', pod({ volumes: [{ name: 'v', hostPath: { path: '/' } }] })],
    ['volume v: persistentVolumeClaim', pod({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] })],
    ['volume v: projected clusterTrustBundle', pod({ volumes: [{ name: 'v', projected: { sources: [{ clusterTrustBundle: {} }] } }] })],
    ['volume v: emptyDir.medium HugePages', pod({ volumes: [{ name: 'v', emptyDir: { medium: 'HugePages' } }] })],
  ];
  for (const [field, manifest] of cases) {
    it(`is told that it cannot have ${field}`, () => {
      const refusal = materials.refusalOf(manifest);
      assert.equal(refusal?.reason, 'UnsupportedByVirtualNode');
      assert.ok(refusal.message.includes(field), refusal.message);
    });
  }

  it('is one that changes how the guest as a whole works', () => {
    const sysctls = [{ name: 'net.ipv4.tcp_syncookies', value: '1' }, { name: 'kernel/msgmax', value: '1' }];
    assert.deepEqual(materials.refusalOf(pod({ securityContext: { sysctls } })), { reason: 'SysctlForbidden', message: 'forbidden sysctl: "kernel.msgmax" not allowlisted' });
    assert.equal(materials.refusalOf(pod({ securityContext: { sysctls: sysctls.slice(0, 1) } })), undefined);
  });

  it('is one of another namespace', () => {
    const of = pod();
    assert.equal(materials.refusalOf({ ...of, metadata: { ...of.metadata, namespace: 'other' } })?.reason, 'NamespaceNotAllowed');
  });

  it('is no ordinary pod', () => {
    const spec = { volumes: [{ name: 'a', emptyDir: {} }, { name: 't', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }], securityContext: { seccompProfile: { type: 'RuntimeDefault' as const } }, hostUsers: true };
    assert.equal(materials.refusalOf(pod(spec, { ports: [{ containerPort: 80 }] })), undefined);
  });
});
