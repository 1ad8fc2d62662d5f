import { containerHostImages, containerHostMachine, CONTAINER_IMAGE, insideOf } from './container-host-objects.ts';
import { documents } from './cluster.ts';

export const NAMESPACE = 'inside';
export const MACHINE = 'shell';
export const NODE = `${MACHINE}.${NAMESPACE}`;
/** Name of the volume in which each start of a pod's container leaves a line. */
export const STARTS = 'starts';

/** The machine that is a node, and its images. */
export const machine = documents(...containerHostImages, containerHostMachine(MACHINE, { disk: '4Gi', spec: { memory: '768Mi', containerHost: { maxPods: 40 } } }));

const inside = insideOf(MACHINE, NAMESPACE);

/** A pod that must not notice what is killed around it. */
export interface WitnessPod {
  readonly name: string;
  /** Command line by which its process is known in the guest; no other has it. */
  readonly command: string;
  /** Ends by itself now and then, and is started again. */
  readonly restless: boolean;
  readonly spec: object;
}

const container = (command: string): object => ({ name: 'c', image: CONTAINER_IMAGE, imagePullPolicy: 'Never', command: ['sh', '-c', command], volumeMounts: [{ name: STARTS, mountPath: '/starts' }] });

function witness(name: string, command: string, { restless = false, more = {} }: { readonly restless?: boolean; readonly more?: object } = {}): WitnessPod {
  return { name, command, restless, spec: { containers: [container(`echo x >> /starts/main; exec ${command}`)], ...more } };
}

export const witnessPods: readonly WitnessPod[] = [
  witness('plain', 'sleep 1000001'),
  witness('prepared', 'sleep 1000002', { more: { initContainers: [{ ...container('echo x >> /starts/init'), name: 'first' }] } }),
  witness('restless', 'sleep 0000020', { restless: true }),
];

/** Runs once: it fails when its container is run a second time. */
export const probeSpec: object = { restartPolicy: 'Never', containers: [container('echo x >> /starts/main; sleep 1; [ "$(wc -l < /starts/main)" = 1 ]')] };

/** A pod in the machine, as a document to apply. */
export function podInside(name: string, spec: object): string {
  return documents({
    apiVersion: 'v1', kind: 'Pod', metadata: { name },
    spec: {
      ...inside, terminationGracePeriodSeconds: 1, automountServiceAccountToken: false, volumes: [{ name: STARTS, emptyDir: {} }],
      tolerations: [...inside.tolerations, ...['not-ready', 'unreachable'].map((key) => ({ key: `node.kubernetes.io/${key}`, operator: 'Exists' }))],
      ...spec,
    },
  });
}
