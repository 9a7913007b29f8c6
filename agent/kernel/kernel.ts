import type { Files } from "./files.ts";
import type { LaunchReport, PlanOp } from "./init/plan.ts";
import type { OutputJournal } from "./journal/output-journal.ts";

/** An open descriptor, as a number. Whoever opened it closes it, unless a docstring says otherwise. */
export type Fd = number;

/** Descriptors that init keeps for a process by role, so that they outlive the agent. */
export interface KeptFds {
  /** Write end of the stdin pipe. */
  readonly stdin?: Fd;
  /** Read end of the stdout pipe. */
  readonly stdout?: Fd;
  readonly stderr?: Fd;
  /** Master of the pty, instead of the three above. */
  readonly terminal?: Fd;
  /** Read end of the report pipe. */
  readonly report?: Fd;
  /** Write end of the pipe that releases a created container. */
  readonly release?: Fd;
}

export type KeptRole = keyof KeptFds;

export interface LaunchRequest {
  /** Chosen by the agent, unique for the life of init; up to 2^53-1. */
  readonly id: number;
  readonly plan: readonly PlanOp[];
  /** Descriptors that the plan's slots name. They stay the caller's; init gets copies. */
  readonly slots: readonly Fd[];
  /** Slot of the write end of the report pipe. */
  readonly reportSlot: number;
  /** CLONE_NEWPID for a new pid namespace. */
  readonly newPidNamespace: boolean;
  /** Slot whose pid namespace (file or pidfd) the child is born in. */
  readonly pidNamespaceSlot?: number;
  /** Slot of a cgroup directory that the child is born in. */
  readonly cgroupSlot?: number;
  /** Kept by init until `forget`; copies, the caller still owns its own. */
  readonly keep: KeptFds;
  /** Opaque to init, at most 1024 bytes; comes back with the process after a restart of the agent. */
  readonly label: string;
}

/** A process that another one than init forked, and that is init's child because its parent has ended. */
export interface AdoptRequest extends Pick<LaunchRequest, "id" | "keep" | "label"> {
  /** In init's pid namespace. */
  readonly pid: number;
}

/** How much of a file is read. */
export interface FilePart {
  /** Bytes. */
  readonly limit: number;
  /** The end of a longer file, which is refused otherwise. */
  readonly tail?: boolean;
}

/** How a process ended: an exit code, or the signal that killed it. */
export interface ExitStatus {
  /** 0–255; 128 + signal for a killed one. */
  readonly code: number;
  readonly signal: number;
  readonly userMicros: number;
  readonly systemMicros: number;
  readonly maxRssKib: number;
}

/** A process that init forked or adopted. */
export interface AdoptedProcess {
  readonly id: number;
  /** In init's pid namespace. */
  readonly pid: number;
  /** Owned by the receiver. Undefined if the process had ended before init adopted it. */
  readonly pidfd: Fd | undefined;
  /** Resolves when init reports the end, at once for a process that a restarted agent finds ended. Never after `forget`. */
  readonly exit: Promise<ExitStatus>;
}

/** A process that init forked. */
export interface LaunchedProcess extends AdoptedProcess {
  readonly pidfd: Fd;
}

/** A process as a restarted agent gets it back. `kept` are fresh descriptors, owned by the receiver. */
export interface RestoredProcess extends AdoptedProcess {
  readonly label: string;
  readonly kept: KeptFds;
  /** It had ended before this agent was started. */
  readonly exited?: ExitStatus;
}

/** What init hands to an agent at its start, before anything else. */
export interface InitGreeting {
  /** 1 for the first agent since boot. */
  readonly generation: number;
  /** CLOCK_MONOTONIC, microseconds: when init began, and when this agent was executed. */
  readonly initStartMicros: number;
  readonly agentExecMicros: number;
  readonly processes: readonly RestoredProcess[];
  /** Descriptors deposited by `deposit`. */
  readonly deposits: ReadonlyMap<string, Fd>;
}

