import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { registerGuestMetrics } from '../../src/agent/guest-metrics.ts';
import { kinds } from '../../src/api/kinds.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { run, type CommandError } from '../../src/base/process.ts';
import { createMetrics } from '../../src/kube/metrics.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { SimulatedHypervisor } from '../../src/vm/drivers/simulated/hypervisor.ts';
import { packagedChart, previousRelease, projectVersion, releaseArchive } from '../../tools/releases.ts';
import { chartFolder, Helm, objectsOf, type Values } from '../env/helm.ts';
import { chartVariants } from '../env/chart-variants.ts';
import { bindingsOf, containersOf, rulesOf } from '../env/chart-objects.ts';

const root = join(import.meta.dirname, '../..');

/** Values that the schema refuses, and what it says of which. */
const wrong: readonly (readonly [what: string, values: Values, says: RegExp])[] = [
  ['a name that does not exist', ['oprator.replicas=1'], /oprator/],
  ['a name that does not exist further down', ['operator.replica=1'], /operator.*replica/s],
  ['a network that does not exist', ['network.mode=bridged'], /network[./]mode.*spliced.*native/s],
  ['a libvirt that does not exist', ['libvirt.mode=none'], /libvirt[./]mode.*host.*managed/s],
  ['an uninstallation that does not exist', ['uninstall.virtualMachines=drop'], /uninstall[./]virtualMachines.*keep.*remove/s],
  ['no operator at all', ['operator.replicas=0'], /operator[./]replicas.*1/s],
  ['the tag latest', ['images.tag=latest'], /images[./]tag/],
  ['a digest that is none', ['images.digests.agent=sha256:1234'], /images[./]digests[./]agent/],
  ['a pull policy that does not exist', ['images.pullPolicy=Sometimes'], /images[./]pullPolicy/],
  ['a log level that does not exist', ['logLevel=loud'], /logLevel.*trace/s],
  ['a socket that is no path', ['agent.containerdSocket=containerd.sock'], /agent[./]containerdSocket/],
  ['a privileged port', ['agent.metricsPort=80'], /agent[./]metricsPort/],
  ['a toleration of a wrong effect', ['agent.tolerations[0].effect=Never'], /agent[./]tolerations[./]0[./]effect/],
  ['an amount of memory that is none', ['operator.resources.requests.memory=much'], /operator[./]resources[./]requests[./]memory/],
  ['a further argument that is none', ['agent.extraArgs={network}'], /agent[./]extraArgs[./]0/],
  ['a pod network that is none', ['network.native.podCidr=10.244.0.0'], /network[./]native[./]podCidr/],
  ['a neighbour without an AS number', ['network.native.bgpPeers[0].name=a', 'network.native.bgpPeers[0].address=10.0.0.1'], /bgpPeers[./]0.*asNumber/s],
  ['a name server that is no address', ['network.dns.servers={dns.example}'], /network[./]dns[./]servers[./]0/],
  ['a kind of volumes that does not exist', ['storage.drbd9.enabled=true'], /storage.*drbd9/s],
  ['a backend of volumes that is no name', ['storage.ceph.backends={Team_A}'], /storage[./]ceph[./]backends[./]0/],
  ['a server of NFS by its name', ['storage.nfs.managed.nfs.node=n1', 'storage.nfs.managed.nfs.server=nas.example', 'storage.nfs.managed.nfs.path=/srv'], /storage[./]nfs[./]managed[./]nfs[./]server/],
  ['a server of NFS on no node', ['storage.nfs.managed.nfs.server=10.0.0.5', 'storage.nfs.managed.nfs.path=/srv'], /storage[./]nfs[./]managed[./]nfs.*node/s],
  ['a sidecar without a tag', ['storage.sidecars.attacher=registry.example/csi-attacher'], /storage[./]sidecars[./]attacher/],
  ['a namespace that is none', ['rbac.secretNamespaces={Team_A}'], /rbac[./]secretNamespaces[./]0/],
  ['a test image of a wrong format', ['test.guest.format=vmdk'], /test[./]guest[./]format/],
];

/** Values that are each right, but not together. */
const contradictory: readonly (readonly [what: string, values: Values, says: RegExp])[] = [
  ['a native network without addresses', ['network.mode=native'], /give network\.native\.podCidr/],
  ['definitions that go while machines stay', ['crds.keep=false'], /Set uninstall\.virtualMachines to remove, or crds\.keep to true/],
  ['a test image of two sources', ['test.guest.url=https://images.example/a.tar'], /give file or url, not both/],
  ['a server of NFS that no driver uses', ['storage.nfs.enabled=true', 'storage.nfs.managed.archive.node=n1', 'storage.nfs.managed.archive.server=10.0.0.5', 'storage.nfs.managed.archive.path=/srv'], /storage\.nfs\.managed\.archive: no driver uses it/],
  ['a managed libvirt elsewhere', ['libvirt.mode=managed', 'libvirt.socketDirectory=/run/other'], /the managed libvirtd listens in \/run\/libvirt/],
];

