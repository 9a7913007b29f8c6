import { capabilityNames } from "../capabilities.ts";
import { CLONE_NEWNS } from "../constants.ts";
import { commandLine } from "./command-line.ts";
import { namespaceWords } from "./flag-words.ts";
import { ADMIN, capabilities, FILES, hex, type Needs, NOTHING, operation } from "./operation.ts";

const CHROOT = capabilities("SYS_CHROOT");
const TRACE = capabilities("SYS_PTRACE");
const LIMITS = capabilities("SYS_RESOURCE");
const TIME = capabilities("SYS_TIME");
const NETWORK_FILES = FILES | capabilities("NET_ADMIN");
const SYSCTL_FILES = FILES | capabilities("SYS_RESOURCE", "CHECKPOINT_RESTORE");

/** Operations on namespaces, session, descriptors and execution, as in agent/native/init/ops-process.c. */
export const PROCESS_OPS = {
  /** unshare(2) with CLONE_NEW* flags (without NEWPID, which is a flag of the launch). */
  unshare: operation({
    code: 1,
    args: { flags: "u32" },
    needs: ADMIN,
    object: ({ flags }) => `flags ${hex(flags)}`,
    detail: ({ flags }) => `new ${namespaceWords(flags)}`,
  }),

  /** setns(2) into a slot: a namespace file, or a pidfd with one or more CLONE_NEW* flags. */
  setns: operation({
    code: 2,
    args: { slot: "slot", flags: "u32" },
    // A slot "ns:…" is a namespace's file, any other a pidfd, whose use requires permission to trace the process.
    needs({ slot, flags }, slots) {
      const join = (flags & CLONE_NEWNS) === 0 ? ADMIN : ADMIN | CHROOT;
      return slots[slot]?.startsWith("ns:") ? join : join | TRACE;
    },
    object: ({ flags }) => `flags ${hex(flags)}`,
    detail: ({ slot, flags }, slots) => `${namespaceWords(flags)} of ${slots[slot]}`,
  }),

  /** setns(2) into a guest path; for /proc/self/ns, which only the child can open. */
  "setns-path": operation({
    code: 26,
    args: { path: "path", flags: "u32" },
    needs: ADMIN,
    call: "setns",
    object: ({ path }) => path,
  }),

  /**
   * Continues in a new child of init, created with these CLONE_NEW* flags in the namespaces created or joined so far.
   * Allowed once, and nothing before it may block, because init waits for it.
   */
  fork: operation({
    code: 25,
    args: { flags: "u32" },
    needs: ADMIN,
    object: ({ flags }) => `flags ${hex(flags)}`,
    detail: ({ flags }) => (flags === 0 ? "" : `new ${namespaceWords(flags)}`),
  }),

  setsid: operation({ code: 3, args: {}, needs: NOTHING, object: "" }),

  /** keyctl(JOIN_SESSION_KEYRING) with a new keyring; succeeds on a kernel without keyrings, which has none to share. */
  "session-keyring": operation({ code: 48, args: {}, needs: NOTHING, object: "" }),

  /** Opens a guest path for writing and writes the text in one write(2). */
  write: operation({
    code: 4,
    args: { path: "path", data: "string" },
    needs: ({ path }) => needsOfWrite(path),
    object: ({ path, data }) => `${data} to ${path}`,
  }),

  sethostname: operation({ code: 5, args: { name: "string" }, needs: ADMIN, object: ({ name }) => name }),
  setdomainname: operation({ code: 6, args: { name: "string" }, needs: ADMIN, object: ({ name }) => name }),
  chdir: operation({ code: 28, args: { path: "path" }, needs: FILES, object: ({ path }) => path }),

  /** dup2 of three slots onto 0, 1, 2. */
  stdio: operation({
    code: 29,
    args: { stdin: "slot", stdout: "slot", stderr: "slot" },
    needs: NOTHING,
    object: "",
    detail: ({ stdin, stdout, stderr }, slots) => [stdin, stdout, stderr].map((slot) => slots[slot]).join(" "),
  }),

  /** TIOCSCTTY on descriptor 0. */
  ctty: operation({ code: 30, args: {}, needs: ADMIN, object: "" }),

  /** fchown of 0, 1, 2; skips a file that refuses it, such as /dev/null on a read-only file system. */
  "chown-stdio": operation({
    code: 31,
    args: { uid: "u32", gid: "u32" },
    needs: capabilities("CHOWN"),
    call: "chown stdio",
    object: ({ uid, gid }) => (gid === 0xffffffff ? `${uid}` : `${uid}:${gid}`),
  }),

  /** Chooses the first candidate (a container path) that is an executable regular file; fails with ENOENT or EACCES. */
  find: operation({
    code: 45,
    args: { candidates: "some-strings" },
    needs: NOTHING,
    object: ({ candidates }) => candidates.join(", "),
  }),

  /** Reports "ready", then blocks until one byte can be read from the slot. Exits at end of file. */
  wait: operation({
    code: 46,
    args: { slot: "slot" },
    needs: NOTHING,
    object: "",
    detail: ({ slot }, slots) => slots[slot],
  }),

  /** execve of the file chosen by `find`. */
  exec: operation({
    code: 47,
    args: { args: "some-strings", env: "strings" },
    needs: NOTHING,
    call: "execve",
    object: ({ args }) => args[0] ?? "",
    detail: ({ args }) => commandLine(args),
  }),

  /** Ends a plan that executes nothing; stands in place of `exec`. */
  exit: operation({ code: 50, args: {}, needs: NOTHING, object: "" }),

  /**
   * Ends a plan that executes nothing: serves calls on the files below the root until the socket is closed
   * (agent/native/init/files), with these capabilities and no system calls but those of serving.
   */
  "serve-files": operation({
    code: 52,
    args: { root: "slot", socket: "slot", capabilities: "u64" },
    needs: CHROOT | ADMIN,
    call: "serve files",
    object: "",
    detail: ({ root, capabilities: kept }, slots) => `of ${slots[root]} with ${capabilityNames(kept)}`,
  }),
};

function needsOfWrite(path: string): Needs {
  if (path.startsWith("/proc/self/attr/")) return FILES;
  if (path === "/proc/self/oom_score_adj") return LIMITS;
  if (path === "/proc/self/timens_offsets") return TIME;
  if (path.startsWith("/proc/sys/net/")) return NETWORK_FILES;
  if (path.startsWith("/proc/sys/")) return SYSCTL_FILES;
  return "all";
}
