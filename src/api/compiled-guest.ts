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
  readonly address?: string;
  readonly macAddress?: string;
  readonly hostname: string;
  readonly cloudInit?: CompiledCloudInit;
}

export interface CompiledImage {
  readonly name: string;
  /** Same key, same bytes. */
  readonly key: string;
  readonly source: { readonly kind: 'file'; readonly path: string } | { readonly kind: 'http'; readonly url: string };
  readonly checksum?: string;
  readonly format: 'qcow2' | 'raw' | 'iso' | 'tar';
}

export interface CompiledDisk {
  readonly name: string;
  /** Absent: a blank disk. */
  readonly image?: CompiledImage;
  /** 0: as the image. */
  readonly sizeBytes: number;
  readonly ephemeral: boolean;
  readonly readOnly: boolean;
}

export interface CompiledCloudInit {
  readonly userData?: string;
  readonly userDataSecret?: { readonly name: string; readonly key: string };
  readonly networkData?: string;
  readonly vendorData?: string;
  /** Secrets whose values are public keys. */
  readonly sshKeySecrets: readonly string[];
}
