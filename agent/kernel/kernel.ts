import type { ContainedFiles } from "./files/contained-files.ts";
import type { Files } from "./files.ts";
import type { PlanOp } from "./init/plan.ts";
import type { OutputJournal } from "./journal/output-journal.ts";

/** Number of an open descriptor. Whoever opened it closes it, unless a comment says otherwise. */
export type Fd = number;

/** Descriptors that init keeps for a process, by role, so that they outlive the agent. */
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
  /** Write end of the pipe that starts a created container. */
  readonly release?: Fd;
}

export type KeptRole = keyof KeptFds;

export interface LaunchRequest {
  /** Chosen by the agent, unique for init's lifetime; up to 2^53-1. */
  readonly id: number;
  readonly plan: readonly PlanOp[];
  /** Descriptors that the plan's slots refer to. The caller keeps owning them; init gets copies. */
  readonly slots: readonly Fd[];
  /** Slot that holds the write end of the report pipe. */
  readonly reportSlot: number;
  /** Creates the child in a new pid namespace (CLONE_NEWPID). */
  readonly newPidNamespace: boolean;
  /** Slot of the pid namespace (file or pidfd) that the child is created in. */
  readonly pidNamespaceSlot?: number | undefined;
  /** Slot of the cgroup directory that the child is created in. */
  readonly cgroupSlot?: number | undefined;
  /** Descriptors to keep until `forget`. Init gets copies; the caller still owns its own. */
  readonly keep: KeptFds;
  /** Opaque to init, at most 1024 bytes; returned with the process after the agent restarts. */
  readonly label: string;
}

/** A process that init didn't fork, but that became init's child when its parent ended. */
export interface AdoptRequest extends Pick<LaunchRequest, "id" | "keep" | "label"> {
  /** Pid in init's pid namespace. */
  readonly pid: number;
}

/** The part of a file to read. */
export interface FilePart {
  /** Most bytes to read. */
  readonly limit: number;
  /** Reads the end of a longer file instead of refusing it. */
  readonly tail?: boolean;
}

/** Exit status and resource usage of an ended process. */
export interface ExitStatus {
  /** 0–255; 128 + signal if a signal killed it. */
  readonly code: number;
  readonly signal: number;
  readonly userMicros: number;
  readonly systemMicros: number;
  readonly maxRssKib: number;
}

/** A process that init forked or adopted. */
export interface AdoptedProcess {
  readonly id: number;
  /** Pid in init's pid namespace. */
  readonly pid: number;
  /** Owned by the receiver. Undefined if the process had ended before init adopted it. */
  readonly pidfd: Fd | undefined;
  /** Resolves when init reports the exit, at once if the process ended before the agent restarted. Never after `forget`. */
  readonly exit: Promise<ExitStatus>;
}

/** A process that init forked. */
export interface LaunchedProcess extends AdoptedProcess {
  readonly pidfd: Fd;
}

/** A process that init returns to a restarted agent. `kept` are new descriptors, owned by the receiver. */
export interface RestoredProcess extends AdoptedProcess {
  readonly label: string;
  readonly kept: KeptFds;
  /** Set if it ended before this agent started. */
  readonly exited?: ExitStatus | undefined;
}

/** Everything init sends to an agent at its start, before any other message. */
export interface InitGreeting {
  /** 1 for the first agent since boot. */
  readonly generation: number;
  /** Microseconds of CLOCK_MONOTONIC: when init started, and when it executed this agent. */
  readonly initStartMicros: number;
  readonly agentExecMicros: number;
  readonly processes: readonly RestoredProcess[];
  /** Descriptors that an agent handed to `deposit`, by name. */
  readonly deposits: ReadonlyMap<string, Fd>;
}

/** The agent's side of the socket to init. */
export interface Init {
  readonly greeting: InitGreeting;
  /**
   * Forks a child that runs the plan. Rejects with SystemError if init refuses it; the child reports its own failures on the
   * report pipe. Rejects with the reason of `signal` if it aborts first; the child is then killed and forgotten.
   */
  launch(request: LaunchRequest, signal?: AbortSignal): Promise<LaunchedProcess>;
  /**
   * Adopts an orphan as one of init's processes, even if it has already ended (init remembers the last 4096). Rejects with
   * ESRCH if it isn't a child of init.
   */
  adopt(request: AdoptRequest): Promise<AdoptedProcess>;
  /** Closes one kept descriptor of a process (CloseStdin). Closing `release` closes `report` too. */
  closeKept(id: number, role: KeptRole): void;
  /** Makes init forget the process: closes its kept descriptors and never reports its exit. */
  forget(id: number): void;
  /** Keeps a descriptor under a name (≤ 100 bytes) until `withdraw`; a later deposit of the same name replaces it. */
  deposit(name: string, fd: Fd): void;
  withdraw(name: string): void;
  /**
   * Makes init kill and replace this agent unless the next call comes within `limitMs`; 0 ends the supervision. Does nothing
   * if init is too old to know it.
   */
  heartbeat(limitMs: number): void;
  /**
   * Syncs, then powers off or reboots; in a pid namespace on a host, ends the namespace. A service exits with 0, or 1 for
   * reboot.
   */
  power(action: "off" | "reboot"): void;
}

