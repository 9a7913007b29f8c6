import { openSync } from "node:fs";
import { SIGKILL } from "../../kernel/constants.ts";
import { SystemError } from "../../kernel/error.ts";
import { type Files, realFiles } from "../../kernel/files.ts";
import type { Fd, Kernel, Sys } from "../../kernel/kernel.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { createInitDouble, type InitDouble, type InitDoubleOptions } from "../../kernel/testing/init-double.ts";

export interface TestKernel extends Kernel {
  readonly init: InitDouble;
  /** Signals that were sent to children: pid (negative: to its group) and number. */
  readonly signals: [pid: number, signal: number][];
}

const ESRCH = 3;

/** Real descriptors and files, children that the test plays. SIGKILL ends a child, and one that has ended is ESRCH. For tests. */
export function testKernel(
  options: InitDoubleOptions & { readonly sys?: Partial<Sys>; readonly files?: Partial<Files> } = {},
): TestKernel {
  const signals: [number, number][] = [];
  const ended = new Set<Fd>();
  const signal = (pidfd: Fd, number: number) => {
    const child = init.byPidfd(pidfd);
    if (child === undefined || ended.has(pidfd)) throw new SystemError(`send signal ${number} to`, ESRCH, "");
    signals.push([child.pid, number]);
    if (number !== SIGKILL) return;
    ended.add(pidfd);
    child.end({ code: 137, signal: SIGKILL });
  };
  // Cgroups of tests are plain directories.
  const filters = { loadDeviceFilter: () => -1, attachDeviceFilter: () => undefined };
  const killGroup = (leader: number) => {
    const child = init.children.find(({ pid }) => pid === leader);
    signals.push([-leader, SIGKILL]);
    child?.end({ code: 137, signal: SIGKILL });
  };
  // What an ordinary user may not mount.
  const mounts = { detachedMount: () => openSync("/dev/null", "r") };
  const sys = { ...openSys(), signal, killGroup, ...filters, ...mounts, ...options.sys };
  const init = createInitDouble(sys, options);
  const readText = (path: string) =>
    init.children.some(({ pid }) => path === `/proc/${pid}/stat`)
      ? "1 (played) S 0 0 0 0 0 0"
      : realFiles.readText(path);
  // The processes of the machine that runs the tests are none of its business.
  const list = (path: string) =>
    path === "/proc" ? init.children.map(({ pid }) => String(pid)) : realFiles.list(path);
  return { sys, init, files: { ...realFiles, readText, list, ...options.files }, signals };
}
