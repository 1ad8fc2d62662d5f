import type { Duplex } from 'node:stream';
import { YadoError, type ErrorOptions } from '../../base/errors.ts';
import type { PodFiles } from '../pod-files.ts';

/** How the host reaches the guest's relay. */
export type LinkTransport = 'virtio-serial' | 'tls';

/** What a guest that hosts containers tells of itself. */
export interface GuestInfo {
  /** Another one after each boot. */
  readonly bootId: string;
  readonly machineId: string;
  readonly kernelVersion: string;
  /** PRETTY_NAME of its os-release. */
  readonly osImage: string;
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Absent from a relay that does not tell yet. */
  readonly cgroupVersion?: 1 | 2;
}

/** What a guest uses now, and how much room it has. */
export interface GuestPressure {
  readonly cpuNanoseconds: number;
  readonly memoryAvailableBytes: number;
  readonly memoryWorkingSetBytes: number;
  /** Of the file system that holds images, containers and pods' files. */
  readonly diskCapacityBytes: number;
  readonly diskAvailableBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

/** Where a pod of the guest gets its address from: the agent has taken it, the guest's CNI hands it out. */
export interface PodEndpoint {
  readonly podUid: string;
  /** IPv4 address without prefix length. */
  readonly address: string;
}

/** How the guest connects its pods. */
export interface GuestNetwork {
  readonly mtu: number;
}

/**
 * The way into one guest that hosts containers. It connects by itself and again after every loss; calls made
 * meanwhile reject with a LinkError of code `LinkDown`. Nothing in the guest ends when the link does.
 */
export interface GuestLink extends AsyncDisposable {
  readonly transport: LinkTransport;
  readonly connected: boolean;
  /** Calls the listener when the link comes and goes. The returned function ends it. */
  onChange(listener: (connected: boolean) => void): () => void;
  /** Path of a unix socket of this host; each connection to it reaches the guest's containerd (CRI and its own API). */
  readonly runtimeSocket: string;
  /** A byte stream to a TCP port of the guest's loopback: the runtime's streaming server. */
  dial(port: number, signal?: AbortSignal): Promise<Duplex>;
  /** A byte stream to a TCP port in a pod's network namespace, by the sandbox's process; for port-forward. */
  dialPod(pid: number, port: number, signal?: AbortSignal): Promise<Duplex>;
  readonly files: PodFiles;
  info(signal?: AbortSignal): Promise<GuestInfo>;
  pressure(signal?: AbortSignal): Promise<GuestPressure>;
  /** Makes the guest ready for pods: forwarding, CNI configuration. Idempotent. */
  setNetwork(network: GuestNetwork, signal?: AbortSignal): Promise<void>;
  /** Says which address the pod's sandbox gets; before the sandbox is made. Idempotent. */
  setEndpoint(endpoint: PodEndpoint, signal?: AbortSignal): Promise<void>;
  removeEndpoint(podUid: string, signal?: AbortSignal): Promise<void>;
}

export class LinkError extends YadoError {
  declare readonly code: 'LinkDown' | 'LinkRefused';
  constructor(code: LinkError['code'], message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
