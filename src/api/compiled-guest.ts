/**
 * A VirtualMachine with everything resolved that the cluster knows: instance type, defaults, images. The operator
 * writes it on the anchor, the node's agent runs just this, so scheduler and hypervisor see the same machine.
 * Secrets are named, never copied.
 */
export interface CompiledGuest {
  readonly name: string;
  readonly uid: string;
  readonly cpu: { readonly sockets: number; readonly cores: number; readonly threads: number; readonly model?: string };
  readonly memoryMiB: number;
  readonly boot:
    | { readonly kind: 'firmware'; readonly firmware: 'bios' | 'uefi' | 'uefiSecure' }
    | { readonly kind: 'kernel'; readonly image: CompiledImage; readonly kernel: string; readonly initrd?: string; readonly commandLine?: string };
  readonly disks: readonly CompiledDisk[];
  readonly filesystems?: readonly CompiledFilesystem[];
  readonly address?: string;
  readonly macAddress?: string;
  readonly floatingAddress?: string;
  readonly hostname: string;
  readonly cloudInit?: CompiledCloudInit;
  readonly containerHost?: CompiledContainerHost;
  /** The probes that the agent makes; those that the kubelet makes are on the anchor. */
  readonly probes?: { readonly readiness?: CompiledProbe; readonly liveness?: CompiledProbe };
}

/** The guest is a node. */
export interface CompiledContainerHost {
  /** Name of the Node. */
  readonly node: string;
  readonly maxPods: number;
  readonly reservedMillicpu: number;
  readonly reservedBytes: number;
  /** Absent: a port of the virtio-serial bus. */
  readonly transport?: 'tls';
}

export interface CompiledImage {
  readonly name: string;
  /** Same key, same bytes. */
  readonly key: string;
  readonly source: { readonly kind: 'file'; readonly path: string } | { readonly kind: 'http'; readonly url: string };
  readonly checksum?: string;
  readonly format: 'qcow2' | 'raw' | 'iso' | 'tar';
}

/** What a pod stands for that copies an image; without a claim the image is only fetched. */
export interface ImageCopy {
  readonly image: CompiledImage;
  readonly claim?: CompiledClaim;
}

export interface CompiledDisk {
  readonly name: string;
  /** Absent: a blank disk, or one of a claim. */
  readonly image?: CompiledImage;
  readonly claim?: CompiledClaim;
  /** 0: as the image. Of a claim: what the volume has now. */
  readonly sizeBytes: number;
  readonly ephemeral: boolean;
  readonly readOnly: boolean;
}

/** A PersistentVolumeClaim of the machine's namespace. */
export interface CompiledClaim {
  readonly name: string;
  readonly mode: 'Block' | 'Filesystem';
}

/** Files of a claim that the guest mounts by their tag. */
export interface CompiledFilesystem {
  readonly name: string;
  readonly claim: string;
  readonly tag: string;
  readonly readOnly: boolean;
}

export interface CompiledCloudInit {
  /** Absent: a NoCloud seed. */
  readonly source?: 'configDrive' | 'metadataService';
  /** Absent: the machine's uid. */
  readonly instanceId?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly availabilityZone?: string;
  readonly userData?: string;
  readonly userDataSecret?: { readonly name: string; readonly key: string };
  readonly networkData?: string;
  readonly vendorData?: string;
  /** Secrets whose values are public keys. */
  readonly sshKeySecrets: readonly string[];
}

/** With ports by number and all defaults filled in. */
export interface CompiledProbe {
  readonly action:
    | { readonly kind: 'httpGet'; readonly port: number; readonly path?: string; readonly scheme?: 'HTTP' | 'HTTPS'; readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[] }
    | { readonly kind: 'tcpSocket'; readonly port: number }
    | { readonly kind: 'grpc'; readonly port: number; readonly service?: string }
    | { readonly kind: 'guestAgent' };
  readonly timing: { readonly initialDelaySeconds: number; readonly periodSeconds: number; readonly timeoutSeconds: number; readonly successThreshold: number; readonly failureThreshold: number };
}
