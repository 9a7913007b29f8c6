"""A minimal agent of Kata's contract: 15 calls over ttRPC, processes in a chroot, no isolation.

It shares no code with guestd but the .proto files, and exists to be judged by `guestctl conformance`.

    python3 chroot-agent.py PROTO_DIRECTORY SOCKET
"""

import asyncio
import os
import re
import signal
import stat
import struct
import sys

SHARED = "/run/kata-containers/shared/containers"
INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED, INTERNAL = 3, 5, 12, 13
VARINTS = {"bool", "int32", "int64", "uint32", "uint64"}


class Refusal(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Messages:
    """Protobuf messages by name, from the text of .proto files. Names lose their package."""

    def __init__(self, directory):
        self.fields, self.enums, self.calls = {}, set(), {}
        for name in ("agent", "oci", "types", "health", "ttrpc"):
            text = open(os.path.join(directory, name + ".proto")).read()
            text = re.sub(r"//.*", "", text)
            self.enums.update(re.findall(r"enum (\w+)", text))
            for message, body in re.findall(r"message (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}", text):
                found = re.findall(r"(repeated |optional )?([\w.]+|map<[^>]*>) (\w+) = (\d+)", re.sub(r"enum \w+ \{[^}]*\}", "", body))
                self.fields[message] = {int(n): (field, kind.split(".")[-1], label) for label, kind, field, n in found}
            for call, request, response in re.findall(r"rpc (\w+)\((\w+)\) returns \(([\w.]+)\)", text):
                self.calls[call] = (request, response.split(".")[-1])

    def decode(self, message, data):
        found, at = {}, 0
        while at < len(data):
            tag, at = varint(data, at)
            if tag & 7 == 2:
                length, at = varint(data, at)
                if at + length > len(data):
                    raise Refusal(2, "cut message " + message)
                value, at = data[at : at + length], at + length
            elif tag & 7 == 0:
                value, at = varint(data, at)
            else:
                at += {1: 8, 5: 4}[tag & 7]
                continue
            if tag >> 3 not in self.fields[message]:
                continue
            name, kind, label = self.fields[message][tag >> 3]
            value = self.value(kind, value)
            if label == "repeated ":
                found.setdefault(name, []).extend(value if isinstance(value, list) else [value])
            else:
                found[name] = value
        return found

    def value(self, kind, value):
        if kind in VARINTS or kind in self.enums:
            if isinstance(value, int):
                return value
            numbers, at = [], 0
            while at < len(value):
                number, at = varint(value, at)
                numbers.append(number)
            return numbers
        if kind == "string":
            return value.decode()
        return self.decode(kind, value) if kind in self.fields else bytes(value)

    def encode(self, message, values):
        out = b""
        for number, (name, kind, label) in self.fields.get(message, {}).items():
            for value in values.get(name, []) if label == "repeated " else [values[name]] if name in values else []:
                if kind in VARINTS or kind in self.enums:
                    out += to_varint(number << 3) + to_varint(int(value))
                    continue
                data = value.encode() if kind == "string" else self.encode(kind, value) if kind in self.fields else value
                out += to_varint(number << 3 | 2) + to_varint(len(data)) + data
        return out


def varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data):
            raise Refusal(2, "cut number")
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def to_varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


