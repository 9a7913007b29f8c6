import { expect, test } from "vitest";
import { SystemError } from "../../kernel/error.ts";
import type { Sys } from "../../kernel/kernel.ts";
import { leavesNoDescriptors } from "../../kernel/leaves-no-descriptors.ts";
import { openSys } from "../../kernel/sys.ts";
import { testKernel } from "../test-kernel.ts";
import { testSpec } from "../test-spec.ts";
import { openExecTerminal, openFirstTerminal, openTerminalIn } from "./terminal.ts";

const real = openSys();
leavesNoDescriptors();

const terminalProcess = { ...testSpec().process, terminal: true, consoleSize: { height: 30, width: 100 } };
const failure = (): never => {
  throw new SystemError("ioctl", 5, "");
};

/** The calls on terminals and mounts are played with pipes, which count as descriptors of this process. */
function machine(parts: Partial<Sys> = {}) {
  const calls: unknown[][] = [];
  const played =
    (name: string, result: () => number) =>
    (...args: unknown[]) => {
      calls.push([name, ...args]);
      return result();
    };
  const descriptor = () => {
    const { read, write } = real.pipe();
    real.close(write);
    return read;
  };
  const sys = {
    detachedMount: played("detachedMount", descriptor),
    openTerminal: played("openTerminal", descriptor),
    terminalPeer: played("terminalPeer", descriptor),
    terminalNumber: () => 4,
    setWindowSize: (_fd: number, rows: number, columns: number) => void calls.push(["size", rows, columns]),
    ...parts,
  };
  return { kernel: testKernel({ sys }), calls };
}

const close = (...fds: (number | undefined)[]) => {
  for (const fd of fds) if (fd !== undefined) real.close(fd);
};

test("the first terminal is of a devpts of the container's own, with its options and size", () => {
  const { kernel, calls } = machine();
  const terminal = openFirstTerminal(kernel, testSpec({ process: terminalProcess }));
  const options = [
    ["ptmxmode", "0666"],
    ["mode", "0620"],
    ["gid", "5"],
  ];
  expect(calls).toEqual([
    ["detachedMount", "devpts", options, 0xa],
    ["openTerminal", terminal.mount],
    ["size", 30, 100],
    ["terminalPeer", terminal.master],
  ]);
  close(terminal.master, terminal.peer, terminal.mount);
});

test("without a devpts in the spec it is one of the guest's", () => {
  const { kernel } = machine();
  const terminal = openFirstTerminal(kernel, testSpec({ process: terminalProcess, mounts: [] }));
  expect(terminal).not.toHaveProperty("mount");
  close(terminal.master, terminal.peer);
});

test("an exec's is of the devpts that its container sees", async () => {
  const { kernel, calls } = machine();
  const terminal = await openExecTerminal(kernel, process.pid, terminalProcess);
  expect(calls.map(([name]) => name)).toEqual(["openTerminal", "size", "terminalPeer"]);
  expect(terminal.number).toBe(4);
  close(terminal.master, terminal.peer);
});

test("an exec in a container without devpts gets one of the guest's", async () => {
  let tries = 0;
  const { kernel } = machine();
  const { openTerminal } = kernel.sys;
  kernel.sys.openTerminal = (directory) => (tries++ === 0 ? failure() : openTerminal(directory));
  const terminal = await openExecTerminal(kernel, process.pid, terminalProcess);
  expect(tries).toBe(2);
  close(terminal.master, terminal.peer);
});

test.each(["openTerminal", "setWindowSize", "terminalPeer"] as const)(
  "nothing is left open when %s fails",
  async (name) => {
    const { kernel } = machine({ [name]: failure });
    expect(() => openFirstTerminal(kernel, testSpec({ process: terminalProcess }))).toThrow("EIO");
    expect(() => openTerminalIn(kernel, "/dev/pts", terminalProcess)).toThrow("EIO");
    await expect(openExecTerminal(kernel, process.pid, terminalProcess)).rejects.toThrow("EIO");
  },
);
