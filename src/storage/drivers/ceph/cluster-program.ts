/**
 * Python's bindings are the only way to speak with Ceph without a program for each call. This one program holds the
 * connection: it reads a line with itself, a line with the connection, and then requests, several at once:
 * `{"id", "call", "args"}` is answered by `{"id", "result"}` or `{"id", "error": {"errno", "message", "invalid"}}`. It decides
 * nothing. When its input ends it finishes what was asked, gives back what it has locked, and ends.
 */
export const CLUSTER_PROGRAM = String.raw`
import concurrent.futures, json, os, sys, threading, time
import rados

LOCK_SECONDS = 15
RENEW_SECONDS = 4
LAST_SECONDS = 60
PAGE = 1000
# LIBRADOS_LOCK_FLAG_MAY_RENEW
MAY_RENEW = 1
# RBD_SNAP_NAMESPACE_TYPE_*
USER, TRASH = 0, 3

output = threading.Lock()

def say(message):
    text = json.dumps(message) + "\n"
    with output:
        sys.stdout.write(text)
        sys.stdout.flush()

class NoPool(Exception):
    pass

def fault(error):
    number = getattr(error, "errno", None)
    return {"errno": abs(number) if isinstance(number, int) else 0, "message": "%s: %s" % (type(error).__name__, error), "invalid": isinstance(error, NoPool)}

def connect(how):
    cluster = rados.Rados(rados_id=how["user"], conffile=None)
    for name, value in how["options"].items():
        cluster.conf_set(name, value)
    cluster.conf_set("key", how["key"])
    cluster.connect()
    return cluster

class Calls:
    def __init__(self, cluster):
        self.cluster = cluster
        self.places = {}
        self.held = {}
        self.guard = threading.Lock()

    def place(self, pool, namespace):
        with self.guard:
            known = self.places.get((pool, namespace))
            if known is None:
                try:
                    known = self.cluster.open_ioctx(pool)
                except rados.ObjectNotFound:
                    raise NoPool("there is no pool %s" % pool)
                known.set_namespace(namespace)
                self.places[(pool, namespace)] = known
            return known

    def command(self, target, command, **_):
        send = self.cluster.mgr_command if target == "mgr" else self.cluster.mon_command
        number, out, said = send(json.dumps(command), b"")
        if number != 0:
            raise OSError(abs(number), said)
        return out.decode("utf-8")

    def own_addresses(self, **_):
        return self.cluster.get_addrs()

    def fence(self, address, seconds, **_):
        # A number without a point is none to a monitor.
        self.command("mon", {"prefix": "osd blocklist", "blocklistop": "add", "addr": address, "expire": float(seconds)})
        # Whoever is asked by us from now on knows of it.
        self.cluster.wait_for_latest_osdmap()

    def tell_disks(self, io, **_):
        # Whoever answers has the map that we have. Names are spread over all placement groups.
        count = json.loads(self.command("mon", {"prefix": "osd pool get", "pool": io.name, "var": "pg_num", "format": "json"}))["pg_num"]
        asked = []
        for number in range(64 + 8 * count):
            done = threading.Event()
            answered = {}
            def told(completion, *_, done=done, answered=answered):
                answered["code"] = completion.get_return_value()
                done.set()
            asked.append((io.aio_stat("yadokari.asked.%d" % number, told), done, answered))
            if len(asked) >= 128:
                self.await_told(asked.pop(0))
        for one in asked:
            self.await_told(one)

    def await_told(self, one):
        _, done, answered = one
        if not done.wait(LAST_SECONDS):
            raise OSError(110, "a disk has not answered")
        if answered["code"] < 0 and answered["code"] != -2:
            raise OSError(-answered["code"], "a disk has not answered")

    def records(self, io, object, prefix="", **_):
        found, after = {}, ""
        while True:
            with rados.ReadOpCtx() as op:
                values, _ = io.get_omap_vals(op, after, prefix, PAGE)
                try:
                    io.operate_read_op(op, object)
                except rados.ObjectNotFound:
                    return found
                page = list(values)
            for key, value in page:
                found[key] = value.decode("utf-8")
                after = key
            if len(page) == 0:
                return found

    def record(self, io, object, key, **_):
        with rados.ReadOpCtx() as op:
            values, _ = io.get_omap_vals_by_keys(op, (key,))
            try:
                io.operate_read_op(op, object)
            except rados.ObjectNotFound:
                return None
            return next((value.decode("utf-8") for _, value in values), None)

    def write_record(self, io, object, key, value, **_):
        with rados.WriteOpCtx() as op:
            io.set_omap(op, (key,), (value.encode("utf-8"),))
            io.operate_write_op(op, object)

    def remove_record(self, io, object, key, **_):
        with rados.WriteOpCtx() as op:
            io.remove_omap_keys(op, (key,))
            try:
                io.operate_write_op(op, object)
            except rados.ObjectNotFound:
                pass

    def lock(self, io, object, cookie, **_):
        try:
            io.lock_exclusive(object, "turn", cookie, "", LOCK_SECONDS)
        except rados.ObjectBusy:
            return False
        with self.guard:
            self.held[cookie] = [io, object, time.monotonic()]
        return True

    def unlock(self, cookie, **_):
        with self.guard:
            known = self.held.pop(cookie, None)
        if known is None:
            return
        io, object, since = known
        # Removed while it is ours for certain; it goes by itself otherwise.
        if time.monotonic() - since < LOCK_SECONDS / 2:
            try:
                io.remove_object(object)
            except rados.ObjectNotFound:
                pass

    def renew(self):
        while True:
            time.sleep(RENEW_SECONDS)
            with self.guard:
                held = list(self.held.items())
            for cookie, known in held:
                now = time.monotonic()
                try:
                    known[0].lock_exclusive(known[1], "turn", cookie, "", LOCK_SECONDS, MAY_RENEW)
                    known[2] = now
                except rados.Error:
                    pass

    def images(self, io, **_):
        return self.rbd().RBD().list(io)

    def image(self, io, name, **_):
        with self.rbd().Image(io, name, read_only=True) as image:
            try:
                parent = list(image.parent_info())
            except self.rbd().ImageNotFound:
                parent = None
            return {
                "id": image.id(), "sizeBytes": image.size(), "parent": parent,
                "snapshots": [one["name"] for one in image.list_snaps() if one["namespace"] == USER],
                "trashed": len([one for one in image.list_snaps() if one["namespace"] == TRASH]),
                "watchers": [one["addr"] for one in image.watchers_list()],
            }

    def watchers(self, io, name, **_):
        with self.rbd().Image(io, name, read_only=True) as image:
            return [one["addr"] for one in image.watchers_list()]

    def changed_ranges(self, io, name, since, **_):
        found = []
        def note(offset, length, exists):
            if found and found[-1][0] + found[-1][1] == offset:
                found[-1][1] += length
            else:
                found.append([offset, length])
        with self.rbd().Image(io, name, read_only=True) as image:
            image.diff_iterate(0, image.size(), since, note, include_parent=True, whole_object=True)
        return found

    def create_image(self, io, name, sizeBytes, **_):
        self.rbd().RBD().create(io, name, sizeBytes, old_format=False)

    def clone_image(self, io, parent, snapshot, name, **_):
        self.rbd().RBD().clone(io, parent, snapshot, io, name)

    def rename_image(self, io, name, to, **_):
        self.rbd().RBD().rename(io, name, to)

    def remove_image(self, io, name, **_):
        self.rbd().RBD().remove(io, name)

    def grow_image(self, io, name, sizeBytes, **_):
        with self.rbd().Image(io, name) as image:
            image.resize(sizeBytes, allow_shrink=False)

    def flatten_image(self, io, name, **_):
        with self.rbd().Image(io, name) as image:
            image.flatten()

    def create_snapshot(self, io, name, snapshot, **_):
        with self.rbd().Image(io, name) as image:
            image.create_snap(snapshot)

    def remove_snapshot(self, io, name, snapshot, **_):
        with self.rbd().Image(io, name) as image:
            image.remove_snap(snapshot)

    def purge_snapshots(self, io, name, **_):
        with self.rbd().Image(io, name) as image:
            for one in list(image.list_snaps()):
                if one["namespace"] == TRASH:
                    try:
                        image.remove_snap_by_id(one["id"])
                    except (self.rbd().ImageBusy, self.rbd().ImageNotFound):
                        pass

    def rbd(self):
        # Whoever has file systems only need not have it.
        import rbd
        return rbd

def answer(calls, request):
    try:
        args = request["args"]
        if "pool" in args:
            args["io"] = calls.place(args["pool"], args.get("namespace", ""))
        say({"id": request["id"], "result": getattr(calls, request["call"])(**args)})
    except Exception as error:
        say({"id": request["id"], "error": fault(error)})

def main():
    try:
        calls = Calls(connect(json.loads(sys.stdin.readline())))
    except Exception as error:
        say({"id": 0, "error": fault(error)})
        os._exit(1)
    say({"id": 0, "result": None})
    threading.Thread(target=calls.renew, daemon=True).start()
    workers = concurrent.futures.ThreadPoolExecutor(32)
    asked = []
    for line in sys.stdin:
        asked = [one for one in asked if not one.done()]
        asked.append(workers.submit(answer, calls, json.loads(line)))
    concurrent.futures.wait(asked, LAST_SECONDS)
    for cookie in list(calls.held):
        try:
            calls.unlock(cookie)
        except rados.Error:
            pass
    os._exit(0)

main()
`;
