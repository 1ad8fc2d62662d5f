import { limitMiB, translationCacheMiB } from '../../overhead.ts';
import type { GuestBoot, GuestCpu, GuestDefinition, GuestDisk, GuestFilesystem, GuestInterface } from '../../port.ts';

/** What this host adds to a guest's definition. */
export interface DomainOptions {
  readonly acceleration: 'kvm' | 'tcg';
  /** When the guest is asked to start, in milliseconds since the epoch; kept in the domain's metadata. */
  readonly startedAt: number;
  /** Whether its cgroup holds the guest to its CPUs and memory. */
  readonly limited: boolean;
}

/** Namespace of our element in a domain's metadata. */
export const metadataNamespace = 'https://yadokari.dev/guest';

/** A tenth of a CPU, as the anchor requests it. */
const SHARES_PER_CPU = 102;
const PERIOD_US = 100_000;

/** PCI(e) ports left free for disks and interfaces that are plugged in while the guest runs (q35 only). */
const sparePorts = 4;

/** The libvirt domain of a guest. Same definition and options, same text. https://libvirt.org/formatdomain.html */
export function domainXml(guest: GuestDefinition, options: DomainOptions): string {
  const q35 = guest.boot.kind === 'firmware' && guest.boot.firmware !== 'bios';
  const cpus = guest.cpu.sockets * guest.cpu.cores * guest.cpu.threads;
  return [
    `<domain type='${options.acceleration === 'kvm' ? 'kvm' : 'qemu'}'>`,
    `  <name>${text(guest.name)}</name>`,
    `  <uuid>${text(guest.id)}</uuid>`,
    `  <metadata><yadokari:guest xmlns:yadokari='${metadataNamespace}' startedAt='${options.startedAt}'/></metadata>`,
    `  <memory unit='MiB'>${guest.memoryMiB}</memory>`,
    // The program that serves the files sees the guest's memory; this cannot be changed later.
    ...(guest.filesystems === undefined || guest.filesystems.length === 0 ? [] : [`  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>`]),
    `  <vcpu>${cpus}</vcpu>`,
    ...(options.limited ? limitLines(limitMiB(guest.memoryMiB, options.acceleration), cpus) : []),
    `  <sysinfo type='smbios'><system>${guest.product === undefined ? '' : `<entry name='product'>${text(guest.product)}</entry>`}<entry name='serial'>${text(guest.hostname)}</entry></system></sysinfo>`,
    ...indent(2, osLines(guest.boot, q35)),
    ...indent(2, featureLines(guest.boot, translationCacheMiB(guest.memoryMiB, options.acceleration))),
    ...indent(2, cpuLines(guest.cpu, options)),
    `  <clock offset='utc'/>`,
    // A guest that panics or powers off ends; libvirt then remembers why. A reboot stays inside the same QEMU.
    `  <on_poweroff>destroy</on_poweroff>`,
    `  <on_reboot>restart</on_reboot>`,
    `  <on_crash>destroy</on_crash>`,
    `  <devices>`,
    ...indent(4, deviceLines(guest, q35)),
    `  </devices>`,
    `</domain>`,
    '',
  ].join('\n');
}

function limitLines(memoryMiB: number, cpus: number): string[] {
  return [
    // Beyond it the kernel takes pages back (memory.high). A hard limit would end guests, and libvirt locks memory up to it.
    `  <memtune><soft_limit unit='MiB'>${memoryMiB}</soft_limit></memtune>`,
    // All of QEMU together gets the time of as many CPUs as the guest has, and its share of a full host by their number.
    `  <cputune><shares>${cpus * SHARES_PER_CPU}</shares><global_period>${PERIOD_US}</global_period><global_quota>${cpus * PERIOD_US}</global_quota></cputune>`,
  ];
}

function osLines(boot: GuestBoot, q35: boolean): string[] {
  const machine = q35 ? 'q35' : 'pc';
  const smbios = `  <smbios mode='sysinfo'/>`;
  const type = `  <type arch='x86_64' machine='${machine}'>hvm</type>`;
  if (boot.kind === 'kernel') {
    const initrd = boot.initrdPath === undefined ? [] : [`  <initrd>${text(boot.initrdPath)}</initrd>`];
    return [`<os>`, type, `  <kernel>${text(boot.kernelPath)}</kernel>`, ...initrd, `  <cmdline>${text(boot.commandLine)}</cmdline>`, smbios, `</os>`];
  }
  if (boot.firmware === 'bios') return [`<os>`, type, smbios, `</os>`];
  const secure = boot.firmware === 'uefiSecure' ? 'yes' : 'no';
  const firmware = [`  <firmware>`, `    <feature enabled='${secure}' name='secure-boot'/>`, `    <feature enabled='${secure}' name='enrolled-keys'/>`, `  </firmware>`];
  return [`<os firmware='efi'>`, type, ...firmware, smbios, `</os>`];
}

function featureLines(boot: GuestBoot, cacheMiB: number): string[] {
  const secure = boot.kind === 'firmware' && boot.firmware === 'uefiSecure' ? [`  <smm state='on'/>`] : [];
  const cache = cacheMiB > 0 ? [`  <tcg><tb-cache unit='MiB'>${cacheMiB}</tb-cache></tcg>`] : [];
  return [`<features>`, `  <acpi/>`, `  <apic/>`, ...secure, ...cache, `</features>`];
}

