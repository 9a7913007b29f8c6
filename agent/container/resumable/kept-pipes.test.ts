import { expect, test } from "vitest";
import type { Fd } from "../../kernel/kernel.ts";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { testKernel } from "../testing/test-kernel.ts";
import { KeptPipes } from "./kept-pipes.ts";

leavesNoDescriptors();
const sys = openSys();

function open(deposits = new Map<string, Fd>()) {
  const kernel = testKernel({ greeting: { deposits } });
  return { kernel, calls: kernel.init.calls, pipes: new KeptPipes(kernel) };
}

test("a pipe is one descriptor for both ends that doesn't block, and init keeps it until it is dropped", () => {
  const { pipes, calls } = open();
  const fd = pipes.open("7:0", 8192);
  const into = Buffer.alloc(9000);
  expect([sys.read(fd, into), sys.write(fd, into), sys.read(fd, into)]).toEqual([-1, 8192, 8192]);
  expect(calls).toEqual([["deposit", "streams:7:0", fd]]);
  pipes.drop("7:0");
  pipes.drop("7:0");
  pipes.drop("8:0");
  expect(calls.slice(1)).toEqual([["withdraw", "streams:7:0"]]);
  sys.close(fd);
});

test("the previous agent's pipe is used again, and others of it are closed and dropped", () => {
  const [found, left, foreign] = [sys.pipe(), sys.pipe(), sys.pipe()];
  for (const { write } of [found, left, foreign]) sys.close(write);
  const names = ["streams:7:0", "streams:8:0", "passed:7"];
  const { pipes, calls } = open(new Map([found, left, foreign].map(({ read }, at) => [names[at] ?? "", read])));
  expect(pipes.open("7:0")).toBe(found.read);
  pipes.dropOthers();
  pipes.dropOthers();
  expect(calls).toEqual([["withdraw", "streams:8:0"]]);
  expect(() => sys.readable(left.read)).toThrow("EBADF");
  const again = pipes.open("7:0");
  expect(calls[1]).toEqual(["deposit", "streams:7:0", again]);
  for (const fd of [found.read, foreign.read, again]) sys.close(fd);
});

test("a pipe that init doesn't keep is closed", () => {
  const kernel = testKernel();
  const refused = new Error("init: too many deposits");
  const deposit = () => {
    throw refused;
  };
  const pipes = new KeptPipes({ sys: kernel.sys, init: { ...kernel.init, deposit } });
  expect(() => pipes.open("7:0")).toThrow(refused);
});
