import { readFile } from 'node:fs/promises';
import { systemClock } from '../../../base/clock.ts';
import { Controller } from '../../../kube/controller.ts';
import { Informer } from '../../../kube/informer.ts';
import { replicatedVolumes } from '../../../kube/yadokari.ts';
import { InTurn } from '../../in-turn.ts';
import { StorageError, type OpenBackend } from '../../port.ts';
import { DrbdBackend } from './backend.ts';
import { watchKernel } from './events.ts';
import { Facts } from './facts.ts';
import { DrbdKernel } from './kernel.ts';
import { LogicalVolumes } from './logical-volumes.ts';
import { LoneTimes } from './lone-times.ts';
import { DrbdNodeVolumes } from './node.ts';
import { replicationAddress, reportNode } from './node-report.ts';
import { NodeNumbers } from './numbers.ts';
import { Paces } from './paces.ts';
import type { ReplicaContext } from './replica.ts';
import { ReplicaReconciler } from './replica-reconciler.ts';
import { ResourceFiles } from './resource-files.ts';
import { parseSettings } from './settings.ts';
import { VolumeObjects } from './volume-objects.ts';

const BACKOFF = { baseMs: 500, capMs: 5000 };

/** A driver's part in the volumes of all nodes: it makes objects of them and, where it attaches any, keeps this node's replicas as the objects have them. */
export const openDrbd: OpenBackend = async ({ node, attaches = true, settings: given, api, log }) => {
  const settings = parseSettings(given);
  if (api === undefined) throw new StorageError('InvalidRequest', 'replicated volumes are kept in the API: the driver needs a StorageBackend', { disposition: 'stalled' });
  const { client } = api;
  const clock = systemClock;
  const life = new AbortController();
  const { signal } = life;
  const [kernel, objects, loneTimes] = [new DrbdKernel(), new VolumeObjects(client, api.backend), new LoneTimes(clock)];
  // Without DRBD here volumes of other nodes can be made all the same, and the node says what it lacks.
  const version = await kernel.version().catch(() => '8');
  const context: ReplicaContext = {
    node, settings, objects, kernel, clock, log, hostname: (await readFile('/proc/sys/kernel/hostname', 'utf8')).trim(), major: Number.parseInt(version, 10),
    address: () => replicationAddress({ settings, node }, client),
    backing: new LogicalVolumes(settings), files: new ResourceFiles(), facts: new Facts(), turns: new InTurn(), paces: new Paces(clock),
  };
  const numbers = new NodeNumbers({ node, ports: settings.ports, kernel });
  const volumes = new Informer(client, replicatedVolumes, { log });
  const { reconcile } = new ReplicaReconciler({ context, volumes, numbers, loneTimes });
  const controller = new Controller({ name: 'replica', reconcile, log, backoff: BACKOFF }).watch(volumes);
  const running: Promise<void>[] = [];
  if (attaches) {
    await context.facts.prepare();
    volumes.start();
    running.push(controller.run(signal), reportNode(context, client, signal), watchKernel((id) => controller.enqueue(id), clock, signal));
  }
  return {
    backend: new DrbdBackend({ objects, settings, node, clock }),
    volumes: new DrbdNodeVolumes({ context, numbers, loneTimes, volumes: () => volumes.list().filter(({ spec }) => spec.backend === api.backend), look: (id) => controller.enqueue(id) }),
    async [Symbol.asyncDispose]() {
      life.abort(new Error('the driver is to end'));
      await Promise.all(running);
      await volumes[Symbol.asyncDispose]();
    },
  };
};
