import { openSync } from "node:fs";
import { SIGKILL } from "../../kernel/constants.ts";
import { SystemError } from "../../kernel/error.ts";
import type { Served } from "../../kernel/files/contained-files.ts";
import { type Files, realFiles } from "../../kernel/files.ts";
import type { Fd, Kernel, Sys } from "../../kernel/kernel.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { containedDouble } from "../../kernel/testing/contained-double.ts";
import {
  type ChildDouble,
  createInitDouble,
  type InitDouble,
  type InitDoubleOptions,
} from "../../kernel/testing/init-double.ts";

export interface TestKernel extends Kernel {
  readonly init: InitDouble;
  /** Signals that were sent to children: pid (negative for its group) and number. */
  readonly signals: [pid: number, signal: number][];
}

const ESRCH = 3;

/**
 * Creates a kernel for tests with real descriptors and files, and children that the test plays. SIGKILL ends a child;
 * signals to an ended one fail with ESRCH.
 */
export function testKernel(
  options: InitDoubleOptions & {
    readonly sys?: Partial<Sys>;
    readonly files?: Partial<Files>;
    readonly contained?: Partial<Served>;
  } = {},
): TestKernel {
  const signals: [number, number][] = [];
  const ended = new Set<ChildDouble>();
  const signal = (pidfd: Fd, number: number) => {
    const child = init.byPidfd(pidfd);
    if (child === undefined || ended.has(child)) throw new SystemError(`send signal ${number} to`, ESRCH, "");
    signals.push([child.pid, number]);
    if (number !== SIGKILL) return;
    ended.add(child);
    child.end({ code: 137, signal: SIGKILL });
  };
  // In tests cgroups are plain directories.
  const filters = { loadDeviceFilter: () => -1, attachDeviceFilter: () => undefined };
  const killGroup = (leader: number) => {
    const child = init.children.find(({ pid }) => pid === leader);
    signals.push([-leader, SIGKILL]);
    child?.end({ code: 137, signal: SIGKILL });
  };
  // An ordinary user may not mount.
  const mounts = { detachedMount: () => openSync("/dev/null", "r") };
  const sys = { ...openSys(), signal, killGroup, ...filters, ...mounts, ...options.sys };
  const init = createInitDouble(sys, options);
  const readText = (path: string) =>
    init.children.some(({ pid }) => path === `/proc/${pid}/stat`)
      ? "1 (played) S 0 0 0 0 0 0"
      : realFiles.readText(path);
  // Hides the processes of the machine that runs the tests.
  const list = (path: string) =>
    path === "/proc" ? init.children.map(({ pid }) => String(pid)) : realFiles.list(path);
  const contained = containedDouble(sys, options.contained);
  return { sys, init, contained, files: { ...realFiles, readText, list, ...options.files }, signals };
}
