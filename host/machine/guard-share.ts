import { execFile, execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { promisify } from "node:util";
import { MachineError } from "./machine-error.ts";
import type { Share } from "./virtiofs.ts";

/** Mounts $1 on itself, read-only or not as $2 says; the other flags of its file system stay, which is all an ordinary user may do. */
const BIND = `flags=$(findmnt -nro VFS-OPTIONS -T "$1"); mount --bind "$1" "$1"; mount -o "remount,bind,$flags,$2" "$1"`;
/** Mounts $1 on $2 with what is mounted below it, or read-only and without that: one remount would not reach it. */
const VOLUME = {
  rw: 'mount --rbind "$1" "$2"',
  ro: 'flags=$(findmnt -nro VFS-OPTIONS -T "$1"); mount --bind "$1" "$2"; mount -o "remount,bind,$flags,ro" "$2"',
};
/** The user namespace takes away what Child has set: that the kernel ends the program with its parent. */
const GUARD = `set -e; ${BIND}; shift 2; exec setpriv --pdeathsig KILL -- "$@"`;

/** Mounts that only the program sees; what the machine unmounts meanwhile is unmounted for it too. */
const unshare = (root: boolean): string[] => [
  ...["unshare", "--mount", "--propagation", "slave"],
  ...(root ? [] : ["--user", "--map-root-user"]),
];

/** Runs `argv`, in the same process, with the directory read-only. An ordinary user is root in there. */
export function guarded(argv: readonly string[], directory: string, root: boolean): readonly string[] {
  return [...unshare(root), "sh", "-c", GUARD, "sh", directory, "ro", ...argv];
}

/** Whether this user may mount in a namespace: root in a container may not, nor an ordinary user where those are forbidden. */
export async function canGuard(root: boolean): Promise<boolean> {
  const [program = "", ...args] = [...unshare(root), "mount", "--bind", "/dev/null", "/dev/null"];
  return promisify(execFile)(program, args, { timeout: 5000 }).then(
    () => true,
    () => false,
  );
}

/**
 * Lets the guest write in a directory below a share that is guarded: a file system of its own there, as each root file
 * system and volume is on a Kata host. It ends when the host removes the directory. Nothing to do for a share that isn't.
 */
export function openToGuest(share: Share, directory: string): void {
  const pid = guardOf(share);
  if (pid !== undefined) inGuard(share, pid, `open ${directory} to the guest`, BIND, directory, "rw");
}

/**
 * Has the guest see the folder `source` of the host at the empty directory `at` of a guarded share. The mount is in the
 * share's mount namespace alone, so whoever removes `at` on the host never gets into the folder. Throws MachineError, also
 * where this user can't mount in a namespace.
 */
export function mountForGuest(share: Share, source: string, at: string, mode: "rw" | "ro"): void {
  const pid = guardOf(share);
  if (pid === undefined) {
    throw new MachineError(`mount ${source}: this user can't mount in a namespace of its own: run it without -v`);
  }
  inGuard(share, pid, `mount ${source}`, VOLUME[mode], source, at);
}

function inGuard(share: Share, pid: number, what: string, script: string, ...args: readonly string[]): void {
  const user = process.getuid?.() === 0 ? [] : ["--user", "--preserve-credentials"];
  const enter = ["--target", `${pid}`, "--mount", ...user, "sh", "-c", `set -e; ${script}`, "sh", ...args];
  try {
    execFileSync("nsenter", enter, { stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? error).trim();
    throw new MachineError(`share ${share.tag}: ${what}: ${said.replaceAll("\n", "; ")}`);
  }
}

/** The process in whose namespace the share is guarded; the machine's own mounts are never touched. */
function guardOf({ tag, guard }: Share): number | undefined {
  if (guard === undefined) return undefined;
  let pid: number;
  let namespace: string;
  try {
    pid = Number(readFileSync(guard, "utf8"));
    if (pid === 0) return undefined;
    namespace = readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    throw new MachineError(`share ${tag}: its guest has ended`);
  }
  if (namespace === readlinkSync("/proc/self/ns/mnt")) throw new MachineError(`share ${tag}: its guest has ended`);
  return pid;
}