const read = (file: string): string => readFileSync(join(chartFolder, file), 'utf8');

describe('the chart', () => {
  let helm: Helm;
  const rendered = new Map<string, readonly KubeObject[]>();
  const each = (check: (objects: readonly KubeObject[]) => void): void => {
    for (const [variant, objects] of rendered) {
      try {
        check(objects);
      } catch (error) {
        throw new Error(`with the values ${variant}`, { cause: error });
      }
    }
  };

  before(async () => {
    helm = await Helm.ready();
    for (const [variant, values] of Object.entries(chartVariants)) rendered.set(variant, objectsOf(await helm.template(values)));
  });

  it('passes helm lint --strict', async () => {
    assert.match(await helm.run('lint', '--strict', chartFolder), /0 chart\(s\) failed/);
  });

  it('has the version of the project', () => {
    const chart = parse(read('Chart.yaml')) as { version: string; appVersion: string };
    assert.deepEqual([chart.version, chart.appVersion], [projectVersion(), projectVersion()]);
  });

  it('is packaged to the same bytes each time, and renders the same from them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'yado-chart-'));
    try {
      // Another order of writing, other times and other modes.
      const [copy, archive] = [join(folder, 'copy'), join(folder, 'chart.tgz')];
      await cp(chartFolder, copy, { recursive: true, filter: (path) => !path.endsWith('Chart.yaml') });
      await writeFile(join(copy, 'Chart.yaml'), read('Chart.yaml'), { mode: 0o600 });
      await writeFile(join(copy, '.Chart.yaml.swp'), 'an editor is open');
      const bytes = await packagedChart(chartFolder);
      assert.ok(bytes.equals(await packagedChart(copy)));
      await writeFile(archive, bytes);
      assert.equal(await helm.run('template', 'yadokari', archive), await helm.template());
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  for (const [what, version, says] of [
    ['what was released already', previousRelease(), /exists; what was released does not change/],
    ['what the files disagree about', '99.0.0', /package\.json is .*, not 99\.0\.0\n.*appVersion in Chart\.yaml is .*CHANGELOG\.md has no heading "## 99\.0\.0 - /s],
    ['what is no version', '1.0', /npm run release -- 1\.2\.3/],
  ] as const) {
    it(`is not released: ${what}`, async () => {
      await assert.rejects(run(process.execPath, [join(root, 'tools/release.ts'), version]), (error: CommandError) => says.test(error.stderr));
      assert.ok(!existsSync(releaseArchive('99.0.0')));
    });
  }

  it('renders each object once, in the release\'s namespace or in none', () => each((objects) => {
    const names = objects.map(({ apiVersion, kind, metadata: { name, namespace = '' } }) => `${apiVersion} ${kind} ${namespace}/${name}`);
    assert.deepEqual(names.filter((name, index) => names.indexOf(name) !== index), []);
    assert.deepEqual(objects.filter(({ kind, metadata }) => ['Deployment', 'DaemonSet', 'Job', 'ConfigMap', 'ServiceAccount'].includes(kind) && metadata.namespace !== 'yadokari-system'), []);
  }));

  it('runs images of a fixed tag or digest', () => each((objects) => {
    const images = objects.flatMap(containersOf).map(({ image }) => image);
    assert.ok(images.length >= 3);
    assert.deepEqual(images.filter((image) => !/^[^@]+(:[^:/]+|@sha256:[0-9a-f]{64})$/.test(image) || image.endsWith(':latest')), []);
  }));

  it('takes images from a mirror, by digest where one is given', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const objects = objectsOf(await helm.template(['images.registry=mirror.example:5000/yado/', 'images.tag=1.2.3', `images.digests.operator=${digest}`]));
    const images = new Set(objects.flatMap(containersOf).map(({ image }) => image));
    assert.deepEqual([...images].sort(), ['mirror.example:5000/yado/agent:1.2.3', `mirror.example:5000/yado/operator@${digest}`]);
    assert.ok(objects.flatMap(containersOf).some(({ args }) => args?.includes('--pause-image=mirror.example:5000/yado/pause:1.2.3')));
  });

  it('gives every container requests and a security context, and privilege to none but those of a node', () => each((objects) => {
    for (const { owner, name, resources, securityContext, pod } of objects.flatMap(containersOf)) {
      assert.ok(resources?.requests?.['memory'] !== undefined && resources.requests['cpu'] !== undefined, `${owner}/${name} has no requests`);
      if (securityContext?.privileged === true) {
        assert.match(`${owner}/${name}`, /^(DaemonSet yadokari-(agent|libvirt)\/(agent|libvirt|install-cni)|DaemonSet yadokari-csi-[a-z-]+-node\/driver|Deployment yadokari-csi-([a-z]+-)?nfs\/(driver|server))$/);
        continue;
      }
      assert.deepEqual([securityContext?.allowPrivilegeEscalation, securityContext?.readOnlyRootFilesystem, securityContext?.capabilities?.drop], [false, true, ['ALL']], `${owner}/${name}`);
      // Beside a driver that is root a sidecar says itself that it is not.
      if (name !== 'bird') assert.deepEqual([securityContext?.runAsNonRoot ?? pod.runAsNonRoot, pod.seccompProfile?.type], [true, 'RuntimeDefault'], `${owner}/${name}`);
    }
  }));

  it('shows no secret in arguments and environments', () => each((objects) => {
    for (const { owner, env = [], args = [] } of objects.flatMap(containersOf)) {
      assert.deepEqual(env.filter(({ valueFrom }) => valueFrom !== undefined && 'secretKeyRef' in valueFrom), [], owner);
      assert.doesNotMatch(JSON.stringify([args, env]), /token=|password|BEGIN [A-Z ]*PRIVATE KEY/i, owner);
    }
    assert.deepEqual(objects.filter(({ kind }) => kind === 'Secret'), []);
  }));

  it('gives no rights by wildcard, and binds nobody to cluster-admin', () => each((objects) => {
    for (const { role, apiGroups = [], resources = [], verbs } of objects.flatMap(rulesOf)) {
      assert.ok(![...apiGroups, ...resources, ...verbs].some((word) => word.includes('*')), `${role} has a wildcard`);
      assert.ok(!verbs.some((verb) => ['escalate', 'bind', 'impersonate'].includes(verb)), `${role} may become more than it is`);
    }
    for (const { role, subjects } of objects.flatMap(bindingsOf)) {
      // Of Kubernetes' own there is one, which lets read a single ConfigMap: who calls in the API server's name.
      assert.match(role, /^(yadokari-.*|extension-apiserver-authentication-reader)$/);
      assert.ok(subjects.every(({ kind, namespace }) => kind === 'ServiceAccount' && namespace === 'yadokari-system'), `${role} is bound to others than our service accounts`);
    }
  }));

  it('lets users of a namespace see and edit all our kinds', () => {
    const rules = (rendered.get('default') ?? []).flatMap(rulesOf);
    for (const role of ['ClusterRole yadokari-view', 'ClusterRole yadokari-edit']) {
      assert.deepEqual(rules.find((rule) => rule.role === role)?.resources?.toSorted(), kinds.filter(({ scope }) => scope === 'Namespaced').map(({ plural }) => plural).sort(), role);
    }
  });

  it('restarts no guest: libvirt is replaced by hand, agents one at a time', () => {
    const [agent, libvirt] = ['yadokari-agent', 'yadokari-libvirt'].map((name) => rendered.get('managed libvirt')?.find(({ kind, metadata }) => kind === 'DaemonSet' && metadata.name === name) as unknown as { spec: { updateStrategy: unknown } });
    assert.deepEqual(agent?.spec.updateStrategy, { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } });
    assert.deepEqual(libvirt?.spec.updateStrategy, { type: 'OnDelete' });
  });

  for (const [what, values, says] of [...wrong, ...contradictory]) {
    it(`refuses ${what}`, async () => {
      assert.match(await helm.refusal(values), says);
    });
  }

  it('describes every value in the schema, and has a default for each', () => {
    interface Schema {
      readonly description?: string;
      readonly properties?: Readonly<Record<string, Schema>>;
      readonly additionalProperties?: unknown;
    }
    const amiss: string[] = [];
    const compare = (path: string, schema: Schema, value: unknown): void => {
      if (path !== '' && schema.description === undefined && !('$ref' in schema)) amiss.push(`${path} has no description`);
      if (schema.properties === undefined) return;
      if (schema.additionalProperties !== false) amiss.push(`${path} takes any name`);
      for (const [name, child] of Object.entries(schema.properties)) {
        const given = (value as Record<string, unknown> | undefined)?.[name];
        if (given === undefined && name !== 'global') amiss.push(`${path}.${name} has no default`);
        compare(`${path}.${name}`, child, given);
      }
    };
    compare('', JSON.parse(read('values.schema.json')) as Schema, parse(read('values.yaml')));
    assert.deepEqual(amiss, []);
  });

  it('alerts on and draws only figures that there are', async () => {
    const { registry } = createMetrics();
    registerGuestMetrics({ registry, hypervisor: new SimulatedHypervisor(), node: 'n1', anchorOf: () => undefined, clock: systemClock, log: silentLog });
    const known = new Set(['up', ...[...(await registry.metrics()).matchAll(/^# HELP (\S+)/gm)].map(([, name = '']) => name)]);
    const { panels } = JSON.parse(read('files/dashboard.json')) as { panels: readonly { targets: readonly { expr: string }[] }[] };
    const [group] = parse(read('files/alerts.yaml')) as readonly { rules: readonly { expr: string }[] }[];
    const expressions = [...panels.flatMap(({ targets }) => targets), ...(group?.rules ?? [])].map(({ expr }) => expr);
    assert.ok(expressions.length >= 15);
    const used = expressions.flatMap((expression) => [...expression.matchAll(/([a-z_0-9]+)\{/g)].map(([, name = '']) => name));
    assert.deepEqual([...new Set(used)].filter((name) => !known.has(name.replace(/_(bucket|count|sum)$/, '')) && !known.has(name)), []);
  });
});
