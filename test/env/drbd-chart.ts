import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { driverName } from '../../src/api/storage-drivers.ts';
import { silentProgress } from '../../src/base/progress.ts';
import { storageBackends } from '../../src/kube/yadokari.ts';
import type { KubeObject } from '../../src/kube/object.ts';
import { bundleProgram } from '../../src/local/bundle.ts';
import { ensureReleaseImages } from '../../src/local/images/release/release-images.ts';
import { leanNode } from '../../src/local/lean-node.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureExtraProgram } from '../../src/local/toolchain/toolchain.ts';
import { classesOf } from '../../src/operator/storage-backend/classes.ts';
import { TOPOLOGY_NODE } from '../../src/storage/port.ts';
import type { ApiServer } from './api-server.ts';
import { DrbdCluster, SOCKET, type Launch } from './drbd-cluster.ts';
import { Helm, objectsOf, releaseNamespace } from './helm.ts';
import { ownFolder } from './own-folder.ts';
import { unpackImage, type UnpackedImage } from './unpack-image.ts';
import { tiedProgram } from './tied.ts';

const root = join(import.meta.dirname, '../..');
const PLUGIN = driverName('drbd', 'drbd');
const RIGHTS = ['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'];

interface PodTemplate extends KubeObject {
  readonly spec: { readonly template: { readonly spec: {
    readonly serviceAccountName: string;
    readonly containers: readonly { readonly name: string; readonly image: string; readonly args: readonly string[]; readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[] }[];
    readonly volumes: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
  } } };
}

/**
 * Replicated volumes as the chart runs them, without kubelets: on each node the image's driver among the folders and
 * with the rights that the chart gives it; Kubernetes' own sidecars beside a driver that attaches nothing; and
 * Kubernetes' scheduler and volume controllers.
 */
export class DrbdChart implements AsyncDisposable {
  readonly cluster: DrbdCluster;
  readonly #cleanup: AsyncDisposableStack;
  readonly #folder: string;

  private constructor(cluster: DrbdCluster, folder: string, cleanup: AsyncDisposableStack) {
    this.cluster = cluster;
    this.#folder = folder;
    this.#cleanup = cleanup;
  }

  static async start(): Promise<DrbdChart> {
    await using cleanup = new AsyncDisposableStack();
    // Guests have a /tmp of their own.
    const folder = await ownFolder('yado-drbd-chart-', { parent: '/var/tmp' });
    cleanup.defer(() => rm(folder, { recursive: true, force: true }));
    const objects = objectsOf(await (await Helm.ready()).template(['storage.drbd.enabled=true']));
    const { csi } = await ensureReleaseImages({ cache: defaultCacheRoot, root, environment: process.env, progress: silentProgress, only: ['csi'] });
    const image = join(folder, 'image');
    const unpacked = await unpackImage(csi.archive, image);
    const launcher = async (api: ApiServer): Promise<Launch> => {
      await applyRights(api, objects);
      const node = templateOf(objects, 'DaemonSet', 'yadokari-csi-drbd-node');
      const token = await tokenOf(api, node.serviceAccountName);
      return (name, kubeconfig) => inImage({ image, unpacked, pod: node, name, kubeconfig: asAccount(kubeconfig, token) });
    };
    const cluster = cleanup.use(await DrbdCluster.start({ settings: { thinPool: 'pool' }, launcher }));
    await addNodes(cluster);
    const controller = templateOf(objects, 'Deployment', 'yadokari-csi-drbd');
    for (const { name, command } of [...await controllerCommands(cluster.api, controller, folder), ...kubernetesCommands(cluster.api, folder)]) cleanup.use(await startProcess(name, command, folder));
    return new DrbdChart(cluster, folder, cleanup.move());
  }

  /** What a program beside the nodes has logged. */
  async logOf(name: string): Promise<string> {
    return readFile(join(this.#folder, `${name}.log`), 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup[Symbol.asyncDispose]();
  }
}

type PodSpec = PodTemplate['spec']['template']['spec'];

function templateOf(objects: readonly KubeObject[], kind: string, name: string): PodSpec {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name) as PodTemplate | undefined;
  if (found === undefined) throw new Error(`the chart has no ${kind} ${name}`);
  return found.spec.template.spec;
}

async function applyRights(api: ApiServer, objects: readonly KubeObject[]): Promise<void> {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: releaseNamespace } };
  const rights = objects.filter(({ kind, metadata }) => RIGHTS.includes(kind) && metadata.annotations?.['helm.sh/hook'] === undefined);
  await api.create([namespace, ...rights].map((object) => stringify(object)).join('---\n'));
}

async function tokenOf(api: ApiServer, account: string): Promise<string> {
  const said = await api.client.raw({ method: 'POST', path: `/api/v1/namespaces/${releaseNamespace}/serviceaccounts/${account}/token`, body: JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 36_000 } }) });
  return (JSON.parse(said) as { readonly status: { readonly token: string } }).status.token;
}

function asAccount(kubeconfig: string, token: string): string {
  const { users: [user], ...rest } = JSON.parse(kubeconfig) as { readonly users: readonly { readonly name: string }[] };
  return JSON.stringify({ ...rest, users: [{ name: user?.name, user: { token } }] });
}