class Process:
    def __init__(self, rootfs, spec):
        self.rootfs, self.spec, self.program = rootfs, spec, find(rootfs, spec)
        self.started, self.child = asyncio.Event(), None

    async def start(self):
        user, cwd = self.spec.get("User", {}), self.spec.get("Cwd", "/")

        def prepare():
            os.chroot(self.rootfs)
            os.chdir(cwd)
            os.setgroups(user.get("AdditionalGids", []))
            os.setgid(user.get("GID", 0))
            os.setuid(user.get("UID", 0))

        pipes = {name: asyncio.subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
        env = dict(one.split("=", 1) for one in self.spec.get("Env", []) if "=" in one)
        self.child = await asyncio.create_subprocess_exec(
            *self.spec["Args"], executable=self.program, env=env, preexec_fn=prepare, start_new_session=True, **pipes
        )
        self.started.set()

    def kill(self, number, group=False):
        if self.child is not None and self.child.returncode is None:
            (os.killpg if group else os.kill)(self.child.pid, number)


def find(rootfs, spec):
    name = (spec.get("Args") or [""])[0]
    path = next((one[5:] for one in spec.get("Env", []) if one.startswith("PATH=")), "/bin")
    for place in [name] if "/" in name else [os.path.join(one, name) for one in path.split(":")]:
        file = rootfs + os.path.join(spec.get("Cwd", "/"), place)
        if os.path.lexists(file) and not os.path.isdir(file):
            return os.path.join(spec.get("Cwd", "/"), place)
    raise Refusal(INTERNAL, 'exec "%s": executable file not found in $PATH' % name)


class Agent:
    def __init__(self):
        self.containers = {}

    def process(self, request, code=INVALID_ARGUMENT):
        container_id, exec_id = request.get("container_id", ""), request.get("exec_id", "")
        if container_id not in self.containers:
            raise Refusal(code, 'invalid container id: there is no container "%s"' % container_id)
        found = self.containers[container_id].get(exec_id or container_id)
        if found is None:
            raise Refusal(NOT_FOUND if code == INVALID_ARGUMENT else code, "process not found: " + exec_id)
        return found

    async def Check(self, _):
        return {"status": 1}

    async def Version(self, _):
        return {"agent_version": "0.1.0", "grpc_version": "0.0.1"}

    async def CreateSandbox(self, _):
        os.makedirs(SHARED, exist_ok=True)
        return {}

    async def GetGuestDetails(self, _):
        return {"agent_details": {"version": "0.1.0", "storage_handlers": []}}

    async def CopyFile(self, request):
        path, mode = request.get("path", ""), request.get("file_mode", 0)
        if not path.startswith(SHARED + "/") or ".." in path.split("/"):
            raise Refusal(INVALID_ARGUMENT, 'copy file: "%s" is not below %s' % (path, SHARED))
        if os.path.realpath(os.path.dirname(path)) + "/" != os.path.dirname(path) + "/":
            raise Refusal(INVALID_ARGUMENT, "copy file: a link is on the way to " + path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if stat.S_ISDIR(mode):
            os.makedirs(path, exist_ok=True)
        elif stat.S_ISLNK(mode):
            os.symlink(request.get("data", b""), path)
        else:
            with open(path + ".tmp", "r+b" if request.get("offset") else "wb") as file:
                file.seek(request.get("offset", 0))
                file.write(request.get("data", b""))
                if file.tell() < request.get("file_size", 0):
                    return {}
            os.replace(path + ".tmp", path)
        os.chown(path, request.get("uid", 0), request.get("gid", 0), follow_symlinks=False)
        if not stat.S_ISLNK(mode):
            os.chmod(path, stat.S_IMODE(mode))
        return {}

    async def CreateContainer(self, request):
        container_id, spec = request.get("container_id", ""), request.get("OCI")
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]+", container_id):
            raise Refusal(INVALID_ARGUMENT, 'create container: invalid id "%s"' % container_id)
        if container_id in self.containers:
            raise Refusal(6, "create container %s: the id already exists" % container_id)
        if spec is None or "Process" not in spec:
            raise Refusal(INVALID_ARGUMENT, "create container: no OCI spec, or no process in it")
        self.containers[container_id] = {container_id: Process(spec["Root"]["Path"], spec["Process"])}
        return {}

    async def StartContainer(self, request):
        first = self.process({**request, "exec_id": ""}, INTERNAL)
        if first.child is not None:
            raise Refusal(INTERNAL, "start container: it was started already")
        await first.start()
        return {}

    async def RemoveContainer(self, request):
        self.process({**request, "exec_id": ""}, NOT_FOUND)
        for one in self.containers.pop(request["container_id"]).values():
            one.kill(signal.SIGKILL, group=True)
        return {}

    async def ExecProcess(self, request):
        first = self.process({**request, "exec_id": ""}, INTERNAL)
        processes = self.containers[request["container_id"]]
        if request.get("exec_id", "") in processes:
            raise Refusal(INTERNAL, "exec: the id already exists")
        if first.child is not None and first.child.returncode is not None:
            raise Refusal(INTERNAL, "exec: the container has ended")
        if "process" not in request:
            raise Refusal(INVALID_ARGUMENT, "exec: no process")
        one = Process(first.rootfs, request["process"])
        await one.start()
        processes[request["exec_id"]] = one
        return {}

    async def SignalProcess(self, request):
        one, number = self.process(request), request.get("signal", 0)
        if number > 64:
            raise Refusal(INVALID_ARGUMENT, "signal: %d is none" % number)
        if request.get("exec_id", "") == "" and number == signal.SIGKILL:
            for each in self.containers[request["container_id"]].values():
                each.kill(number, group=True)
        elif one.child is not None and one.child.returncode is not None:
            raise Refusal(NOT_FOUND, "ESRCH: No such process")
        else:
            one.kill(number)
        return {}

    async def WaitProcess(self, request):
        one = self.process(request)
        await one.started.wait()
        code = await one.child.wait()
        return {"status": code if code >= 0 else 128 - code}

    async def WriteStdin(self, request):
        one, data = self.process(request, INTERNAL), request.get("data", b"")
        await one.started.wait()
        if data == b"":
            one.child.stdin.close()
            return {"len": 0}
        try:
            one.child.stdin.write(data)
            await one.child.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Refusal(INTERNAL, "write stdin: EPIPE") from error
        return {"len": len(data)}

    async def CloseStdin(self, request):
        one = self.process(request)
        await one.started.wait()
        one.child.stdin.close()
        return {}

    async def ReadStdout(self, request):
        one = self.process(request)
        await one.started.wait()
        return {"data": await one.child.stdout.read(request.get("len", 0))}

    async def ReadStderr(self, request):
        one = self.process(request)
        await one.started.wait()
        return {"data": await one.child.stderr.read(request.get("len", 0))}


async def answer(messages, agent, body):
    try:
        request = messages.decode("Request", body)
        call = request.get("method", "")
        handler = getattr(agent, call, None) if call in messages.calls else None
        if handler is None:
            raise Refusal(UNIMPLEMENTED, "/%s/%s is not implemented" % (request.get("service", ""), call))
        kinds, limit = messages.calls[call], request.get("timeout_nano", 0) / 1e9
        work = handler(messages.decode(kinds[0], request.get("payload", b"")))
        response = await asyncio.wait_for(work, limit if 0 < limit < 1e6 else None)
        return {"payload": messages.encode(kinds[1], response)}
    except Refusal as error:
        return {"status": {"code": error.code, "message": str(error)}}
    except asyncio.TimeoutError:
        return {"status": {"code": 4, "message": "deadline exceeded"}}
    except Exception as error:  # everything else that a request can provoke
        return {"status": {"code": INTERNAL, "message": str(error)}}


async def main(directory, socket):
    messages, agent = Messages(directory), Agent()

    async def serve(reader, writer):
        calls = set()

        async def reply(stream, body):
            data = messages.encode("Response", await answer(messages, agent, body))
            writer.write(struct.pack(">IIBB", len(data), stream, 2, 0) + data)

        try:
            while True:
                length, stream, kind, _ = struct.unpack(">IIBB", await reader.readexactly(10))
                body = await reader.readexactly(length)
                if kind == 1:
                    call = asyncio.create_task(reply(stream, body))
                    calls.add(call)
                    call.add_done_callback(calls.discard)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            for call in list(calls):
                call.cancel()
            writer.close()

    async with await asyncio.start_unix_server(serve, socket) as server:
        await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
