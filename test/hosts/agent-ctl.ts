import { lstat, open, readFile, readlink } from "node:fs/promises";
import { type AgentClient, connect } from "../../host/client/agent-client.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";

/** Go's mode of a directory as sent, including non-Unix bits. */
const DIRECTORY_MODE = 0o20000000750;
const CHUNK = 1024 * 1024;
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID"].concat(
  ...["SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"],
);

/**
 * Kata's test tool, as its own tests use it: each command is a process and so has its own connection. A failed command
 * rejects.
 */
export class AgentCtl {
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  async run<T>(command: (client: AgentClient) => Promise<T>): Promise<T> {
    const client = await connect(this.#address);
    try {
      return await command(client);
    } finally {
      await client.close();
    }
  }

  async copyFile(source: string, path: string): Promise<void> {
    const stat = await lstat(source);
    const request = { path, dir_mode: DIRECTORY_MODE, file_mode: stat.mode, uid: stat.uid, gid: stat.gid };
    if (!stat.isFile()) {
      const data = stat.isSymbolicLink() ? Buffer.from(await readlink(source)) : Buffer.alloc(0);
      await this.run(({ agent }) => agent.copyFile({ ...request, file_size: 0, offset: 0, data }));
      return;
    }
    await using file = await open(source);
    await this.run(async ({ agent }) => {
      for (let offset = 0; offset === 0 || offset < stat.size; offset += CHUNK) {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK), 0, CHUNK, offset);
        await agent.copyFile({ ...request, file_size: stat.size, offset, data: buffer.subarray(0, bytesRead) });
      }
    });
  }

  /** Creates a container of an unpacked image; the tool's specification has no cgroup and names a network namespace. */
  createContainer(container_id: string, rootfs: string, args: readonly string[]): Promise<unknown> {
    return this.run(({ agent }) => agent.createContainer({ container_id, OCI: specification(rootfs, args) }));
  }

  async setPolicy(file: string): Promise<void> {
    const policy = await readFile(file, "utf8");
    await this.run(({ agent }) => agent.setPolicy({ policy }));
  }
}

function specification(rootfs: string, args: readonly string[]): Init<grpc.Spec> {
  const set = CAPABILITIES.map((name) => `CAP_${name}`);
  const mount = (destination: string, type: string, source: string, ...options: string[]) => {
    return { destination, type, source, options };
  };
  return {
    Version: "1.1.0-rc.1-test",
    Process: {
      User: {},
      Args: args,
      Env: [PATH, "TERM=xterm"],
      Cwd: "/",
      Capabilities: { Bounding: set, Effective: set, Permitted: set },
      NoNewPrivileges: true,
    },
    Root: { Path: rootfs, Readonly: true },
    Mounts: [
      mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
      mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
      mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
      mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
      mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
      mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    ],
    Linux: { Resources: {}, Namespaces: ["pid", "network", "ipc", "uts", "mount"].map((Type) => ({ Type })) },
  };
}
