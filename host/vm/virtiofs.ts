import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { isRoot } from "../../lib/is-root.ts";
import { Child } from "./child.ts";
import { canGuard, guarded } from "./guard-share.ts";
import { setupCommand } from "./guestctl-command.ts";
import { waitUntilListening } from "./listening-socket.ts";
import { MachineError } from "./machine-error.ts";
import { findVirtiofsd, type Virtiofsd } from "./programs.ts";

/** A host directory that the guest mounts by its tag. */
export interface Share {
  readonly tag: string;
  readonly directory: string;
  /**
   * Restricts the guest's writes to the directories opened with `openToGuest`. This file records the pid whose mount
   * namespace enforces it, or 0 if this user can't mount; the guest can then write anywhere in the share, as without a
   * guard.
   */
  readonly guard?: string;
  /** Makes the guest mount each opened directory as a separate file system, the default of Kata's hosts. */
  readonly announce?: boolean;
}

/**
 * Privileges of this user: an ordinary user may or may not be able to create user namespaces, and is root in one
 * created for it.
 */
export type Rights = "root" | "user-namespace" | "mapped-root" | "none";

/** Starts virtiofsd for a share, in a cgroup. It exits when QEMU disconnects; the caller ends it in any case. */
export async function startVirtiofsd(
  share: Share,
  socket: string,
  signal: AbortSignal,
  cgroup?: string,
): Promise<Child> {
  const { tag, directory, guard, announce = false } = share;
  const root = isRoot();
  const guards = guard !== undefined && (await canGuard(root));
  const mine = root ? "root" : guards ? "mapped-root" : await rights();
  const argv = virtiofsdCommand(await findVirtiofsd(), directory, socket, mine, announce);
  const command = guards ? guarded(argv, directory, root) : argv;
  const child = Child.start(`virtiofsd (${tag})`, command, { place: socket.replace(/\.sock$/, ""), cgroup });
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
 * Returns virtiofsd's command line. For root it uses the chroot sandbox, which also works in containers. For an
 * ordinary user the one in Rust runs in a user namespace or, where those are disabled, without a sandbox: then only its
 * own checks keep the guest inside the directory. Files created in the guest belong to that user on the host and to
 * root in the guest; chown has no effect. Before virtiofsd 1.13, only root in the guest can create files, and chown
 * fails. Neither can create device nodes.
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
    // Versions that translate ids announce submounts by default, meant for directories on several disks; here each
    // guest directory would become a mount.
    const announced = announce ? ["--announce-submounts"] : translates ? ["--no-announce-submounts"] : [];
    const [uid, gid] = rights === "mapped-root" ? [0, 0] : [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    const owners = rights === "root" || !translates ? [] : ownersOf(uid, gid);
    const fewer = rights === "root" ? ["--modcaps=-mknod"] : [];
    return [path, ...flags, ...announced, ...owners, ...fewer, "--log-level=error"];
  }
  if (rights !== "root") {
    throw new MachineError(
      `virtiofsd ${path}: QEMU's own needs root; run "${setupCommand(" --virtiofsd")}", which gets the one in Rust`,
      { kind: "not-installed" },
    );
  }
  // Commas separate -o options; a backslash escapes them.
  const source = directory.replace(/[\\,]/g, "\\$&");
  const settings = [`source=${source}`, "cache=auto", "sandbox=chroot", "modcaps=-mknod", "log_level=err"];
  if (announce) settings.push("announce_submounts");
  return [path, `--socket-path=${socket}`, ...settings.flatMap((setting) => ["-o", setting])];
}

/** Maps the owner of all files created in the guest to this user, who is root in the guest. */
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
