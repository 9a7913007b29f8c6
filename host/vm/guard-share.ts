import { execFile, execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { isRoot } from "../../lib/is-root.ts";
import { kindInText } from "../text-kind.ts";
import { MachineError } from "./machine-error.ts";
import { identityOf } from "./shared-source.ts";
import type { Share } from "./virtiofs.ts";

/**
 * Bind-mounts $1 on itself with option $2 (ro or rw). Keeps the file system's other flags, as an ordinary user can't
 * change them.
 */
const BIND = `flags=$(findmnt -nro VFS-OPTIONS -T "$1"); mount -n --bind "$1" "$1"; mount -n -o "remount,bind,$flags,$2" "$1"`;
/**
 * Mounts $1 on $2: read-write with the mounts below it, read-only without them, since one remount would not cover them. The
 * guest sees the mount when it is finished: it is made at $3, out of its reach. $4 is the device and inode that $1 had.
 */
const VOLUME = {
  rw: 'mount -n --rbind "$1" "$3"; CHECK; mount -n --move "$3" "$2"',
  ro: `flags=$(findmnt -nro VFS-OPTIONS -T "$1"); mount -n --bind "$1" "$3"; CHECK
    mount -n -o "remount,bind,$flags,ro" "$3"; mount -n --move "$3" "$2"`,
};
const CHECK = `[ "$(stat -c %d:%i "$3")" = "$4" ] || { umount -n -R "$3"; echo "it was replaced meanwhile; try again" >&2; exit 1; }`;
/**
 * Mounts an engine's source $3 at $4. Like a volume's, the mount is made at $5, out of the guest's reach, and moved when it is
 * finished. $1 is the file system's type, or "bind" or "rbind"; $2 are its options.
 */
const REQUESTED = {
  mount: 'mount -n -t "$1" -o "$2" -- "$3" "$5"; mount -n --move "$5" "$4"',
  rw: 'mount -n "--$1" -- "$3" "$5"; mount -n --move "$5" "$4"',
  ro: `mount -n --bind -- "$3" "$5"; mount -n -o "remount,bind,$(findmnt -nro VFS-OPTIONS -T "$5"),ro" "$5"
    mount -n --move "$5" "$4"`,
};
/** Entering the user namespace clears the parent-death signal that the monitor set, so set it again. */
const GUARD = `set -e; ${BIND}; shift 2; exec setpriv --pdeathsig KILL -- "$@"`;

/** Command that unshares mounts for a program; the host's later unmounts still propagate to it. */
const unshare = (root: boolean): string[] => [
  ...["unshare", "--mount", "--propagation", "slave"],
  ...(root ? [] : ["--user", "--map-root-user"]),
];

/** Wraps `argv` so that the same process sees the directory read-only. An ordinary user is root inside. */
export function guarded(argv: readonly string[], directory: string, root: boolean): readonly string[] {
  return [...unshare(root), "sh", "-c", GUARD, "sh", directory, "ro", ...argv];
}

/**
 * True if this user can mount in a namespace. Root in a container can't, nor an ordinary user where user namespaces are
 * disabled.
 */
export async function canGuard(root: boolean): Promise<boolean> {
  const [program = "", ...args] = [...unshare(root), "mount", "-n", "--bind", "/dev/null", "/dev/null"];
  return promisify(execFile)(program, args, { timeout: 5000 }).then(
    () => true,
    () => false,
  );
}

/**
 * Lets the guest write to a directory below a guarded share, as a separate file system, like each root file system and
 * volume on a Kata host. Removing the directory on the host undoes it. Does nothing if the share isn't guarded.
 */
export function openToGuest(share: Share, directory: string): void {
  const pid = guardOf(share);
  if (pid !== undefined) inGuard(share, pid, `open ${directory} to the guest`, BIND, directory, "rw");
}

/**
 * Makes the host's folder `source` visible to the guest at the empty directory `at` of a guarded share. The mount
 * exists only in the share's mount namespace, so removing `at` on the host never reaches into the folder. Throws
 * MachineError, also if this user can't mount in a namespace. `source` is without links (`sharedFolder`).
 */
export function mountForGuest(share: Share, source: string, at: string, mode: "rw" | "ro"): void {
  const pid = guardOf(share);
  if (pid === undefined) {
    throw new MachineError(`mount ${source}: this user can't mount in a namespace; run without -v`);
  }
  const identity = identityOf(source, mode);
  const aside = mkdtempSync(join(dirname(share.directory), "mount-"));
  try {
    inGuard(
      share,
      pid,
      `mount ${source}`,
      VOLUME[mode].replace("CHECK", () => CHECK),
      source,
      at,
      aside,
      identity,
    );
  } finally {
    rmdirSync(aside);
  }
}

/** A mount that a container engine asks for: of a file system, or "bind" of a folder or file. */
export interface MountRequest {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/**
 * Makes an engine's mount at `at` in a guarded share: a folder, or a file for a file's bind. The mount exists only in the
 * share's mount namespace. It ends with the guest, or when the host removes `at`. A read-only bind leaves out the mounts below its
 * source, since one remount would not cover them. Throws MachineError.
 */
export function mountInShare(share: Share, { type, source, options }: MountRequest, at: string): void {
  const pid = guardOf(share);
  if (pid === undefined) throw new MachineError(`mount ${source}: this user can't mount in a namespace; run as root`);
  const bind =
    options.find((option) => option === "bind" || option === "rbind") ?? (type === "bind" ? type : undefined);
  const script = REQUESTED[bind === undefined ? "mount" : options.includes("ro") ? "ro" : "rw"];
  const aside = mkdtempSync(join(dirname(share.directory), "mount-"));
  try {
    const place = join(aside, "at");
    if (statSync(at).isFile()) writeFileSync(place, "");
    else mkdirSync(place);
    const words = options.join(",") || "defaults";
    inGuard(share, pid, `mount ${source}`, script, bind ?? type, words, source, at, place);
  } finally {
    rmSync(aside, { recursive: true });
  }
}

function inGuard(share: Share, pid: number, what: string, script: string, ...args: readonly string[]): void {
  const user = isRoot() ? [] : ["--user", "--preserve-credentials"];
  const enter = ["--target", `${pid}`, "--mount", ...user, "sh", "-c", `set -e; ${script}`, "sh", ...args];
  try {
    execFileSync("nsenter", enter, { stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? error).trim();
    throw new MachineError(`share ${share.tag}: ${what}: ${said.replaceAll("\n", "; ")}`, { kind: kindInText(said) });
  }
}

/** Returns the process whose mount namespace guards the share; never the host's own namespace. */
function guardOf({ tag, guard }: Share): number | undefined {
  if (guard === undefined) return undefined;
  let pid: number;
  let namespace: string;
  try {
    pid = Number(readFileSync(guard, "utf8"));
    if (pid === 0) return undefined;
    namespace = readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    throw new MachineError(`share ${tag}: the guest has ended`);
  }
  if (namespace === readlinkSync("/proc/self/ns/mnt")) throw new MachineError(`share ${tag}: the guest has ended`);
  return pid;
}
