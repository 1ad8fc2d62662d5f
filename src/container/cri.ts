/**
 * The Container Runtime Interface (runtime.v1) as the virtual node uses it. Names and meanings are those of CRI's
 * messages; times are nanoseconds since the epoch as bigint, 0n where there is none. Calls reject with a
 * ContainerError; what is unknown to the runtime is `undefined` where a status is asked for, and no error where
 * something is stopped or removed.
 */
export interface Cri extends Disposable {
  version(signal?: AbortSignal): Promise<{ readonly runtimeName: string; readonly runtimeVersion: string }>;
  /** Whether runtime and network are ready, with the reason where one is not. */
  status(signal?: AbortSignal): Promise<readonly CriCondition[]>;

  runSandbox(config: SandboxConfig, signal?: AbortSignal): Promise<string>;
  stopSandbox(id: string, signal?: AbortSignal): Promise<void>;
  removeSandbox(id: string, signal?: AbortSignal): Promise<void>;
  listSandboxes(signal?: AbortSignal): Promise<readonly Sandbox[]>;
  sandboxStatus(id: string, signal?: AbortSignal): Promise<SandboxStatus | undefined>;

  createContainer(sandbox: string, config: ContainerConfig, sandboxConfig: SandboxConfig, signal?: AbortSignal): Promise<string>;
  startContainer(id: string, signal?: AbortSignal): Promise<void>;
  /** SIGTERM (or the image's signal), after `timeoutSeconds` SIGKILL. Resolves once it has ended. */
  stopContainer(id: string, timeoutSeconds: number, signal?: AbortSignal): Promise<void>;
  removeContainer(id: string, signal?: AbortSignal): Promise<void>;
  listContainers(signal?: AbortSignal): Promise<readonly CriContainer[]>;
  containerStatus(id: string, signal?: AbortSignal): Promise<CriContainerStatus | undefined>;
  updateResources(id: string, resources: LinuxResources, signal?: AbortSignal): Promise<void>;
  reopenLog(id: string, signal?: AbortSignal): Promise<void>;
  /** Runs a command in a container and returns what it printed; for probes and hooks. */
  execSync(id: string, command: readonly string[], timeoutSeconds: number, signal?: AbortSignal): Promise<{ readonly stdout: Buffer; readonly stderr: Buffer; readonly exitCode: number }>;
  /** URLs of the runtime's streaming server, on its own loopback. */
  exec(request: ExecRequest, signal?: AbortSignal): Promise<string>;
  attach(request: Omit<ExecRequest, 'command'>, signal?: AbortSignal): Promise<string>;
  portForward(sandbox: string, ports: readonly number[], signal?: AbortSignal): Promise<string>;

  listStats(signal?: AbortSignal): Promise<readonly ContainerStats[]>;

  /** Undefined when the image is not there. */
  imageStatus(image: string, signal?: AbortSignal): Promise<CriImage | undefined>;
  listImages(signal?: AbortSignal): Promise<readonly CriImage[]>;
  /** The reference of what was pulled. */
  pullImage(image: string, auth: RegistryAuth | undefined, sandbox: SandboxConfig | undefined, signal?: AbortSignal): Promise<string>;
  removeImage(image: string, signal?: AbortSignal): Promise<void>;
  imageUsedBytes(signal?: AbortSignal): Promise<number>;

  /** Calls the listener when containers or sandboxes may have changed, where the runtime tells; who depends on it must look now and then besides. */
  onChange(listener: () => void): () => void;
}

export interface CriCondition {
  readonly type: string;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
}

