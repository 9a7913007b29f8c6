import { SystemError } from "../error.ts";
import type { Fd, Sys } from "../kernel.ts";

/** Calls that can be scripted: all that return a value. */
type Name = Exclude<keyof Sys, "watchChanges">;
type Result<N extends Name> = Awaited<ReturnType<Sys[N]>>;

/** Answer of a scripted call: a value to return, an error to throw, or a function that computes it. */
export type Answer<N extends Name> = Result<N> | Error | ((...args: Parameters<Sys[N]>) => Result<N>);

/** A recorded call: name, then arguments. Bytes are copied, so reusing a buffer doesn't change the record. */
export type RecordedCall = { [N in Name]: readonly [N, ...Parameters<Sys[N]>] }[Name];

/**
 * `Sys` for unit tests. Records every call; hands out descriptor numbers from 1000 up, which no real call would accept.
 * Unscripted, calls open descriptors, reads return end of file, writes take everything and waits end at once.
 */
export interface SysDouble extends Sys {
  readonly calls: readonly RecordedCall[];
  /** Descriptors opened and not yet closed: empty at the end of a test that leaks none. */
  readonly open: ReadonlySet<Fd>;
  /** Answers the next calls of `name`, in order; then the unscripted behaviour returns. */
  script<N extends Name>(name: N, ...answers: Answer<N>[]): void;
  /** Returns a descriptor that counts as open, for the test to pass in. */
  descriptor(): Fd;
}

const FIRST = 1000;
const EBADF = 9;

export function createSysDouble(): SysDouble {
  const calls: RecordedCall[] = [];
  const open = new Set<Fd>();
  const scripts = new Map<Name, unknown[]>();
  let next = FIRST;

  const descriptor = (): Fd => {
    open.add(next);
    return next++;
  };
  const close = (fd: Fd): void => {
    if (!open.delete(fd)) throw new SystemError("close", EBADF, `fd ${fd}`);
  };

  /** Records the call, then gives the next scripted answer, or the usual one if there is none. */
  function call<N extends Name>(name: N, usual: (...args: Parameters<Sys[N]>) => Result<N>) {
    return (...args: Parameters<Sys[N]>): Result<N> => {
      calls.push([name, ...args.map(frozen)] as unknown as RecordedCall);
      const answers = scripts.get(name);
      if (answers === undefined || answers.length === 0) return usual(...args);
      const answer = answers.shift() as Answer<N>;
      if (answer instanceof Error) throw answer;
      return typeof answer === "function" ? answer(...args) : answer;
    };
  }

  function later<N extends "poll" | "mount" | "umount" | "swapOn" | "sync" | "growFileSystem" | "unmapDevice">(
    name: N,
  ) {
    const now: (...args: Parameters<Sys[N]>) => void = call(name, () => undefined as Result<N>);
    return async (...args: Parameters<Sys[N]>): Promise<void> => now(...args);
  }

  const openTree = call("openTree", descriptor);
  const openInside = call("openInside", descriptor);
  const mapDevice = call("mapDevice", () => "/dev/dm-0" as unknown as Result<"mapDevice">);

  return {
    calls,
    open,
    descriptor,
    script(name, ...answers) {
      scripts.set(name, [...(scripts.get(name) ?? []), ...answers]);
    },
    pipe: call("pipe", () => ({ read: descriptor(), write: descriptor() })),
    setNonBlocking: call("setNonBlocking", () => {}),
    dup: call("dup", descriptor),
    close: call("close", close),
    read: call("read", () => 0),
    write: call("write", (_fd, from) => from.length),
    writeNoted: call("writeNoted", (_fd, from, note) => {
      note[0] = (note[0] ?? 0) + 2 * from.length;
      return from.length;
    }),
    splice: call("splice", () => 0),
    spliceAt: call("spliceAt", () => 0),
    tee: call("tee", () => 0),
    sendFrames: call("sendFrames", () => 0),
    readable: call("readable", () => 0),
    hungUp: call("hungUp", () => false),
    resizePipe: call("resizePipe", () => {}),
    watchChanges: () => () => {},
    poll: later("poll"),
    openat2: call("openat2", descriptor),
    listenUnix: call("listenUnix", descriptor),
    acceptDescriptor: async (...args) => call("acceptDescriptor", descriptor)(...args),
    endConnection: call("endConnection", () => {}),
    unshare: call("unshare", () => {}),
    setns: call("setns", () => {}),
    sethostname: call("sethostname", () => {}),
    mount: later("mount"),
    umount: later("umount"),
    detachedMount: call("detachedMount", descriptor),
    openTree: async (...args) => openTree(...args),
    openInside: async (...args) => openInside(...args),
    idmapMount: call("idmapMount", () => {}),
    openTerminal: call("openTerminal", descriptor),
    terminalPeer: call("terminalPeer", descriptor),
    terminalNumber: call("terminalNumber", () => 0),
    setWindowSize: call("setWindowSize", () => {}),
    signal: call("signal", () => {}),
    loadDeviceFilter: call("loadDeviceFilter", descriptor),
    attachDeviceFilter: call("attachDeviceFilter", () => {}),
    replaceDeviceFilter: call("replaceDeviceFilter", () => {}),
    attachedDeviceFilter: call("attachedDeviceFilter", () => undefined),
    makeNode: call("makeNode", () => {}),
    setXattr: call("setXattr", () => {}),
    memoryFile: call("memoryFile", descriptor),
    killGroup: call("killGroup", () => {}),
    setTime: call("setTime", () => {}),
    creditEntropy: call("creditEntropy", () => {}),
    reseedRandom: call("reseedRandom", () => {}),
    swapOn: later("swapOn"),
    sync: later("sync"),
    growFileSystem: later("growFileSystem"),
    mapDevice: async (...args) => mapDevice(...args),
    unmapDevice: later("unmapDevice"),
  };
}

function frozen(argument: unknown): unknown {
  return argument instanceof Uint8Array ? argument.slice() : argument;
}
