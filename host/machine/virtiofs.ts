import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { Child } from "./child.ts";
import { canGuard, guarded } from "./guard-share.ts";
import { waitUntilListening } from "./listening-socket.ts";
import { MachineError } from "./machine-error.ts";
import { findVirtiofsd, type Virtiofsd } from "./programs.ts";

/** A directory of the host that the guest mounts by its tag. */
export interface Share {
  readonly tag: string;
  readonly directory: string;
  /**
   * Has the guest write only in the directories that `openToGuest` names. The file gets the id of the process in whose mount
   * namespace that is so, or 0 where this user can't mount: the guest may then write anywhere in the share, as without it.
   */
  readonly guard?: string;
  /** Has the guest mount each directory that `openToGuest` names as a file system of its own, as Kata's hosts do by default. */
  readonly announce?: boolean;
}

/** What this user may do: an ordinary one may or may not make user namespaces, in one that is made for it it is root. */
export type Rights = "root" | "user-namespace" | "mapped-root" | "none";

/** Starts virtiofsd for a share; it ends by itself when QEMU disconnects, and its owner ends it in any case. */
export async function startVirtiofsd(share: Share, socket: string, signal: AbortSignal): Promise<Child> {
  const { tag, directory, guard, announce = false } = share;
  const root = process.getuid?.() === 0;
  const guards = guard !== undefined && (await canGuard(root));
  const mine = root ? "root" : guards ? "mapped-root" : await rights();
  const argv = virtiofsdCommand(await findVirtiofsd(), directory, socket, mine, announce);
  const child = new Child(`virtiofsd (${tag})`, guards ? guarded(argv, directory, root) : argv);
  try {
    await waitUntilListening(child, socket, signal);
    if (guard !== undefined) writeFileSync(guard, `${guards ? (child.pid ?? "") : 0}`, { mode: 0o600 });
    return child;
  } catch (error) {
    await child.end(true);
    throw error;
  }
}

/**
 * Root gets the chroot sandbox, which works in containers too. For an ordinary user the one in Rust runs in a user
 * namespace, and where those are forbidden without a sandbox: it keeps the guest inside the directory by its own checks only.
 * What anyone in the guest makes then belongs to that user on the host, and to root in the guest; chown changes nothing.
 * Before virtiofsd 1.13 only root in the guest can make files, and chown fails.
 */
export function virtiofsdCommand(
  { path, kind, translates }: Virtiofsd,
  directory: string,
  socket: string,
  rights: Rights,
  announce = false,
): readonly string[] {
  if (kind === "rust") {
    const sandbox = { root: "chroot", "mapped-root": "chroot", "user-namespace": "namespace", none: "none" }[rights];
    const flags = [`--socket-path=${socket}`, `--shared-dir=${directory}`, "--cache=auto", `--sandbox=${sandbox}`];
    // The default of those that translate: for directories of several disks. Of a guest's there is one, and each would be a mount.
    const announced = announce ? ["--announce-submounts"] : translates ? ["--no-announce-submounts"] : [];
    const [uid, gid] = rights === "mapped-root" ? [0, 0] : [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    const owners = rights === "root" || !translates ? [] : ownersOf(uid, gid);
    return [path, ...flags, ...announced, ...owners, "--log-level=error"];
  }
  if (rights !== "root") {
    throw new MachineError(`virtiofsd ${path}: QEMU's own needs root: run "npm run setup", which gets the one in Rust`);
  }
  // commas separate -o options, and a backslash escapes them
  const source = directory.replace(/[\\,]/g, "\\$&");
  const settings = [`source=${source}`, "cache=auto", "sandbox=chroot", "log_level=err"];
  if (announce) settings.push("announce_submounts");
  return [path, `--socket-path=${socket}`, ...settings.flatMap((setting) => ["-o", setting])];
}

/** All that a guest makes is this user's, who is root in there. */
function ownersOf(uid: number, gid: number): string[] {
  return Object.entries({ uid, gid }).flatMap(([what, id]) =>
    [`squash-guest:0:${id}:${2 ** 32 - 1}`, `host:${id}:0:1`].map((rule) => `--translate-${what}=${rule}`),
  );
}

async function rights(): Promise<"user-namespace" | "none"> {
  const attempt = promisify(execFile)("unshare", ["--user", "--map-root-user", "--mount", "true"], { timeout: 5000 });
  return attempt.then(
    () => "user-namespace",
    () => "none",
  );
}
