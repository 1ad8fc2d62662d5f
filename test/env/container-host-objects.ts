import { join } from 'node:path';
import { API_VERSION } from '../../src/api/group.ts';
import type { VirtualMachine, VirtualMachineImage } from '../../src/kube/yadokari.ts';
import { buildContainerImages } from '../../src/local/images/container-images.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { containerHostImage } from './container-host.ts';

/** The image that containers are made from, in machines and on nodes. */
export const CONTAINER_IMAGE = 'localhost/yadokari/hello:1';

/** Builds the files that the images below are imported from, and returns their paths. */
export async function containerHostImports(): Promise<readonly string[]> {
  const cacheFolder = join(defaultCacheRoot, 'images');
  const built = await Promise.all([containerHostImage(cacheFolder), buildContainerImages({ cacheFolder })]);
  return built.map(({ path }) => path);
}

function image(name: string, format: VirtualMachineImage['spec']['format'], file: string): VirtualMachineImage {
  return { apiVersion: API_VERSION, kind: 'VirtualMachineImage', metadata: { name }, spec: { format, source: { file: { path: `/var/lib/yadokari/import/${file}` } } } };
}

/** The guest, and the containers' images that it finds on a disk. */
export const containerHostImages: readonly VirtualMachineImage[] = [image('container-host', 'tar', 'container-host.tar'), image('container-images', 'raw', 'images.tar')];

export interface ContainerHostOptions {
  /** Of the disk for its containers; without one they are in memory, and wait for nothing. */
  readonly disk?: string;
  readonly spec?: Partial<VirtualMachine['spec']>;
}

/** A machine that is a node. */
export function containerHostMachine(name: string, { disk, spec = {} }: ContainerHostOptions): VirtualMachine {
  const disks = [{ name: 'images', image: 'container-images', readOnly: true, ephemeral: true }, ...(disk === undefined ? [] : [{ name: 'containers', blank: {}, size: disk, ephemeral: true }])];
  return { apiVersion: API_VERSION, kind: 'VirtualMachine', metadata: { name }, spec: { kernelBoot: { image: 'container-host' }, containerHost: {}, terminationGracePeriodSeconds: 3, disks, ...spec } };
}

/** A container that runs a line of shell. */
export function shellContainer(command: string, more: object = {}) {
  return { name: 'c', image: CONTAINER_IMAGE, imagePullPolicy: 'Never', command: ['sh', '-c', command], ...more };
}

/** Serves its name and `$VERSION`, and at /cgi-bin/who the address of who asks. */
export const SITE = `mkdir -p /www/cgi-bin
printf '%s\\n' '#!/bin/sh' 'printf "Content-Type: text/plain\\r\\n\\r\\n$REMOTE_ADDR"' > /www/cgi-bin/who
chmod +x /www/cgi-bin/who
echo $HOSTNAME $VERSION > /www/index.html
exec httpd -f -p 0.0.0.0:80 -h /www`;

/** What puts a core/v1 Pod into a machine. */
export function insideOf(name: string, namespace: string) {
  return {
    tolerations: [{ key: 'yadokari.dev/virtual-node', operator: 'Exists' }],
    nodeSelector: { 'yadokari.dev/virtual-machine': name, 'yadokari.dev/namespace': namespace },
  };
}
