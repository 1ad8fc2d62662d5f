import { randomUUID } from 'node:crypto';

/** The files below `libvirt` by their paths, from this machine's lists of users and groups. */
export function libvirtFiles(passwd: string, group: string): Readonly<Record<string, string>> {
  return {
    'etc/libvirtd.conf': `unix_sock_group = "root"\nauth_unix_ro = "none"\nauth_unix_rw = "none"\nhost_uuid = "${randomUUID()}"\nlog_outputs = "3:stderr"\n`,
    'etc/qemu.conf': 'stdio_handler = "file"\nuser = "root"\ngroup = "root"\nsecurity_driver = "none"\nnamespaces = []\ndynamic_ownership = 0\nremember_owner = 0\ncgroup_controllers = []\nmax_core = 0\n',
    // libvirtd looks this user up before it reads its configuration, and only libvirt-daemon-system's installation makes it.
    'passwd': withEntry(passwd, 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin'),
    'group': withEntry(withEntry(group, 'libvirt-qemu:x:64055:'), 'kvm:x:64056:'),
  };
}

function withEntry(text: string, entry: string): string {
  const name = entry.slice(0, entry.indexOf(':') + 1);
  return text.split('\n').some((line) => line.startsWith(name)) ? text : `${text.trimEnd()}\n${entry}\n`;
}
