import { join } from 'node:path';
import type { Log } from '../../base/log.ts';
import { messageOf } from '../../base/errors.ts';
import { offeredTypes } from '../file-systems.ts';
import type { Backend, NodeVolumes } from '../port.ts';
import { CsiController, type Fenced } from './controller.ts';
import { CsiNode } from './node.ts';
import { csiServices, registrationService } from './protocol.ts';
import { GrpcServer, type Handler } from './server.ts';

export interface CsiDriverOptions {
  /** Such as `local.csi.yadokari.dev`; the CSIDriver's and the provisioner's name. */
  readonly name: string;
  readonly version: string;
  readonly backend: Backend;
  /** The node's part; absent where this is the controller alone. */
  readonly node?: { readonly name: string; readonly volumes: NodeVolumes };
  /** Whether there is a node of this id. Default: this one. */
  readonly isNode?: (id: string) => Promise<boolean>;
  /** Remembers that a node was kept from a volume, before the volume may move. Default: the log. */
  readonly remember?: (fenced: Fenced) => Promise<void>;
  /** Unix socket to serve on. */
  readonly socket: string;
  /** Number of the group that may call it, besides root. Default: none. */
  readonly socketGroup?: number;
  /** The kubelet's folder for sockets of plugins that want to be found; absent: the driver is not registered. */
  readonly registrationFolder?: string;
  /** The socket as the kubelet sees it. Default: `socket`. */
  readonly endpoint?: string;
  readonly log: Log;
}

/** A CSI driver for one backend: https://github.com/container-storage-interface/spec/blob/master/spec.md. */
export class CsiDriver implements AsyncDisposable {
  readonly #servers: readonly GrpcServer[];

  private constructor(servers: readonly GrpcServer[]) {
    this.#servers = servers;
  }

  static async start(options: CsiDriverOptions): Promise<CsiDriver> {
    const { backend, node, log, name, socket, registrationFolder, endpoint = socket } = options;
    const nodeId = async (): Promise<string> => await node?.volumes.nodeId?.() ?? node?.name ?? '';
    const isNode = options.isNode ?? (async (id) => id === await nodeId());
    const remember = options.remember ?? (async (fenced) => log.warn(fenced, 'a node was kept from a volume'));
    const services = csiServices();
    const server = new GrpcServer(log);
    const add = (service: string, handlers: Readonly<Record<string, Handler>>): void => {
      const known = services.get(service);
      if (known !== undefined) server.add(known, handlers);
    };
    add('Identity', identity(options));
    add('Controller', new CsiController({ backend, fsTypes: await offeredTypes(), isNode, remember }).handlers());
    if (node !== undefined) add('Node', new CsiNode({ volumes: node.volumes, nodeId, topology: backend.features.topology }).handlers());
    await server.listen(socket, options.socketGroup);
    const registration = registrationService();
    if (registrationFolder === undefined || registration === undefined) return new CsiDriver([server]);
    const registrar = new GrpcServer(log);
    registrar.add(registration, {
      GetInfo: async () => ({ type: 'CSIPlugin', name, endpoint, supportedVersions: ['1.0.0'] }),
      NotifyRegistrationStatus: async ({ pluginRegistered, error }) => {
        log[pluginRegistered === true ? 'info' : 'error']({ error }, pluginRegistered === true ? 'the kubelet knows the driver' : 'the kubelet does not take the driver');
        return {};
      },
    });
    await registrar.listen(join(registrationFolder, `${name}-reg.sock`));
    return new CsiDriver([registrar, server]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()));
  }
}

function identity({ name, version, backend, log }: CsiDriverOptions): Readonly<Record<string, Handler>> {
  return {
    GetPluginInfo: async () => ({ name, vendorVersion: version }),
    GetPluginCapabilities: async () => ({
      capabilities: [
        { service: { type: 'CONTROLLER_SERVICE' } },
        ...(backend.features.topology === undefined ? [] : [{ service: { type: 'VOLUME_ACCESSIBILITY_CONSTRAINTS' } }]),
        { volumeExpansion: { type: 'ONLINE' } },
      ],
    }),
    Probe: async () => {
      const ready = await backend.probe().then(() => true, (error: unknown) => {
        log.warn({ error: messageOf(error) }, 'the backend cannot be reached');
        return false;
      });
      return { ready: { value: ready } };
    },
  };
}
