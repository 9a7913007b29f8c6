import { describe, expect, test } from "vitest";
import { compileCreate } from "../plan/compile-create.ts";
import { testSpec } from "../testing/test-spec.ts";
import { compileHook } from "./compile-hook.ts";
import { hookState } from "./hook-state.ts";
import { checkHooks, type HookKind, type HookSpec, hasCreateHooks, mergeHooks } from "./hooks.ts";

const hook = (parts: Partial<HookSpec> = {}): HookSpec => ({ path: "/h", args: [], env: [], timeout: 10, ...parts });

describe("hooks", () => {
  test("of the guest run after those of the spec, kind by kind", () => {
    const [a, b, c] = [hook({ path: "/a" }), hook({ path: "/b" }), hook({ path: "/c" })];
    expect(mergeHooks({ prestart: [a] }, { prestart: [b], poststop: [c] })).toEqual({
      prestart: [a, b],
      poststop: [c],
    });
    expect(mergeHooks(undefined, { poststart: [a] })).toEqual({ poststart: [a] });
    expect(mergeHooks({ poststart: [a] }, undefined)).toEqual({ poststart: [a] });
    expect(mergeHooks({ poststart: [a] }, { prestart: [b] })).toEqual({ poststart: [a], prestart: [b] });
    expect(mergeHooks(undefined, undefined)).toBeUndefined();
  });

  test("of the three early kinds, and only those, pause a create", () => {
    const pauses = (kind: HookKind) => {
      const { steps } = compileCreate(testSpec({ hooks: { [kind]: [hook()] } }), {
        env: [],
        hasLabel: () => false,
      });
      return [hasCreateHooks({ [kind]: [hook()] }), steps.filter(({ op }) => op.op === "wait").length];
    };
    expect(pauses("createContainer")).toEqual([true, 2]);
    expect(pauses("prestart")).toEqual([true, 2]);
    expect(pauses("createRuntime")).toEqual([true, 2]);
    expect(pauses("startContainer")).toEqual([false, 1]);
    expect(pauses("poststop")).toEqual([false, 1]);
    expect(hasCreateHooks(undefined)).toBe(false);
  });

  test("pause it after the mounts, before paths are masked and before the pivot", () => {
    const { steps } = compileCreate(testSpec({ hooks: { prestart: [hook()] } }), {
      env: [],
      hasLabel: () => false,
    });
    const names = steps.map(({ op }) => op.op);
    expect(names.indexOf("wait")).toBeGreaterThan(names.lastIndexOf("symlink"));
    expect(names.indexOf("wait")).toBeLessThan(names.indexOf("readonly"));
  });

  test.each<[Partial<HookSpec>, string]>([
    [{ path: "h" }, 'hooks.prestart[1] path "h" is not an absolute path'],
    [{ args: ["a\0"] }, "hooks.prestart[1] has a NUL byte in it"],
    [{ timeout: -5 }, "hooks.prestart[1] timeout -5 is not above zero"],
    [{ timeout: 0 }, "hooks.prestart[1] timeout 0 is not above zero"],
    [{ path: "/h\0" }, "hooks.prestart[1] has a NUL byte in it"],
    [{ env: ["A=\0"] }, "hooks.prestart[1] has a NUL byte in it"],
  ])("with %j are refused by name", (parts, why) => {
    const refused = expect.objectContaining({ message: `OCI spec: ${why}`, kind: "invalid-argument" });
    expect(() => checkHooks({ prestart: [hook(), hook(parts)] })).toThrow(refused);
  });

  test("that are valid, or missing, are accepted", () => {
    expect(() => checkHooks(undefined)).not.toThrow();
    expect(() => checkHooks({})).not.toThrow();
    expect(() => checkHooks({ prestart: [hook({ timeout: 0.5 })] })).not.toThrow();
  });
});

