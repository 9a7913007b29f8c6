import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { connect } from "../../../host/client/agent-client.ts";
import { dial } from "../../../host/client/dial.ts";
import { SHARED_IN_GUEST as SHARED, shareOf } from "../../../host/engine/guest/shared-folder.ts";
import { openToGuest } from "../../../host/vm/guard-share.ts";
import { Guest } from "../../../host/vm/guest.ts";
import type { GuestOptions } from "../../../host/vm/guest-options.ts";
import { makeBusyboxRootfs } from "../../scenarios/busybox-rootfs.ts";
import type { Machine } from "../../scenarios/machine.ts";

const repository = join(import.meta.dirname, "../../..");
const SHELL_LIMIT_MS = 100_000;

/**
 * Builds the image with a shell for the tests, dm-verity, and these OCI runtimes. Concurrent calls build it once.
 * Returns its folder.
 */
export async function buildDebugImage(runtimes: readonly string[] = []): Promise<string> {
  const to = join(repository, "build", ["debug", ...runtimes].join("-"));
  const options = runtimes.flatMap((name) => ["--with-runtime", name]);
  const build = join(repository, "rootfs-builder/build.ts");
  const lock = ["--close", join(repository, "build/debug.lock")];
  const command = [process.execPath, build, "--debug", "--with-verity", "--to", to, ...options];
  await promisify(execFile)("flock", [...lock, ...command]);
  return to;
}

export interface GuestMachineOptions
  extends Pick<
    GuestOptions,
    "kernelArgs" | "tracing" | "hotplug" | "shares" | "qemuArgs" | "image" | "kernel" | "initrd" | "vsock"
  > {
  readonly runtimes?: readonly string[];
  /**
   * The share announces its mounts, so that the guest has them as mounts too. That is Kata's default, but tests count
   * mounts.
   */
  readonly announce?: boolean;
}

export interface GuestMachine extends Machine {
  readonly guest: Guest;
  /** Folder of the image. */
  readonly built: string;
}

/**
 * Starts a guest in QEMU with our image, and a folder shared by virtio-fs as Kata does: read-only except for each
 * rootfs and volume, with an empty directory for the agent's copies. GUESTD_KATA_KERNEL names another kernel, which
 * needs no initramfs.
 */
export async function startGuestMachine(memoryMib = 512, options: GuestMachineOptions = {}): Promise<GuestMachine> {
  const { runtimes = [], kernelArgs = [], tracing = false, hotplug = false, shares = [], qemuArgs = [] } = options;
  const built = await buildDebugImage(runtimes);
  const kernel = options.kernel ?? process.env["GUESTD_KATA_KERNEL"];
  const image = join(built, "image");
  const directory = mkdtempSync(join(tmpdir(), "guestd-share-"));
  const share = { ...shareOf(directory), announce: options.announce ?? false };
  for (const place of ["watchable", "passthrough/watchable"]) {
    mkdirSync(join(share.directory, place), { recursive: true });
  }
  const hostPath = (path: string) => path.replace(SHARED, share.directory);
  const writable = (path: string) => {
    openToGuest(share, hostPath(path));
    return path;
  };
  const lines: string[] = [];
  const guest = await Guest.start({
    memoryMib,
    kernel: kernel ?? join(image, "vmlinuz"),
    initrd: options.initrd ?? (kernel === undefined && join(image, "initrd.cpio")),
    image: options.image ?? join(image, "guest.img"),
    kernelArgs: ["agent.debug_console", "agent.debug_console_vport=1026", "agent.log_vport=1025", ...kernelArgs],
    shares: [share, ...shares],
    tracing,
    hotplug,
    qemuArgs,
    vsock: options.vsock,
    onConsole: (line) => lines.push(line),
  });
  const address = guest.address(1024);
  const shell = (command: string) => runInConsole(guest.address(1026), command);
  const agents = () => lines.filter((line) => line.includes("guestd: listening")).length;
  return {
    real: true,
    guest,
    built,
    address,
    storages: [
      { driver: "virtio-fs", source: "kataShared", fstype: "virtiofs", options: ["nodev"], mount_point: `${SHARED}/` },
    ],
    connect: (options) => connect(address, options),
    rootfs(name) {
      makeBusyboxRootfs(join(share.directory, name, "rootfs"));
      return writable(`${SHARED}/${name}/rootfs`);
    },
    volume(name) {
      mkdirSync(join(share.directory, name));
      return writable(`${SHARED}/${name}`);
    },
    hostPath,
    shell,
    async killAgent() {
      const before = agents();
      await shell("kill -9 $(pidof node)").catch(() => "the console ended with the agent");
      for (let waited = 0; agents() === before; waited += 50) {
        if (waited > SHELL_LIMIT_MS) throw new Error(`no new agent; the console says: ${lines.slice(-10).join(" | ")}`);
        await sleep(50);
      }
    },
    console: () => lines.join("\n"),
    async [Symbol.asyncDispose]() {
      await guest.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Types a command into a new debug console. Resolves to its output. */
async function runInConsole(address: string, command: string): Promise<string> {
  const socket = await dial(address);
  const limit = AbortSignal.timeout(SHELL_LIMIT_MS);
  limit.addEventListener("abort", () => socket.destroy(new Error(`console: no response to ${command}`)));
  let text = "";
  socket.write(`stty -echo; echo BEG''IN; ${command}; echo E''ND\n`);
  for await (const data of socket) {
    text += String(data);
    const found = /BEGIN\r\n([\s\S]*)END\r\n/.exec(text);
    if (found !== null) {
      socket.destroy();
      return (found[1] ?? "").replaceAll("\r\n", "\n");
    }
  }
  throw new Error(`console: closed after ${JSON.stringify(text)}`);
}
