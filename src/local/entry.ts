/** Ways into a cgroup and into a node's namespaces, as words to put before a command. */

/** Enters the cgroups whose cgroup.procs files come first, then becomes the command. */
const enterCgroups = 'while [ "$1" != -- ]; do echo 0 > "$1"; shift; done; shift; exec "$@"';

/** Runs in a cgroup of the host; is killed when the supervisor dies, even by SIGKILL. */
export function hostPrefix(cgroupFiles: readonly string[]): readonly string[] {
  return ['setpriv', '--pdeathsig', 'KILL', '--', 'sh', '-c', enterCgroups, 'sh', ...cgroupFiles, '--'];
}

/** Runs inside a node whose PID 1 is `initPid` on the host; forks once. */
export function nodePrefix(cgroupFiles: readonly string[], initPid: number): readonly string[] {
  return [...hostPrefix(cgroupFiles), 'nsenter', '-t', String(initPid), '-m', '-u', '-i', '-n', '-p', '-C', '--'];
}
