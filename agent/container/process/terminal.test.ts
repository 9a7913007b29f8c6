import { expect, test } from "vitest";
import { AgentError, SystemError } from "../../kernel/error.ts";
import type { Served } from "../../kernel/files/contained-files.ts";
import type { FileAttributes } from "../../kernel/files/file-protocol.ts";
import type { Kernel, Sys } from "../../kernel/kernel.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { openDevpts } from "../mounts/open-devpts.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { testSpec } from "../testing/test-spec.ts";
import { openExecTerminal, openFirstTerminal, openTerminalIn } from "./terminal.ts";

const ROOT_OF_TEST = { container: "c1", path: `/proc/${process.pid}/root` };
const real = openSys();
leavesNoDescriptors();

const terminalProcess = { ...testSpec().process, terminal: true, consoleSize: { height: 30, width: 100 } };
const [EIO, ENOSPC, ENOTSUP] = [5, 28, 95];
const failure = (errno: number): never => {
  throw new SystemError("ioctl", errno, "");
};

/** Plays calls on terminals and mounts with pipes, which count as descriptors of this process. */
function machine(parts: Partial<Sys> = {}, script: Partial<Served> = {}) {
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
  const open = async () => ({ handle: descriptor(), attributes: {} as FileAttributes });
  return { kernel: testKernel({ sys, contained: { open, ...script } }), calls };
}

const close = (...fds: (number | undefined)[]) => {
  for (const fd of fds) if (fd !== undefined) real.close(fd);
};

const openDevptsOf = (kernel: Kernel, options: readonly string[]) => {
  const mount = { destination: "/dev/pts", source: "devpts", type: "devpts", options };
  return openDevpts(kernel, mount, testSpec().linux);
};

test("a container's devpts has the options of its spec, and at most 256 ptys", () => {
  const { kernel, calls } = machine();
  close(openDevptsOf(kernel, ["newinstance", "ptmxmode=0666", "gid=5"]));
  const options = [
    ["source", "devpts"],
    ["ptmxmode", "0666"],
    ["gid", "5"],
    ["max", "256"],
  ];
  expect(calls).toEqual([["detachedMount", "devpts", options, 0xa]]);
});

test("a spec can set its own number of ptys", () => {
  const { kernel, calls } = machine();
  close(openDevptsOf(kernel, ["max=7"]));
  expect(calls[0]?.[2]).toEqual([
    ["source", "devpts"],
    ["max", "7"],
  ]);
});

test("a devpts belongs to the root of the container's user namespace, in whose ids its options are", () => {
  const { kernel, calls } = machine();
  const map = (hostID: number) => [{ containerID: 0, hostID, size: 10 }];
  // The pipe that plays the mount has no ptmx, so the change of owners fails.
  const mount = {
    destination: "/dev/pts",
    source: "",
    type: "devpts",
    options: ["uid=1", "gid=5", "mode=0620", "nodev"],
  };
  const linux = { ...testSpec().linux, uidMappings: map(1000), gidMappings: map(2000), mountLabel: "system_u" };
  expect(() => openDevpts(kernel, mount, linux)).toThrow("chown");
  expect(calls).toEqual([
    [
      "detachedMount",
      "devpts",
      [
        ["source", "devpts"],
        ["uid", "1001"],
        ["gid", "2005"],
        ["mode", "0620"],
        ["max", "256"],
        ["context", "system_u"],
      ],
      4,
    ],
  ]);
});

test("the first terminal is in the container's devpts, with the requested size", () => {
  const { kernel, calls } = machine();
  const devpts = openDevptsOf(kernel, []);
  const terminal = openFirstTerminal(kernel, terminalProcess, devpts);
  expect(calls.slice(1)).toEqual([
    ["openTerminal", devpts],
    ["size", 30, 100],
    ["terminalPeer", terminal.master],
  ]);
  close(terminal.master, terminal.peer, devpts);
});

test("the first terminal of a container without devpts is in the guest's", () => {
  const { kernel, calls } = machine();
  const terminal = openFirstTerminal(kernel, terminalProcess, undefined);
  expect(calls[0]?.[0]).toBe("openTerminal");
  close(terminal.master, terminal.peer);
});

test("an exec's terminal is in the devpts that its container sees", async () => {
  const { kernel, calls } = machine();
  const terminal = await openExecTerminal(kernel, ROOT_OF_TEST, terminalProcess);
  expect(calls.map(([name]) => name)).toEqual(["openTerminal", "size", "terminalPeer"]);
  expect(terminal.number).toBe(4);
  close(terminal.master, terminal.peer);
});

test("an exec in a container without devpts gets a terminal in the guest's", async () => {
  const { kernel, calls } = machine({}, { open: async () => failure(ENOTSUP) });
  const terminal = await openExecTerminal(kernel, ROOT_OF_TEST, terminalProcess);
  expect(calls[0]?.[0]).toBe("openTerminal");
  close(terminal.master, terminal.peer);
});

test("an exec fails if its container's devpts can't be looked up, and gets no pty that it can't see", async () => {
  const open = async () => {
    throw new AgentError("unavailable", "/dev/pts: not asked");
  };
  const { kernel, calls } = machine({}, { open });
  await expect(openExecTerminal(kernel, ROOT_OF_TEST, terminalProcess)).rejects.toThrow("/dev/pts: not asked");
  expect(calls).toEqual([]);
});

test("a container that has used up its ptys gets an error, not an invisible pty", async () => {
  const { kernel } = machine({ openTerminal: () => failure(ENOSPC) });
  await expect(openExecTerminal(kernel, ROOT_OF_TEST, terminalProcess)).rejects.toThrow(
    "open terminal: all ptys that the container's devpts allows are in use",
  );
});

test.each(["openTerminal", "setWindowSize", "terminalPeer"] as const)(
  "no descriptor is left open if %s fails",
  async (name) => {
    const { kernel } = machine({ [name]: () => failure(EIO) });
    expect(() => openFirstTerminal(kernel, terminalProcess, undefined)).toThrow("EIO");
    expect(() => openTerminalIn(kernel, "/dev/pts", terminalProcess)).toThrow("EIO");
    await expect(openExecTerminal(kernel, ROOT_OF_TEST, terminalProcess)).rejects.toThrow("EIO");
  },
);