function cpuLines(cpu: GuestCpu, options: DomainOptions): string[] {
  const topology = `  <topology sockets='${cpu.sockets}' dies='1' cores='${cpu.cores}' threads='${cpu.threads}'/>`;
  const model = cpu.model ?? (options.acceleration === 'kvm' ? 'host-model' : 'maximum');
  // What mirrors the host's processor exists only with KVM; TCG offers all it can instead.
  const hostOnly = model === 'host-model' || model === 'host-passthrough';
  if (hostOnly && options.acceleration === 'kvm') return [`<cpu mode='${model}'>`, topology, `</cpu>`];
  if (hostOnly || model === 'maximum') return [`<cpu mode='maximum'>`, topology, `</cpu>`];
  return [`<cpu mode='custom' match='exact' check='none'>`, `  <model fallback='forbid'>${text(model)}</model>`, topology, `</cpu>`];
}

function deviceLines(guest: GuestDefinition, q35: boolean): string[] {
  return [
    ...(q35 ? [`<controller type='pci' index='0' model='pcie-root'/>`, ...Array.from({ length: sparePorts }, () => `<controller type='pci' model='pcie-root-port'/>`)] : []),
    `<controller type='usb' model='none'/>`,
    ...guest.disks.flatMap((disk, index) => diskLines(disk, index, guest, q35)),
    ...(guest.filesystems ?? []).flatMap(filesystemLines),
    ...guest.interfaces.flatMap(interfaceLines),
    `<serial type='pty'>`,
    `  <log file='${attribute(guest.consoleLogPath)}' append='on'/>`,
    `  <target port='0'/>`,
    `</serial>`,
    `<console type='pty'><target type='serial' port='0'/></console>`,
    `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>`,
    ...(guest.channels ?? []).map(({ name, path }) => `<channel type='unix'><source mode='bind' path='${attribute(path)}'/><target type='virtio' name='${attribute(name)}'/></channel>`),
    `<input type='mouse' bus='ps2'/>`,
    `<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>`,
    `<memballoon model='virtio' freePageReporting='on'/>`,
    `<panic model='isa'/>`,
  ];
}

function diskLines(disk: GuestDisk, index: number, guest: GuestDefinition, q35: boolean): string[] {
  const position = guest.disks.slice(0, index).filter((other) => other.device === disk.device).length;
  const target = disk.device === 'cdrom' ? `<target dev='${device(q35 ? 'sd' : 'hd', position)}' bus='${q35 ? 'sata' : 'ide'}'/>` : virtioTarget(device('vd', position));
  return diskElement(disk, target, guest.boot.kind === 'firmware' ? [`  <boot order='${index + 1}'/>`] : []);
}

/** The element of a disk that is plugged into a running guest, as `target`, such as vdb. */
export function pluggedDisk(disk: GuestDisk, target: string): string {
  return diskElement(disk, virtioTarget(target)).join('\n');
}

function virtioTarget(name: string): string {
  return `<target dev='${name}' bus='virtio'/>`;
}

function diskElement(disk: GuestDisk, target: string, more: readonly string[] = []): string[] {
  const readOnly = disk.readOnly || disk.device === 'cdrom';
  const block = disk.source === 'block';
  return [
    `<disk type='${block ? 'block' : 'file'}' device='${disk.device}'>`,
    `  <driver name='qemu' type='${disk.format}'${cacheOf(disk)}${readOnly ? '' : ` discard='unmap'`}/>`,
    `  <source ${block ? 'dev' : 'file'}='${attribute(disk.path)}'/>`,
    `  ${target}`,
    `  <serial>${text(disk.name)}</serial>`,
    ...more,
    ...(readOnly ? [`  <readonly/>`] : []),
    `</disk>`,
  ];
}

function cacheOf({ ephemeral, source }: GuestDisk): string {
  // Waiting for the host's own disk is what costs most, and for what is thrown away it would be for nothing.
  if (ephemeral === true) return ` cache='unsafe'`;
  // The host's cache of a device that others may have too would be out of date, and costs memory twice.
  return source === 'block' ? ` cache='none' io='native'` : '';
}

function filesystemLines({ tag, path }: GuestFilesystem): string[] {
  return [
    `<filesystem type='mount' accessmode='passthrough'>`,
    `  <driver type='virtiofs'/>`,
    // Nothing is kept in the guest that others may change, and locks are those of everybody.
    `  <binary xattr='on'><cache mode='none'/><lock posix='on' flock='on'/></binary>`,
    `  <source dir='${attribute(path)}'/>`,
    `  <target dir='${attribute(tag)}'/>`,
    `</filesystem>`,
  ];
}

function interfaceLines(nic: GuestInterface): string[] {
  return [
    `<interface type='ethernet'>`,
    `  <mac address='${attribute(nic.macAddress)}'/>`,
    `  <target dev='${attribute(nic.tap)}' managed='no'/>`,
    `  <model type='virtio'/>`,
    `  <mtu size='${nic.mtu}'/>`,
    // Nothing boots from the network here, and loading the option ROM costs time.
    `  <rom enabled='no'/>`,
    `</interface>`,
  ];
}

/** vda, vdb, …, vdz, vdaa, … */
export function device(prefix: string, position: number): string {
  const letter = String.fromCodePoint(97 + (position % 26));
  return position < 26 ? prefix + letter : device(prefix, Math.floor(position / 26) - 1) + letter;
}

function indent(spaces: number, lines: readonly string[]): string[] {
  return lines.map((line) => ' '.repeat(spaces) + line);
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&apos;', '"': '&quot;', '\n': '&#10;', '\r': '&#13;', '\t': '&#9;' };

function attribute(value: string): string {
  return value.replace(/[&<>'"\n\r\t]/g, (character) => entities[character] ?? '');
}

function text(value: string): string {
  return value.replace(/[&<>]/g, (character) => entities[character] ?? '');
}
