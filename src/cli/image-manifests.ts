import { stringify } from 'yaml';

const apiVersion = 'yadokari.dev/v1alpha1';

/** The image that hosts containers, and a machine that is a node by it. */
export function containerHostManifest(name: string, path: string): string {
  return documents([
    image(name, 'tar', path),
    {
      apiVersion, kind: 'VirtualMachine', metadata: { name: 'host' },
      spec: { cpu: 1, memory: '512Mi', kernelBoot: { image: name }, disks: [{ name: 'containers', blank: {}, size: '10Gi' }], containerHost: {} },
    },
  ]);
}

/** The relay's disk, and how a machine of any Debian or Ubuntu cloud image uses it. */
export function relayManifest(name: string, path: string): string {
  const userData = `#cloud-config\n${stringify({
    package_update: true,
    packages: ['containerd', 'runc'],
    runcmd: ['mkdir -p /run/yado-relay', 'mount -o ro LABEL=YADO-RELAY /run/yado-relay', 'sh /run/yado-relay/install'],
  })}`;
  return documents([
    image(name, 'raw', path),
    {
      apiVersion, kind: 'VirtualMachine', metadata: { name: 'host' },
      spec: { cpu: 2, memory: '2Gi', disks: [{ name: 'root', image: 'debian-13', size: '20Gi' }, { name: 'relay', image: name, readOnly: true }], cloudInit: { userData }, containerHost: {} },
    },
  ]);
}

function image(name: string, format: string, path: string): object {
  return { apiVersion, kind: 'VirtualMachineImage', metadata: { name }, spec: { format, source: { file: { path } } } };
}

function documents(objects: readonly object[]): string {
  return objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n').trimEnd();
}
