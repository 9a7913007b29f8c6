import { describe, expect, it } from "vitest";
import { checkProcess, checkSpec } from "./check-spec.ts";
import { testSpec } from "./test-spec.ts";

const process = testSpec().process;
const linux = testSpec().linux;
const mount = (options: string[], type = "tmpfs") => [{ destination: "/x", source: "x", type, options }];
const spaces = (...types: string[]) => ({ ...linux, namespaces: types.map((type) => ({ type, path: "" })) });

describe("a spec", () => {
  it("of an ordinary container passes", () => {
    expect(() => checkSpec(testSpec())).not.toThrow();
  });

  it.each([
    ["linux.seccomp", { unsupported: ["linux.seccomp"] }],
    ["root.path", { root: { path: "rootfs", readonly: false } }],
    ["linux.namespaces", { linux: spaces("mount", "user") }],
    ["linux.namespaces", { linux: spaces("uts") }],
    ["hostname", { hostname: "a", linux: spaces("mount") }],
    ["mounts[0] (/x)", { mounts: mount(["bind"]) }],
    ['mounts[0] (/x) option "rro"', { mounts: mount(["rro"]) }],
    ['mounts[0] (/x) option "idmap"', { mounts: mount(["idmap"]) }],
    ["process.args", { process: { ...process, args: [] } }],
    ["process.cwd", { process: { ...process, cwd: "tmp" } }],
  ])("is refused in one line that names %s", (field, parts) => {
    expect(() => checkSpec(testSpec(parts))).toThrow(`OCI spec: ${field} `);
  });

  it("is refused with a NUL byte in an argument, which execve would cut", () => {
    expect(() => checkProcess({ ...process, args: ["a\0b"] })).toThrow("NUL byte");
  });
});