/** A script that becomes the driver: the image's files with the folders of the host that the pod has. */
function inImage({ image, unpacked, pod, name, kubeconfig }: { readonly image: string; readonly unpacked: UnpackedImage; readonly pod: PodSpec; readonly name: string; readonly kubeconfig: string }): string {
  const driver = pod.containers.find((container) => container.name === 'driver');
  const args = (driver?.args ?? []).map((arg) => arg.replace('$(NODE_NAME)', name));
  const mounts = (driver?.volumeMounts ?? []).map((mount) => `has ${pod.volumes.find((volume) => volume.name === mount.name)?.hostPath?.path ?? `/run/empty/${mount.name}`} ${mount.mountPath}`);
  return `set -e
mkdir -p /var/lib/kubelet
mountpoint -q /var/lib/kubelet || { mount --bind /var/lib/kubelet /var/lib/kubelet; mount --make-shared /var/lib/kubelet; }
mkdir -p /var/lib/kubelet/plugins_registry
cd ${image}
has() { mkdir -p "$1" ".$2"; mountpoint -q ".$2" || mount --rbind "$1" ".$2"; }
has /proc /proc
${mounts.join('\n')}
cat > kubeconfig <<'END-OF-FILE'
${kubeconfig}
END-OF-FILE
ln -sf /var/lib/kubelet/plugins/${PLUGIN}/csi.sock ${SOCKET}
exec env -i ${unpacked.environment.map((variable) => `'${variable}'`).join(' ')} NODE_NAME=${name} chroot . ${[...unpacked.entrypoint, ...args].map((word) => `'${word}'`).join(' ')} --kubeconfig=/kubeconfig`;
}

/** As kubelets make them when a driver registers, and the operator when there is a StorageBackend. */
async function addNodes({ api, nodes }: DrbdCluster): Promise<void> {
  const backend = await api.client.get(storageBackends, { name: 'drbd' });
  const { csiDriver, storageClass } = classesOf(backend, { kind: 'drbd', name: PLUGIN, className: 'drbd' });
  const objects = [
    { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', ...csiDriver }, { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', ...storageClass },
    ...nodes.flatMap(({ name }) => [
      { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { 'kubernetes.io/hostname': name, [TOPOLOGY_NODE]: name } } },
      { apiVersion: 'storage.k8s.io/v1', kind: 'CSINode', metadata: { name }, spec: { drivers: [{ name: PLUGIN, nodeID: name, topologyKeys: [TOPOLOGY_NODE] }] } },
    ]),
  ];
  await api.create(objects.map((object) => stringify(object)).join('---\n'));
  const patch = (path: string, change: object) => api.client.raw({ method: 'PATCH', path, contentType: 'application/merge-patch+json', body: JSON.stringify(change) });
  for (const { name } of nodes) {
    const room = { cpu: '4', memory: '8Gi', pods: '50' };
    const status = { capacity: room, allocatable: room, conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'ready' }] };
    await patch(`/api/v1/nodes/${name}/status`, { status });
    // The server gives each new node one.
    await patch(`/api/v1/nodes/${name}`, { spec: { taints: [] } });
  }
}

interface NamedCommand {
  readonly name: string;
  readonly command: readonly string[];
}

/** The containers of the pod that makes volumes, as processes of this machine. */
async function controllerCommands(api: ApiServer, pod: PodSpec, folder: string): Promise<readonly NamedCommand[]> {
  const kubeconfig = join(folder, 'controller.kubeconfig');
  await writeFile(kubeconfig, asAccount(await readFile(api.kubeconfigPath, 'utf8'), await tokenOf(api, pod.serviceAccountName)), { mode: 0o600 });
  await mkdir(join(folder, 'csi'));
  const program = await bundleProgram({ projectRoot: root, entry: join(root, 'src/bin/yado-csi.ts'), cache: defaultCacheRoot });
  const building = { modules: join(root, 'deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress };
  return Promise.all(pod.containers.map(async ({ name, image, args }) => {
    const start = name === 'driver' ? [...leanNode(process.execPath), program ?? ''] : [await ensureExtraProgram(/([^/]+):[^:/]+$/.exec(image)?.[1] ?? image, building)];
    const there = args.map((arg) => arg.replace('$(NODE_NAME)', 'controller').replace(/=\/(csi|state)\b/, `=${folder}/$1`));
    return { name, command: [...start, ...there, `--kubeconfig=${kubeconfig}`] };
  }));
}

function kubernetesCommands({ kubeconfigPath }: ApiServer, folder: string): readonly NamedCommand[] {
  const programs = process.env['YADO_BIN'] ?? '';
  const common = [`--kubeconfig=${kubeconfigPath}`, '--leader-elect=false', '--secure-port=0', `--cert-dir=${folder}`];
  const controllers = ['persistentvolume-binder-controller', 'persistentvolume-expander-controller', 'persistentvolume-protection-controller', 'persistentvolumeclaim-protection-controller'];
  return [
    { name: 'scheduler', command: [join(programs, 'kube-scheduler'), ...common] },
    { name: 'controller-manager', command: [join(programs, 'kube-controller-manager'), ...common, `--controllers=${controllers.join(',')}`] },
  ];
}

/** Ends with this process, be it killed. */
async function startProcess(name: string, [program = '', ...args]: readonly string[], folder: string): Promise<AsyncDisposable> {
  const child = spawn('setpriv', [...tiedProgram, 'sh', '-c', 'exec "$@" > "$0" 2>&1', join(folder, `${name}.log`), program, ...args], { stdio: 'ignore', env: { ...process.env, POD_NAMESPACE: releaseNamespace } });
  await once(child, 'spawn');
  return {
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
