import { expect, test } from "vitest";
import { loadKernelModules } from "./kernel-modules.ts";

const recorder = (fail?: string) => {
  const calls: string[] = [];
  const run = async (path: string, args: readonly string[]) => {
    calls.push([path, ...args].join(" "));
    if (args.includes(fail ?? "")) throw new Error(`${path}: not found`);
    return Buffer.alloc(0);
  };
  return { calls, run };
};
const module = (name: string, ...parameters: string[]) => ({ name, parameters });

test("passes each module's name and parameters to modprobe, in order", async () => {
  const { calls, run } = recorder();
  await loadKernelModules([module("dummy", "numdummies=2", "debug"), module("nf-tables")], run);
  expect(calls).toEqual(["/sbin/modprobe -v dummy numdummies=2 debug", "/sbin/modprobe -v nf-tables"]);
});

test("stops at the first module that fails and names it", async () => {
  const { calls, run } = recorder("b");
  const loading = loadKernelModules([module("a"), module("b"), module("c")], run);
  await expect(loading).rejects.toThrow("kernel module b: /sbin/modprobe: not found");
  expect(calls).toHaveLength(2);
});

test.each([
  ["an option for a name", module("-C"), '"-C": not a valid module name'],
  ["a path", module("../x"), '"../x": not a valid module name'],
  ["nothing", module(""), '"": not a valid module name'],
  ["an option for a parameter", module("a", "--config=x"), 'a: "--config=x" is not a parameter'],
  ["two lines", module("a", "x=1\n2"), 'a: "x=1\\n2" is not a parameter'],
])("refuses %s before anything is loaded", async (_, wrong, why) => {
  const { calls, run } = recorder();
  await expect(loadKernelModules([module("good"), wrong], run)).rejects.toThrow(`kernel module ${why}`);
  expect(calls).toEqual([]);
});