/** Both ends of a pipe. */
export interface PipeEnds {
  readonly read: Fd;
  readonly write: Fd;
}

/** The system calls that Node lacks. Each throws SystemError on failure; calls that may block return a promise. */
export interface Sys {
  pipe(options?: { readonly sizeBytes?: number }): PipeEnds;
  /** Sets O_NONBLOCK on the open file description. */
  setNonBlocking(fd: Fd): void;
  /** Duplicates with F_DUPFD_CLOEXEC. */
  dup(fd: Fd): Fd;
  close(fd: Fd): void;
  /** Returns bytes read, 0 at end of file (including EIO of a pty), -1 if it would block. */
  read(fd: Fd, into: Uint8Array): number;
  /** Returns bytes written, -1 if it would block. */
  write(fd: Fd, from: Uint8Array): number;
  /**
   * Writes like `write` to a pipe or terminal, and adds 2 to `note[0]` for each byte written. During write(2), `note[0]` is
   * higher by that and by 1. Writes no more bytes at once than the kernel takes whole.
   */
  writeNoted(fd: Fd, from: Uint8Array, note: Int32Array): number;
  /**
   * Moves up to `length` bytes within the kernel; one end must be a pipe. Returns bytes moved, 0 at the end of `from`, -1 if
   * it would block: nothing to read, or no room.
   */
  splice(from: Fd, to: Fd, length: number): number;
  /** Moves up to `length` bytes from a pipe to `offset` in a file. Returns bytes moved, -1 if the pipe is empty. */
  spliceAt(from: Fd, to: Fd, length: number, offset: number): number;
  /**
   * Copies up to `length` bytes from the beginning of a pipe to another pipe and leaves them in the first. Returns bytes
   * copied, 0 at end of file, -1 if it would block.
   */
  tee(from: Fd, to: Fd, length: number): number;
  /**
   * Moves `length` bytes from a pipe to a socket through an empty second pipe, in frames of at most `most` bytes after equal parts
   * of `headers`. Returns the bytes that the socket took, with headers, -1 if none; the others stay in the second pipe.
   */
  sendFrames(from: Fd, through: PipeEnds, to: Fd, length: number, most: number, headers: Uint8Array): number;
  /** Returns the bytes available to read (FIONREAD). */
  readable(fd: Fd): number;
  /** Returns true if nothing can be added any more to what is left to read: all writers of a pipe are gone. */
  hungUp(fd: Fd): boolean;
  resizePipe(fd: Fd, sizeBytes: number): void;
  /**
   * Calls `onChange` soon and then each time more can be read, or the last writer is gone, until the returned function is
   * called or `fd` is closed. `onLost` gets an error thrown by `onChange`, which ends the watch.
   */
  watchChanges(fd: Fd, onChange: () => void, onLost: (error: unknown) => void): () => void;
  /** Resolves when the descriptor is ready, hung up or in error. */
  poll(fd: Fd, events: "read" | "write", signal?: AbortSignal): Promise<void>;
  /** Opens with openat2(2) and O_CLOEXEC; `resolve` holds RESOLVE_* bits. */
  openat2(dir: Fd, path: string, flags: number, resolve: number): Fd;
  /** Opens like openat2, off the main thread. `dir` may be closed meanwhile; "" is `dir` itself. */
  openInside(dir: Fd, path: string, flags: number, resolve: number): Promise<Fd>;
  /** Listens on a guest path with a unix stream socket. */
  listenUnix(path: string): Fd;
  /** Resolves with the first descriptor sent by the next peer of a listening unix socket. */
  acceptDescriptor(listener: Fd, signal?: AbortSignal): Promise<Fd>;
  /** Shuts a connection down both ways, even if other processes hold copies; a lost connection is fine. */
  endConnection(fd: Fd): void;
  unshare(flags: number): void;
  setns(fd: Fd, flags: number): void;
  sethostname(name: string): void;
  /** Mounts off the main thread, like `umount`. */
  mount(source: string, target: string, type: string, flags: number, data: string): Promise<void>;
  umount(target: string, flags: number): Promise<void>;
  /** Creates a detached mount of a new file system (fsopen … fsmount), such as tmpfs or devpts. */
  detachedMount(type: string, options: readonly (readonly [string, string?])[], attributes: number): Fd;
  /** Clones the mount at a guest path as a detached mount (open_tree), off the main thread. */
  openTree(path: string, recursive: boolean): Promise<Fd>;
  /** Maps a detached mount's ids by a user namespace; `path` is used in errors. */
  idmapMount(mount: Fd, userns: Fd, recursive: boolean, path: string): void;
  /** Opens the master of a new pty in the devpts instance whose directory is `dir`; refuses other file systems. */
  openTerminal(dir: Fd): Fd;
  /** Opens the slave of a pty (TIOCGPTPEER) with O_NOCTTY. */
  terminalPeer(master: Fd): Fd;
  terminalNumber(master: Fd): number;
  setWindowSize(fd: Fd, rows: number, columns: number): void;
  /** Sends a signal with pidfd_send_signal; throws ESRCH if the process is gone. */
  signal(pidfd: Fd, signal: number): void;
  /** Loads a BPF program that filters device access in a cgroup; the kernel verifies it. */
  loadDeviceFilter(instructions: Uint8Array): Fd;
  /** Attaches a filter to a cgroup2 directory; filters on it, above it and below it stay in force. */
  attachDeviceFilter(cgroup: Fd, program: Fd): void;
  /** Replaces an attached filter atomically. */
  replaceDeviceFilter(cgroup: Fd, program: Fd, replaced: Fd): void;
  /** Returns the filter that was attached first. */
  attachedDeviceFilter(cgroup: Fd): Fd | undefined;
  /** Creates a named pipe or a device in an open directory; `mode` includes the type. Fails with EEXIST, never replaces. */
  makeNode(dir: Fd, name: string, mode: number, major: number, minor: number): void;
  /** Sets an extended attribute of an open file or directory. */
  setXattr(fd: Fd, name: string, value: Uint8Array): void;
  /** Creates a memfd with `content`, sealed against every change, at offset 0. */
  memoryFile(name: string, content: Uint8Array): Fd;
  /** Kills a process group by the pid of its leader, which the caller knows to be alive. A vanished group is fine. */
  killGroup(leader: number): void;
  /** Sets the clock (settimeofday): seconds since the epoch, and 0–999999 microseconds. */
  setTime(seconds: number, micros: number): void;
  /** Credits the bytes written to this /dev/random with so many bits of entropy. */
  creditEntropy(fd: Fd, bits: number): void;
  /** Reseeds the kernel's generator from its pool. `fd` is a /dev/random. */
  reseedRandom(fd: Fd): void;
  /** Enables swap off the main thread. */
  swapOn(path: string): Promise<void>;
  /** Writes all dirty pages to their disks (sync), off the main thread. */
  sync(): Promise<void>;
  /** Grows the mounted file system of `fd` to `blocks` of its blocks, off the main thread. */
  growFileSystem(fd: Fd, type: "ext4" | "xfs", blocks: number): Promise<void>;
  /** Creates a read-only device-mapper device and resolves with its path in /dev. Off the main thread, like `unmapDevice`. */
  mapDevice(name: string, target: MappedTarget): Promise<string>;
  /** Removes a device; one in use disappears with its last user. A missing device is fine. */
  unmapDevice(name: string): Promise<void>;
}

/** The target of a device-mapper device. */
export interface MappedTarget {
  /** Type of the target: "verity". */
  readonly type: string;
  /** Length in sectors of 512 bytes. */
  readonly sectors: number;
  /** Parameters, in the format of the target's kernel documentation. */
  readonly params: string;
}

/** Helps killed containers to end. */
export interface KilledCgroups {
  /** Call it when all processes of a container's cgroup were killed: watches until the last one has ended. */
  watch(cgroup: string): void;
  /** Ends the watch: the cgroup is removed, and another container may get its path. */
  forget(cgroup: string): void;
}

/** Everything the agent may ask of the machine; tests pass in a recording double. */
export interface Kernel {
  readonly sys: Sys;
  readonly init: Init;
  readonly files: Files;
  /** Files that containers control. */
  readonly contained: ContainedFiles;
  /** Keeps output on its way to hosts; without it, output read from a pipe is lost if the agent dies. */
  readonly outputs?: OutputJournal;
  readonly killed?: KilledCgroups;
}
