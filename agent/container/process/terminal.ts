import { chownSync } from "node:fs";
import { MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID } from "../../kernel/constants.ts";
import { openTerminals } from "../../kernel/contained-files.ts";
import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { openRoot } from "../inside.ts";
import { isDevpts } from "../mounts/mount-kind.ts";
import { parseMountOptions } from "../mounts/mount-options.ts";
import { hostId } from "../namespaces/user-namespace.ts";
import type { LinuxSpec, ProcessSpec, Spec } from "../spec.ts";

/** A new pty; both ends are the caller's. */
export interface Terminal {
  readonly master: Fd;
  readonly peer: Fd;
  readonly number: number;
}

/**
 * A pty of a devpts instance of the container's own, which is not attached yet: `mount` is its detached mount, and has the
 * index in the spec. Its options name ids of the guest: those of a user namespace are turned into them.
 */
export function openFirstTerminal(
  kernel: Kernel,
  spec: Spec,
): Terminal & { readonly mount?: Fd; readonly mountIndex: number } {
  const mountIndex = spec.mounts.findIndex(isDevpts);
  const devpts = spec.mounts[mountIndex];
  if (devpts === undefined) return { ...openTerminalIn(kernel, "/dev/pts", spec.process), mountIndex };
  const { data, set } = parseMountOptions(devpts.options);
  const options = data.filter(([key]) => key !== "newinstance").map((option) => outsideIds(option, spec.linux));
  const mount = kernel.sys.detachedMount("devpts", options, set === 0 ? MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC : set);
  try {
    giveToRoot(mount, spec.linux);
    return { ...openTerminal(kernel, mount, spec.process), mount, mountIndex };
  } catch (error) {
    kernel.sys.close(mount);
    throw error;
  }
}

/** The directory and ptmx, to the root of a user namespace: the guest's root made them. */
function giveToRoot(devpts: Fd, { uidMappings = [], gidMappings = [] }: LinuxSpec): void {
  const [uid, gid] = [hostId(uidMappings, 0), hostId(gidMappings, 0)];
  if (uid === undefined || gid === undefined) return;
  for (const name of ["", "/ptmx"]) chownSync(`/proc/self/fd/${devpts}${name}`, uid, gid);
}

function outsideIds(
  option: readonly [string, string?],
  { uidMappings = [], gidMappings = [] }: LinuxSpec,
): readonly [string, string?] {
  const [key, value] = option;
  const mappings = key === "uid" ? uidMappings : key === "gid" ? gidMappings : [];
  const id = hostId(mappings, Number(value));
  return id === undefined ? option : [key, String(id)];
}

/** A pty of a running container's devpts, or of the guest's where the container has none. */
export async function openExecTerminal(
  kernel: Kernel,
  pid: number,
  process: ProcessSpec,
  signal?: AbortSignal,
): Promise<Terminal> {
  const root = openRoot(`/proc/${pid}/root`);
  let directory: Fd | undefined;
  try {
    directory = await openTerminals(kernel.sys, root, signal);
    return openTerminal(kernel, directory, process);
  } catch {
    signal?.throwIfAborted();
    return openTerminalIn(kernel, "/dev/pts", process);
  } finally {
    if (directory !== undefined) kernel.sys.close(directory);
    kernel.sys.close(root);
  }
}

/** A pty of the devpts that is mounted on a path of the guest. */
export function openTerminalIn(kernel: Kernel, path: string, process?: ProcessSpec): Terminal {
  const directory = openRoot(path);
  try {
    return openTerminal(kernel, directory, process);
  } finally {
    kernel.sys.close(directory);
  }
}

function openTerminal({ sys }: Kernel, directory: Fd, process: ProcessSpec | undefined): Terminal {
  const master = sys.openTerminal(directory);
  try {
    const size = process?.consoleSize;
    if (size !== undefined) sys.setWindowSize(master, size.height, size.width);
    const number = sys.terminalNumber(master);
    return { master, peer: sys.terminalPeer(master), number };
  } catch (error) {
    sys.close(master);
    throw error;
  }
}
