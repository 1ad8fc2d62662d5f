import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** Ceph's own bindings on a held connection: as fast as anybody can be served. One request a line, one answer a line. */
const PROGRAM = `
import json, sys, time
import rados, rbd
cluster = rados.Rados(conffile=sys.argv[1], name="client.admin")
cluster.conf_set("rbd_default_clone_format", "2")
cluster.connect()
places = {}
def place(pool):
    if pool not in places:
        places[pool] = cluster.open_ioctx(pool)
    return places[pool]
def mgr(**command):
    number, out, said = cluster.mgr_command(json.dumps(dict(command, format="json")), b"")
    if number != 0:
        raise OSError(number, said)
    return out.decode()
def create(pool, name, bytes):
    rbd.RBD().create(place(pool), name, bytes, old_format=False)
def snapshot(pool, name, snapshot):
    with rbd.Image(place(pool), name) as image:
        image.create_snap(snapshot)
def clone(pool, name, snapshot, copy):
    rbd.RBD().clone(place(pool), name, snapshot, place(pool), copy)
def copied(**command):
    while json.loads(mgr(prefix="fs clone status", **command))["status"]["state"] != "complete":
        time.sleep(0.02)
calls = {"mgr": mgr, "create": create, "snapshot": snapshot, "clone": clone, "copied": copied}
print("ready", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    try:
        calls[request["call"]](**request["args"])
        print("done", flush=True)
    except Exception as error:
        print("failed: %s" % error, flush=True)
`;

export class CephFloor implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
  }

  static async start(conf: string): Promise<CephFloor> {
    const floor = new CephFloor(spawn('/usr/bin/python3', ['-I', '-c', PROGRAM, conf], { stdio: ['pipe', 'pipe', 'inherit'] }));
    await once(floor.#lines, 'line');
    return floor;
  }

  async call(call: 'mgr' | 'create' | 'snapshot' | 'clone' | 'copied', args: object): Promise<void> {
    const answered = once(this.#lines, 'line');
    this.#child.stdin.write(`${JSON.stringify({ call, args })}\n`);
    const [said] = (await answered) as [string];
    if (said !== 'done') throw new Error(`${call} ${said}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }
}
