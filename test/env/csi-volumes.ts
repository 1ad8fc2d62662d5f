import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { silentProgress } from '../../src/base/progress.ts';
import { run } from '../../src/base/process.ts';
import { defaultCacheRoot } from '../../src/local/layout.ts';
import { ensureExtraProgram } from '../../src/local/toolchain/toolchain.ts';
import type { CsiDriverUnderTest } from './csi-driver.ts';

export const MI = 2 ** 20;

export type AccessMode = 'SINGLE_NODE_WRITER' | 'MULTI_NODE_READER_ONLY' | 'MULTI_NODE_MULTI_WRITER';

export function mountable(fsType = '', mode: AccessMode = 'SINGLE_NODE_WRITER'): object {
  return { mount: { fsType }, accessMode: { mode } };
}

export function block(mode: AccessMode = 'SINGLE_NODE_WRITER'): object {
  return { block: {}, accessMode: { mode } };
}

/** What a kubelet and the sidecars ask of a driver, in their order. */
export class CsiVolumes {
  readonly #driver: CsiDriverUnderTest;

  constructor(driver: CsiDriverUnderTest) {
    this.#driver = driver;
  }

  at(name: string): string {
    return join(this.#driver.folder, name);
  }

  async create(name: string, more: object = {}): Promise<string> {
    return (await this.#driver.call('CreateVolume', { name, capacityRange: { requiredBytes: 32 * MI }, volumeCapabilities: [mountable()], ...more }))['volume'].volumeId;
  }

  async remove(volumeId: string): Promise<void> {
    await this.#driver.call('DeleteVolume', { volumeId });
  }

  async snapshot(sourceVolumeId: string, name: string): Promise<string> {
    return (await this.#driver.call('CreateSnapshot', { name, sourceVolumeId }))['snapshot'].snapshotId;
  }

  async removeSnapshot(snapshotId: string): Promise<void> {
    await this.#driver.call('DeleteSnapshot', { snapshotId });
  }

  /** The volume's path. */
  async publish(volumeId: string, name: string, volumeCapability: object = mountable(), readonly = false): Promise<string> {
    await this.#driver.call('ControllerPublishVolume', { volumeId, nodeId: this.#driver.node, volumeCapability });
    await this.#driver.call('NodeStageVolume', { volumeId, stagingTargetPath: this.at(`staged-${name}`), volumeCapability });
    await this.#driver.call('NodePublishVolume', { volumeId, stagingTargetPath: this.at(`staged-${name}`), targetPath: this.at(name), volumeCapability, readonly });
    return this.at(name);
  }

  async unpublish(volumeId: string, name: string): Promise<void> {
    await this.#driver.call('NodeUnpublishVolume', { volumeId, targetPath: this.at(name) });
    await this.#driver.call('NodeUnstageVolume', { volumeId, stagingTargetPath: this.at(`staged-${name}`) });
    await this.#driver.call('ControllerUnpublishVolume', { volumeId, nodeId: this.#driver.node });
  }

  async expand(volumeId: string, name: string, requiredBytes: number): Promise<void> {
    await this.#driver.call('ControllerExpandVolume', { volumeId, capacityRange: { requiredBytes } });
    await this.#driver.call('NodeExpandVolume', { volumeId, volumePath: this.at(name), capacityRange: { requiredBytes } });
  }

  async totalBytes(volumeId: string, name: string): Promise<number> {
    return Number((await this.#driver.call('NodeGetVolumeStats', { volumeId, volumePath: this.at(name) }))['usage'][0].total);
  }

  async unpublishAndRemove(volumeId: string, name: string): Promise<void> {
    await this.unpublish(volumeId, name);
    await this.remove(volumeId);
  }
}

/** Runs CSI's own tests; how many have passed and failed, and the end of what they said. */
export async function runSanity(driver: CsiDriverUnderTest): Promise<{ readonly passed: number; readonly failed: number; readonly said: string }> {
  const sanity = await ensureExtraProgram('csi-sanity', { modules: join(import.meta.dirname, '../../deploy/toolchain'), cache: defaultCacheRoot, environment: process.env, progress: silentProgress });
  const said = await run('sh', ['-c', '"$@" || true', 'sh', sanity, '--csi.endpoint', driver.socket, '--csi.testvolumesize', String(320 * MI), '--csi.testvolumeexpandsize', String(400 * MI), '--csi.mountdir', join(driver.folder, 'sanity'), '--csi.stagingdir', join(driver.folder, 'sanity-staging'), '--ginkgo.no-color'], { timeoutMs: 400_000 });
  const [, passed = '0', failed = '1'] = /(\d+) Passed \| (\d+) Failed/.exec(said) ?? [];
  return { passed: Number(passed), failed: Number(failed), said: said.slice(-6000) };
}

/** What it gives when it gives something at last. */
export async function again<T>(call: () => Promise<T>, patienceMs = 60_000): Promise<T> {
  let telling: unknown;
  for (const giveUpAt = Date.now() + patienceMs; ; await delay(50)) {
    try {
      return await call();
    } catch (error) {
      // That another call is under way says nothing of why that has not ended.
      if (!String(error).includes('ABORTED')) telling = error;
      if (Date.now() > giveUpAt) throw telling ?? error;
    }
  }
}
