import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerConfig, Cri, SandboxConfig } from '../../src/container/cri.ts';
import type { Hypervisor } from '../../src/vm/port.ts';

/** A pod as bare as a runtime makes it: a sandbox with an address, and one container. Nobody's, so that nobody tidies it away. */
export class PodFloor {
  readonly #cri: Cri;
  readonly #hypervisor: Hypervisor;
  readonly #machine: string;
  #count = 0;

  /** `machine` is the guest whose runtime `cri` is. */
  constructor(cri: Cri, hypervisor: Hypervisor, machine: string) {
    this.#cri = cri;
    this.#hypervisor = hypervisor;
    this.#machine = machine;
  }

  /** Makes so many at once; milliseconds until each container runs. They are gone when this resolves. */
  async start(image: string, pods: number): Promise<readonly number[]> {
    const bare = await Promise.all(Array.from({ length: pods }, () => this.#prepare()));
    const sandboxes: string[] = [];
    try {
      const started = performance.now();
      return await Promise.all(bare.map(async (config) => {
        const sandbox = await this.#cri.runSandbox(config);
        sandboxes.push(sandbox);
        await this.#cri.startContainer(await this.#cri.createContainer(sandbox, containerConfig(image), config));
        return performance.now() - started;
      }));
    } finally {
      for (const sandbox of sandboxes) {
        await this.#cri.stopSandbox(sandbox);
        await this.#cri.removeSandbox(sandbox);
      }
    }
  }

  /** Its address is known to the guest beforehand, as an endpoint of the relay is. */
  async #prepare(): Promise<SandboxConfig> {
    this.#count += 1;
    const uid = randomUUID();
    await this.#shell(`mkdir -p /run/yadokari/endpoints && printf 169.254.77.${this.#count} > /run/yadokari/endpoints/${uid}`);
    return {
      metadata: { name: `floor-${this.#count}`, uid, namespace: 'floor', attempt: 0 }, hostname: 'floor', logDirectory: `/tmp/floor/${uid}`,
      dns: { servers: [], searches: [], options: [] }, labels: {}, annotations: {}, cgroupParent: '/floor', securityContext: { namespaces: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
    };
  }

  async #shell(script: string): Promise<void> {
    const { pid } = await this.#hypervisor.agentCommand(this.#machine, 'guest-exec', { path: '/bin/sh', arg: ['-c', script] }) as { readonly pid: number };
    while (!(await this.#hypervisor.agentCommand(this.#machine, 'guest-exec-status', { pid }) as { readonly exited: boolean }).exited) await delay(50);
  }
}

function containerConfig(image: string): ContainerConfig {
  return {
    metadata: { name: 'c', attempt: 0 }, image, command: ['sleep', '100000'], envs: [], mounts: [], labels: {}, annotations: {}, logPath: 'c.log', resources: {},
    security: { namespaces: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
  };
}