/** The agent's side of the socket to init. */
export interface Init {
  readonly greeting: InitGreeting;
  /**
   * Forks a child that runs the plan. Rejects with SystemError when init refused it; the child's own failures come on the
   * report. Rejects with the reason of `signal` when that aborts first: the child is killed and forgotten then.
   */
  launch(request: LaunchRequest, signal?: AbortSignal): Promise<LaunchedProcess>;
  /**
   * Makes an orphan one of init's processes, one that has ended already as well (among the last 4096 processes). Rejects
   * with ESRCH for what is no child of init.
   */
  adopt(request: AdoptRequest): Promise<AdoptedProcess>;
  /** Closes one kept descriptor of a process (CloseStdin); its report goes with its release. */
  closeKept(id: number, role: KeptRole): void;
  /** Init forgets the process, closes what it kept, and reports no exit any more. */
  forget(id: number): void;
  /** Keep a descriptor under a name (≤ 100 bytes) until `withdraw`; a later deposit of the same name replaces it. */
  deposit(name: string, fd: Fd): void;
  withdraw(name: string): void;
  /**
   * Has init kill and replace this agent unless the next call comes within `limitMs`; 0 ends that. Does nothing under an
   * init that is too old for it.
   */
  heartbeat(limitMs: number): void;
  /** sync, then power off or reboot; in a pid namespace on a host: the namespace ends. A service exits with 0, or 1 for reboot. */
  power(action: "off" | "reboot"): void;
}

/** Reads reports of a launch until end of file. */
export interface ReportReader {
  /** The next report, or "executed" at end of file. */
  next(signal?: AbortSignal): Promise<LaunchReport | { readonly kind: "executed" }>;
}

