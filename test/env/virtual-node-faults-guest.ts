import { words, type TestCluster } from './cluster.ts';
import { GuestShell } from './guest-shell.ts';
import { STARTS } from './virtual-node-faults-pods.ts';

/** What runs in the guest of the pods that are looked at. */
export interface Census {
  readonly bootId: string;
  /** Command line, process and the moment of its start. */
  readonly processes: readonly { readonly command: string; readonly process: string }[];
  /** How often the container of a pod has been started since the guest's boot, by the pod's uid. */
  readonly starts: ReadonlyMap<string, number>;
}

const census = `echo boot $(cat /proc/sys/kernel/random/boot_id)
for pid in $(pidof sleep); do echo process $pid $(cut -d ' ' -f 22 /proc/$pid/stat) $(tr '\\0' ' ' < /proc/$pid/cmdline); done
cd /var/lib/yadokari/pods && for file in */volumes/${STARTS}/main; do [ -e $file ] && echo starts \${file%%/*} $(wc -l < $file); done
true`;

const leftovers = `for id in $(ctr -n k8s.io containers ls -q); do echo container $id; done
for id in $(ctr -n k8s.io tasks ls -q); do echo task $id; done
ps -o pid,args | grep '[c]ontainerd-shim' | sed 's/^/process /'
for name in $(ls /var/lib/yadokari/pods); do echo folder $name; done
find /sys/fs/cgroup/kubepods -name 'pod*' 2>/dev/null | sed 's/^/cgroup /'
for name in $(ls /run/yadokari/endpoints /run/netns 2>/dev/null | grep -v :); do echo file $name; done
ip -o route | grep -v 'dev eth0' | sed 's/^/route /'
true`;

/** The inside of a machine's guest, seen and touched by way of its QEMU guest agent. */
export class FaultGuest {
  readonly #shell: GuestShell;

  constructor(cluster: TestCluster, node: string, uid: string) {
    this.#shell = new GuestShell(cluster, node, uid);
  }

  async census(): Promise<Census> {
    const lines = (await this.shell(census)).split('\n').map(words);
    const of = (kind: string): readonly (readonly string[])[] => lines.filter(([first]) => first === kind).map(([, ...rest]) => rest);
    return {
      bootId: of('boot')[0]?.[0] ?? '',
      processes: of('process').map(([pid, startedAt, ...command]) => ({ command: command.join(' '), process: `${pid} of ${startedAt}` })),
      starts: new Map(of('starts').map(([uid = '', count]) => [uid, Number(count)])),
    };
  }

  /** Kills what init runs by this name, which may be on its way after another kill, and returns once init has started another. */
  async kill(name: string): Promise<void> {
    // Pods are given their links by programs of the same file.
    const said = await this.shell(`pid_of() { for pid in $(pidof ${name}); do grep -q '^PPid:.1$' /proc/$pid/status 2>/dev/null && echo $pid; done; }
for i in $(seq 100); do old=$(pid_of); [ -n "$old" ] && break; usleep 50000; done; kill -9 $old || exit 0; for i in $(seq 100); do new=$(pid_of); [ -n "$new" ] && [ "$new" != "$old" ] && echo again && exit 0; usleep 50000; done; ps`);
    if (said !== 'again') throw new Error(`${name} does not run again in the guest: ${said}`);
  }

  /** All that pods have left in the guest. */
  async leftovers(): Promise<readonly string[]> {
    return (await this.shell(leftovers)).split('\n').filter((line) => line !== '');
  }

  /** Runs a shell script in the guest, and returns what it prints. */
  async shell(script: string): Promise<string> {
    return (await this.#shell.attempt(script)).output;
  }
}