describe("the plan of a hook", () => {
  const container = { id: "c1", spec: testSpec() };
  const seccomp = { flags: 0, program: new Uint8Array(8), listing: [] } as never;
  const plan = (kind: HookKind, parts: Partial<HookSpec> = {}) =>
    compileHook(kind, 0, hook(parts), container, () => ({ hasLabel: () => false, seccomp, namespaces: [] }));
  const names = (kind: HookKind) => plan(kind).steps.map(({ op }) => op.op);

  test.each(["prestart", "createRuntime", "poststart", "poststop"] as const)(
    "of the kind %s joins no namespace and starts in the bundle",
    (kind) => {
      expect(names(kind)).toEqual(["setsid", "stdio", "umask", "chdir", "find", "wait", "exec"]);
      expect(plan(kind).slots).toEqual(["report", "stdin", "stdout", "stderr", "release"]);
      expect(plan(kind).steps[3]?.op).toEqual({ op: "chdir", path: "/run/kata-containers/c1" });
    },
  );

  test("of the kind createContainer joins the container and starts in its root", () => {
    expect(names("createContainer")).toEqual(["setsid", "setns", "stdio", "umask", "chdir", "find", "wait", "exec"]);
    expect(plan("createContainer").slots).toEqual(["report", "cgroup", "init", "stdin", "stdout", "stderr", "release"]);
    expect(plan("createContainer").steps.every(({ reason }) => reason === "hooks.createContainer[0]")).toBe(true);
    expect(plan("createContainer").steps[4]?.op).toEqual({ op: "chdir", path: container.spec.root.path });
  });

  test("of the kind createContainer becomes root of the container's user namespace, if it has one", () => {
    const { linux } = testSpec();
    const namespaces = [...linux.namespaces, { type: "user", path: "" }];
    const inUser = { id: "c1", spec: testSpec({ linux: { ...linux, namespaces } }) };
    const { steps } = compileHook("createContainer", 0, hook(), inUser, () => ({ hasLabel: () => false, namespaces }));
    expect(steps.map(({ op }) => op.op)).toEqual([
      "setsid",
      "setns",
      "user",
      "stdio",
      "umask",
      "chdir",
      "find",
      "wait",
      "exec",
    ]);
  });

  test("of the kind startContainer equals the process's, except for the program", () => {
    const { steps, slots } = plan("startContainer", { args: ["name", "x"], env: ["A=b"] });
    expect(steps.map(({ op }) => op.op)).toEqual(expect.arrayContaining(["bounding", "seccomp"]));
    expect(steps.map(({ op }) => op).filter(({ op }) => ["find", "wait", "exec"].includes(op))).toEqual([
      { op: "find", candidates: ["/h"] },
      { op: "wait", slot: slots.indexOf("release") },
      { op: "exec", args: ["name", "x"], env: ["A=b"] },
    ]);
  });

  test("without arguments passes the path as the program's name", () => {
    expect(plan("prestart").steps.at(-1)?.op).toEqual({ op: "exec", args: ["/h"], env: [] });
  });
});

describe("the state on a hook's stdin", () => {
  const files = { readText: () => "Name:\tx\nNSpid:\t812\t7\t1\n" } as never;
  const state = (kind: HookKind, pid?: number) =>
    JSON.parse(hookState(files, kind, { id: "c1", spec: testSpec(), pid })) as object;

  test.each<[HookKind, string, number]>([
    ["prestart", "creating", 812],
    ["createRuntime", "creating", 812],
    ["createContainer", "creating", 1],
    ["startContainer", "created", 1],
    ["poststart", "running", 812],
  ])("of the kind %s contains the status %s and the pid that the hook sees", (kind, status, pid) => {
    expect(state(kind, 812)).toEqual({
      ociVersion: "1.2.0",
      id: "c1",
      status,
      pid,
      bundle: "/run/kata-containers/c1",
      annotations: {},
    });
  });

  test("contains the pid in the guest if the kernel doesn't say the container's, and none once it has ended", () => {
    const stateOf = (readText: () => string) =>
      JSON.parse(
        hookState({ readText } as never, "startContainer", { id: "c1", spec: testSpec(), pid: 812 }),
      ) as object;
    expect(stateOf(() => "Name:\tx\nNSpid:\t812\t71\n")).toMatchObject({ pid: 71 });
    expect(stateOf(() => "Name:\tNSpid: 4\n")).not.toHaveProperty("pid");
    const gone = () => {
      throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
    };
    expect(stateOf(gone)).not.toHaveProperty("pid");
  });

  test("of poststop contains no pid", () => {
    expect(state("poststop")).not.toHaveProperty("pid");
  });
});
