import type { LaunchReport } from "../init/plan.ts";
import type {
  AdoptRequest,
  ExitStatus,
  Fd,
  Init,
  InitGreeting,
  KeptRole,
  LaunchedProcess,
  LaunchRequest,
  Sys,
} from "../kernel.ts";

/** A launched child that the test plays. Its descriptors are copies; `end` closes them. */
export interface ChildDouble {
  readonly request: LaunchRequest;
  readonly pid: number;
  /** True if it is a container's init process, which waits for its release. */
  readonly waits: boolean;
  /** Descriptors in the order of the plan's slots; -1 when closed. */
  readonly slots: readonly Fd[];
  report(report: LaunchReport): void;
  /** Plays a successful execve: closes the report pipe. */
  executed(): void;
  /** Ends the child: closes its descriptors, then init reports the exit (code 0 by default). */
  end(status?: Partial<ExitStatus>): void;
}

type InitCall =
  | readonly ["closeKept", id: number, role: KeptRole]
  | readonly ["forget", id: number]
  | readonly ["deposit", name: string, fd: Fd]
  | readonly ["withdraw", name: string]
  | readonly ["heartbeat", limitMs: number]
  | readonly ["power", action: "off" | "reboot"];

/** `Init` for unit tests, on top of the real `Sys` or its double: records calls and creates children. */
export interface InitDouble extends Init {
  readonly children: readonly ChildDouble[];
  readonly calls: readonly InitCall[];
  readonly adopted: readonly AdoptRequest[];
  /** Ends the process that was adopted last with this pid (code 0 by default). */
  endAdopted(pid: number, status?: Partial<ExitStatus>): void;
  /** Returns the child with this pidfd. */
  byPidfd(pidfd: Fd): ChildDouble | undefined;
  /** Makes the next launch fail with this error. */
  refuse(error: Error): void;
}

export interface InitDoubleOptions {
  readonly greeting?: Partial<InitGreeting>;
  /**
   * Plays a new child. Default: reports "ready" if it has to wait for a release, otherwise executes. A hook has reported
   * "ready" and was released before it is played.
   */
  readonly play?: ((child: ChildDouble) => void) | undefined;
  /** Pid of every child, for code that reads /proc. Default: 5000 and up. */
  readonly pid?: number;
}

const FIRST_PID = 5000;
/** Part of the label of a hook, whose last slot is its release. */
const HOOK_LABEL = '"command":"hook"';
const NORMAL_END: ExitStatus = { code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };

export function createInitDouble(sys: Sys, options: InitDoubleOptions = {}): InitDouble {
  const calls: InitCall[] = [];
  const children: ChildDouble[] = [];
  const adopted: AdoptRequest[] = [];
  const adoptedEnds = new Map<number, (status: ExitStatus) => void>();
  const pidfds = new Map<Fd, ChildDouble>();
  const refusals: Error[] = [];
  const play = options.play ?? obey;
  const fresh = { generation: 1, initStartMicros: 0, agentExecMicros: 0, processes: [], deposits: new Map() };

  return {
    greeting: { ...fresh, ...options.greeting },
    children,
    calls,
    adopted,
    byPidfd: (pidfd) => pidfds.get(pidfd),
    refuse: (error) => void refusals.push(error),
    async launch(request): Promise<LaunchedProcess> {
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
      const { read: pidfd, write } = sys.pipe();
      sys.close(write);
      const exit = Promise.withResolvers<ExitStatus>();
      const child = makeChild(sys, request, options.pid ?? FIRST_PID + children.length, exit.resolve);
      children.push(child);
      pidfds.set(pidfd, child);
      if (!request.label.includes(HOOK_LABEL)) play(child);
      else {
        child.report({ kind: "ready" });
        const release = child.slots.at(-1) ?? -1;
        void sys.poll(release, "read").then(
          () => sys.read(release, new Uint8Array(1)) > 0 && play(child),
          () => undefined, // the child has ended
        );
      }
      return { id: request.id, pid: child.pid, pidfd, exit: exit.promise };
    },
    async adopt(request): Promise<LaunchedProcess> {
      adopted.push(request);
      const { read: pidfd, write } = sys.pipe();
      sys.close(write);
      const exit = Promise.withResolvers<ExitStatus>();
      adoptedEnds.set(request.pid, exit.resolve);
      return { id: request.id, pid: request.pid, pidfd, exit: exit.promise };
    },
    endAdopted: (pid, status) => adoptedEnds.get(pid)?.({ ...NORMAL_END, ...status }),
    closeKept: (id, role) => void calls.push(["closeKept", id, role]),
    forget: (id) => void calls.push(["forget", id]),
    deposit: (name, fd) => void calls.push(["deposit", name, fd]),
    withdraw: (name) => void calls.push(["withdraw", name]),
    heartbeat: (limitMs) => void calls.push(["heartbeat", limitMs]),
    power: (action) => void calls.push(["power", action]),
  };
}

function obey(child: ChildDouble): void {
  if (child.waits) child.report({ kind: "ready" });
  else child.executed();
}

function makeChild(sys: Sys, request: LaunchRequest, pid: number, exited: (status: ExitStatus) => void): ChildDouble {
  const slots = request.slots.map((fd) => sys.dup(fd));
  const closeSlot = (index: number) => {
    const fd = slots[index] ?? -1;
    if (fd >= 0) sys.close(fd);
    slots[index] = -1;
  };
  return {
    request,
    pid,
    waits: request.keep.release !== undefined && !request.label.includes(HOOK_LABEL),
    slots,
    report: (report) => void sys.write(slots[request.reportSlot] ?? -1, encodeReport(report)),
    executed: () => closeSlot(request.reportSlot),
    end(status = {}) {
      for (const index of slots.keys()) closeSlot(index);
      exited({ ...NORMAL_END, ...status });
    },
  };
}

/** Encodes a record of the report pipe as init's child writes it. */
export function encodeReport(report: LaunchReport): Uint8Array {
  const { index, errno } = report.kind === "failed" ? report : { index: 0, errno: 0 };
  const text =
    report.kind === "failed" ? Buffer.from(report.text) : Buffer.from(Uint16Array.from(report.micros ?? []).buffer);
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(report.kind === "ready" ? 1 : 2, 0);
  bytes.writeUInt32LE(index, 4);
  bytes.writeInt32LE(errno, 8);
  bytes.writeUInt32LE(text.length, 12);
  return Buffer.concat([bytes, text]);
}