/** The system calls that Node lacks. Each throws SystemError; none blocks but those that return a promise. */
export interface Sys {
  pipe(options?: { readonly sizeBytes?: number }): { read: Fd; write: Fd };
  /** Non-blocking on this open file description. */
  setNonBlocking(fd: Fd): void;
  /** F_DUPFD_CLOEXEC. */
  dup(fd: Fd): Fd;
  close(fd: Fd): void;
  /** Bytes read, 0 at end of file (EIO of a pty included), -1 when it would block. */
  read(fd: Fd, into: Uint8Array): number;
  /** Bytes written, -1 when it would block. */
  write(fd: Fd, from: Uint8Array): number;
  /**
   * Moves bytes within the kernel, up to `length`; one of the two is a pipe. Bytes moved, 0 at the end of `from`, -1 when it
   * would block: nothing to read, or no room.
   */
  splice(from: Fd, to: Fd, length: number): number;
  /** FIONREAD. */
  readable(fd: Fd): number;
  /** Resolves when the descriptor is ready for reading or writing, hung up or in error. */
  poll(fd: Fd, events: "read" | "write", signal?: AbortSignal): Promise<void>;
  /** openat2; `resolve` is a set of RESOLVE_* bits. Always O_CLOEXEC. */
  openat2(dir: Fd, path: string, flags: number, resolve: number): Fd;
  /**
   * As openat2 off the main thread, on a file system of one of the types (statfs magic numbers; none: any). `dir` may be
   * closed meanwhile; "" is `dir` itself.
   */
  openInside(dir: Fd, path: string, flags: number, resolve: number, types: readonly number[]): Promise<Fd>;
  /**
   * A memory file with the content of a regular file, opened as by openInside. A file of more than `limit` bytes is EFBIG;
   * with `tail` its last bytes are copied. Never reads more than one byte beyond the limit.
   */
  copyInside(dir: Fd, path: string, resolve: number, types: readonly number[], part: FilePart): Promise<Fd>;
  /** A unix stream socket that listens on a path of the guest. */
  listenUnix(path: string): Fd;
  /** The first descriptor that the next peer of a listening unix socket sends. */
  acceptDescriptor(listener: Fd, signal?: AbortSignal): Promise<Fd>;
  /** Ends a connection both ways, whoever has copies of the descriptor; one that is gone is ended. */
  endConnection(fd: Fd): void;
  unshare(flags: number): void;
  setns(fd: Fd, flags: number): void;
  sethostname(name: string): void;
  /** Off the main thread. */
  mount(source: string, target: string, type: string, flags: number, data: string): Promise<void>;
  umount(target: string, flags: number): Promise<void>;
  /** A detached mount of a new file system (fsopen … fsmount): tmpfs, devpts. */
  detachedMount(type: string, options: readonly (readonly [string, string?])[], attributes: number): Fd;
  /** A detached clone of what is mounted at a path of the guest (open_tree). Off the main thread. */
  openTree(path: string, recursive: boolean): Promise<Fd>;
  /** Maps the ids of a detached mount by a user namespace; `path` is for the error. */
  idmapMount(mount: Fd, userns: Fd, recursive: boolean, path: string): void;
  /** Master of a new pty of the devpts instance that `dir` (its directory) belongs to; refuses what is no devpts. */
  openTerminal(dir: Fd): Fd;
  /** TIOCGPTPEER, O_NOCTTY. */
  terminalPeer(master: Fd): Fd;
  terminalNumber(master: Fd): number;
  setWindowSize(fd: Fd, rows: number, columns: number): void;
  /** pidfd_send_signal; ESRCH is thrown like any other. */
  signal(pidfd: Fd, signal: number): void;
  /** A program that filters the use of devices in a cgroup; the kernel checks it. */
  loadDeviceFilter(instructions: Uint8Array): Fd;
  /** `cgroup` is a directory of cgroup2; a filter that it, or one above or below it, has stays in force as well. */
  attachDeviceFilter(cgroup: Fd, program: Fd): void;
  /** In place of a program that is attached to it; at no moment is there none. */
  replaceDeviceFilter(cgroup: Fd, program: Fd, replaced: Fd): void;
  /** The program that was attached to it first. */
  attachedDeviceFilter(cgroup: Fd): Fd | undefined;
  /** {total, free, available} in bytes and inodes, and the magic number of the type. */
  statfsType(fd: Fd): number;
  /** A named pipe or a device, `mode` with its type, in a directory that is open; what is there is not replaced. */
  makeNode(dir: Fd, name: string, mode: number, major: number, minor: number): void;
  /** Of an open file or directory. */
  setXattr(fd: Fd, name: string, value: Uint8Array): void;
  /** memfd with `content`, sealed against every change, offset 0. */
  memoryFile(name: string, content: Uint8Array): Fd;
  /** SIGKILL to a process group, by the pid of its leader, which the caller knows to be alive. One that is gone is fine. */
  killGroup(leader: number): void;
  /** settimeofday: seconds since the epoch, and 0–999999 microseconds. */
  setTime(seconds: number, micros: number): void;
  /** What was written to this /dev/random counts for so many bits. */
  creditEntropy(fd: Fd, bits: number): void;
  /** Has the kernel's generator take what its pool holds now. `fd` is a /dev/random. */
  reseedRandom(fd: Fd): void;
  /** Off the main thread. */
  swapOn(path: string): Promise<void>;
  /** Of a mounted file system that `fd` is in, to so many of its blocks. Off the main thread. */
  growFileSystem(fd: Fd, type: "ext4" | "xfs", blocks: number): Promise<void>;
  /** A read-only device that the device mapper makes; its path in /dev. Off the main thread, like the next. */
  mapDevice(name: string, target: MappedTarget): Promise<string>;
  /** One that is in use goes with its last user; one that is not there is fine. */
  unmapDevice(name: string): Promise<void>;
}

/** What a device of the device mapper is made of. */
export interface MappedTarget {
  /** "verity". */
  readonly type: string;
  /** Of 512 bytes. */
  readonly sectors: number;
  /** As the target's documentation has them. */
  readonly params: string;
}

/** All that the agent may ask of the machine; tests hand in a recording double. */
export interface Kernel {
  readonly sys: Sys;
  readonly init: Init;
  readonly files: Files;
  /** Where output is on its way to hosts; without it what was taken from a pipe ends with the agent. */
  readonly outputs?: OutputJournal;
}
