import { afterEach, expect, test, vi } from "vitest";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { openLaunchFds } from "../launch.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { testSpec } from "../testing/test-spec.ts";
import { chownStdio } from "./stdio-owner.ts";

leavesNoDescriptors();
const chown = vi.fn();
afterEach(() => chown.mockReset());

const kernel = testKernel();
const { sys } = kernel;
const process = { ...testSpec().process, user: { uid: 5, gid: 6, additionalGids: [] } };
const map = (hostID: number) => [{ containerID: 0, hostID, size: 100 }];
const mapped = { ...testSpec().linux, uidMappings: map(1000), gidMappings: map(2000) };

function opened(withTerminal: boolean) {
  const terminal = () => {
    const { read, write } = sys.pipe();
    return { terminal: { master: read, peer: write } };
  };
  return openLaunchFds(kernel, { release: true, pipeSize: 0, ...(withTerminal ? terminal() : {}) });
}
const close = ({ child, own, report }: ReturnType<typeof opened>) => {
  for (const fd of new Set([...child.values(), ...Object.values(own), report])) sys.close(fd);
};

test("the pipes of stdio belong to the process's user outside its user namespace, those of the launch don't", () => {
  const fds = opened(false);
  chownStdio(sys, fds, process, mapped, chown);
  const owners = ["stdin", "stdout", "stderr"].map((name) => [fds.child.get(name), 1005, 2006]);
  expect(chown.mock.calls).toEqual(owners);
  close(fds);
});

test("a terminal keeps its group, which its devpts has set", () => {
  const fds = opened(true);
  chownStdio(sys, fds, process, mapped, chown);
  expect(chown.mock.calls).toEqual([[fds.child.get("terminal"), 1005, -1]]);
  close(fds);
});

test.each([
  ["without maps", testSpec().linux],
  ["without a map of groups", { ...mapped, gidMappings: [] }],
  ["without a map of users", { ...mapped, uidMappings: [] }],
])("%s the owner stays", (_, linux) => {
  const fds = opened(false);
  chownStdio(sys, fds, process, linux, chown);
  expect(chown).not.toHaveBeenCalled();
  close(fds);
});

test("all descriptors are closed if the owner can't be changed", () => {
  chown.mockImplementation(() => {
    throw new Error("EPERM");
  });
  expect(() => chownStdio(sys, opened(false), process, mapped, chown)).toThrow("EPERM");
});