export interface SandboxConfig {
  readonly metadata: { readonly name: string; readonly uid: string; readonly namespace: string; readonly attempt: number };
  readonly hostname: string;
  /** Folder of the pod's logs on the runtime's machine. */
  readonly logDirectory: string;
  readonly dns: { readonly servers: readonly string[]; readonly searches: readonly string[]; readonly options: readonly string[] };
  readonly portMappings?: readonly { readonly protocol: 'TCP' | 'UDP' | 'SCTP'; readonly containerPort: number; readonly hostPort: number; readonly hostIp: string }[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly cgroupParent: string;
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly securityContext: SandboxSecurity;
}

export interface SandboxSecurity {
  readonly namespaces: NamespaceOptions;
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly supplementalGroups?: readonly number[];
  readonly readonlyRootfs?: boolean;
  readonly privileged?: boolean;
  readonly seccomp?: SecurityProfile;
}

export interface NamespaceOptions {
  /** POD, CONTAINER (pid only), NODE, or TARGET with a container's id (pid of ephemeral containers). */
  readonly network: 'POD' | 'NODE';
  readonly pid: 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';
  readonly ipc: 'POD' | 'NODE';
  readonly targetId?: string;
}

export interface SecurityProfile {
  readonly type: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  readonly localhostRef?: string;
}

export interface LinuxResources {
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpuShares?: number;
  readonly memoryLimitBytes?: number;
  readonly oomScoreAdj?: number;
  /** cgroup v2's own settings, such as memory.high. */
  readonly unified?: Readonly<Record<string, string>>;
}

export interface ContainerConfig {
  readonly metadata: { readonly name: string; readonly attempt: number };
  readonly image: string;
  /** As the user wrote it. */
  readonly userSpecifiedImage?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly envs: readonly { readonly key: string; readonly value: string }[];
  readonly mounts: readonly CriMount[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Relative to the sandbox's log directory. */
  readonly logPath: string;
  readonly stdin?: boolean;
  readonly stdinOnce?: boolean;
  readonly tty?: boolean;
  readonly resources: LinuxResources;
  readonly security: ContainerSecurity;
}

export interface CriMount {
  readonly containerPath: string;
  /** On the runtime's machine. */
  readonly hostPath: string;
  readonly readonly: boolean;
  readonly propagation?: 'PRIVATE' | 'HOST_TO_CONTAINER' | 'BIDIRECTIONAL';
}

export interface ContainerSecurity {
  readonly namespaces: NamespaceOptions;
  readonly privileged?: boolean;
  readonly addCapabilities?: readonly string[];
  readonly dropCapabilities?: readonly string[];
  readonly runAsUser?: number;
  readonly runAsUsername?: string;
  readonly runAsGroup?: number;
  readonly supplementalGroups?: readonly number[];
  readonly readonlyRootfs?: boolean;
  readonly noNewPrivileges?: boolean;
  readonly seccomp?: SecurityProfile;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
}

export interface Sandbox {
  readonly id: string;
  readonly metadata: SandboxConfig['metadata'];
  readonly ready: boolean;
  readonly createdAt: bigint;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface SandboxStatus extends Sandbox {
  readonly address: string;
  /** The process that holds its namespaces; undefined when it does not run. */
  readonly pid: number | undefined;
}

export type CriContainerState = 'CREATED' | 'RUNNING' | 'EXITED' | 'UNKNOWN';

export interface CriContainer {
  readonly id: string;
  readonly sandbox: string;
  readonly metadata: { readonly name: string; readonly attempt: number };
  readonly state: CriContainerState;
  readonly createdAt: bigint;
  readonly image: string;
  readonly imageRef: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface CriContainerStatus extends Omit<CriContainer, 'sandbox'> {
  readonly startedAt: bigint;
  readonly finishedAt: bigint;
  readonly exitCode: number;
  /** Completed, Error, OOMKilled, … */
  readonly reason: string;
  readonly message: string;
  readonly logPath: string;
}

export interface ExecRequest {
  readonly container: string;
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface ContainerStats {
  readonly id: string;
  readonly metadata: CriContainer['metadata'];
  readonly labels: Readonly<Record<string, string>>;
  readonly cpuNanoseconds: bigint;
  readonly memoryWorkingSetBytes: bigint;
  readonly memoryUsageBytes: bigint;
  readonly memoryRssBytes: bigint;
  readonly writableLayerBytes: bigint;
  readonly writableLayerInodes: bigint;
  readonly timestamp: bigint;
}

export interface CriImage {
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly sizeBytes: bigint;
  /** User that the image runs as; undefined when it is root or says nothing. */
  readonly user?: { readonly uid?: number; readonly name?: string };
}

export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identityToken?: string;
  readonly serverAddress?: string;
}
