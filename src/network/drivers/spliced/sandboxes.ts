/** What holds an anchor's namespaces. */
export interface Sandbox {
  readonly id: string;
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
}

/** What the network must know of the node's container runtime. */
export interface Sandboxes {
  /** All that are ready, or those of one pod; the newest first. */
  readySandboxes(podUid?: string, signal?: AbortSignal): Promise<readonly Sandbox[]>;
  /** The process whose network namespace is the sandbox's; undefined when the sandbox is not ready. */
  pidOf(sandbox: string, signal?: AbortSignal): Promise<number | undefined>;
  /** Calls the listener when sandboxes may have come, if the runtime tells. */
  onStart(listener: () => void): () => void;
}
