import { randomUUID } from 'node:crypto';
import { constants, copyFile, mkdir, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ClusterContext } from '../context.ts';
import { readIfExists, writeFileAtomically } from '../file.ts';
import { kubeconfigText } from '../kubeconfig.ts';
import { nodeAddress } from '../network-plan.ts';
import { privateFolders } from './boot-script.ts';
import { cniConfig, containerdConfig, initialBirdConfig, kubeletConfig, libvirtdConfig, qemuConfig } from './config.ts';
import { bridgeConfig } from './foreign-cni.ts';

/** Writes a node's folder on the host: what it keeps stays, configurations are made anew. */
export async function prepareNodeFolder(context: ClusterContext, node: string, ordinal: number): Promise<string> {
  const { plan } = context;
  const address = nodeAddress(plan, ordinal);
  const folder = join(context.layout.nodes, node);
  // The mount points must exist on the host too; there they stay empty.
  await Promise.all(privateFolders.flatMap((path) => [mkdir(folder + path, { recursive: true }), mkdir(path, { recursive: true })]));
  const uuid = (await readIfExists(join(folder, 'host-uuid'))) ?? randomUUID();
  const text: Readonly<Record<string, string>> = {
    'host-uuid': uuid,
    'etc/containerd/config.toml': containerdConfig,
    'etc/cni/net.d/10-yadokari.conflist': context.record.cni === 'bridge' ? bridgeConfig(plan, ordinal) : cniConfig,
    'etc/libvirt/libvirtd.conf': libvirtdConfig(uuid),
    'etc/libvirt/qemu.conf': qemuConfig,
    'etc/yadokari/bird.conf': initialBirdConfig(address),
    'etc/yadokari/resolv.conf': `nameserver ${plan.gateway}\n`,
    'etc/yadokari/kubelet.yaml': kubeletConfig(plan, address),
    'etc/yadokari/passwd': withLibvirtAccount(await readFile('/etc/passwd', 'utf8'), 'libvirt-qemu:x:64055:64055:QEMU:/var/lib/libvirt:/usr/sbin/nologin'),
    'etc/yadokari/group': withLibvirtAccount(await readFile('/etc/group', 'utf8'), 'libvirt-qemu:x:64055:'),
    ...(await credentialFiles(context, node)),
  };
  await Promise.all([
    ...Object.entries(text).map(([path, content]) => writeFileAtomically(join(folder, path), content, /resolv|cni|passwd|group/.test(path) ? 0o644 : 0o600)),
    ...Object.entries(context.record.cniPlugins).map(([name, source]) => install(source, join(folder, 'opt/cni/bin', name))),
    ...context.record.imports.map((source) => install(source, join(folder, 'var/lib/yadokari/import', basename(source)))),
  ]);
  return folder;
}

/** libvirt looks its default account up even when it is told to use another; the package that makes it is not installed. */
function withLibvirtAccount(text: string, line: string): string {
  return /^libvirt-qemu:/m.test(text) ? text : `${text.trimEnd()}\n${line}\n`;
}

/** What drivers of volumes need, also on a node that runs already. */
export async function writeStorageCredentials(context: ClusterContext, node: string): Promise<void> {
  const folder = join(context.layout.nodes, node);
  for (const [path, content] of Object.entries(await storageFiles(context, node))) await writeFileAtomically(join(folder, path), content);
}

async function storageFiles(context: ClusterContext, node: string): Promise<Readonly<Record<string, string>>> {
  return context.record.storage === undefined ? {} : { 'etc/yadokari/csi.kubeconfig': await kubeconfigOf(context, `${node}-csi`) };
}

async function kubeconfigOf({ pki, plan, layout }: ClusterContext, credentials: string): Promise<string> {
  const { certificate } = await pki.pair('cluster-ca');
  return kubeconfigText({ name: layout.name, server: `https://${plan.gateway}:6443`, authorityCertificate: certificate, credentials: await pki.pair(credentials) });
}

async function credentialFiles(context: ClusterContext, node: string): Promise<Readonly<Record<string, string>>> {
  const { pki } = context;
  const [authority, server] = await Promise.all([pki.pair('cluster-ca'), pki.pair(`${node}-kubelet-server`)]);
  return {
    'etc/yadokari/pki/cluster-ca.crt': authority.certificate,
    'etc/yadokari/pki/kubelet-server.crt': server.certificate,
    'etc/yadokari/pki/kubelet-server.key': server.key,
    'etc/yadokari/kubelet.kubeconfig': await kubeconfigOf(context, `${node}-kubelet-client`),
    'etc/yadokari/proxy.kubeconfig': await kubeconfigOf(context, `${node}-proxy`),
    'etc/yadokari/agent.kubeconfig': await kubeconfigOf(context, `${node}-agent`),
    ...(await storageFiles(context, node)),
  };
}

/** A copy, shared with its source where the filesystem can; a program that runs from the old one goes on with it. */
async function install(source: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await copyFile(source, `${target}.tmp`, constants.COPYFILE_FICLONE);
  await rename(`${target}.tmp`, target);
}
