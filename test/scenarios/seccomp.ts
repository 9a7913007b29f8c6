import { copyFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { buildProbe } from "./build-probe.ts";
import { kernelLacks } from "./kernel-lacks.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

const [EPERM, ENOSYS, SIGSYS] = [1, 38, 31];
/** Calls that the probe and its C library need besides those under test. */
const NEEDED = (
  "execve exit exit_group write fork clone wait4 brk mmap munmap mprotect arch_prctl set_tid_address set_robust_list " +
  "rseq prlimit64 readlinkat readlink getrandom rt_sigprocmask rt_sigaction newfstatat fstat getpid gettid"
).split(" ");
/** Calls that init's child makes between setting its filter and execve, if setting the filter needs privileges. */
const NEEDED_BEFORE_EXEC = "setgroups setresgid setresuid capset stat newfstatat read".split(" ");

/** Scenarios of seccomp filters, as a program in the container experiences them. */
export function seccompScenarios(pod: () => Pod): void {
  let count = 0;
  const rootfs = () => {
    const { machine } = pod();
    const path = machine.rootfs(`seccomp-${Date.now().toString(36)}-${++count}`);
    copyFileSync(buildProbe(), `${machine.hostPath(path)}/bin/probe`);
    return path;
  };
  const withFilter = (Seccomp: Init<grpc.LinuxSeccomp>): Init<grpc.Spec> => {
    const { Linux } = ociSpec("/", []);
    return { Root: { Path: rootfs() }, Linux: { ...Linux, Seccomp } };
  };
  /** Returns the results of calls, each "name,argument,…", in a container with the filter. */
  const probe = async (
    Seccomp: Init<grpc.LinuxSeccomp>,
    calls: readonly string[],
    process: Init<grpc.Process> = {},
  ) => {
    const { Process } = ociSpec("/", ["probe", ...calls]);
    const { stdout, stderr } = await pod().run([], { ...withFilter(Seccomp), Process: { ...Process, ...process } });
    expect(stderr.toString()).toBe("");
    return stdout.toString().trim().split("\n");
  };
  const allowing = (...Syscalls: Init<grpc.LinuxSyscall>[]): Init<grpc.LinuxSeccomp> => ({
    DefaultAction: "SCMP_ACT_ALLOW",
    Syscalls,
  });
  const errno = (errnoret: number, Names: readonly string[], Args: readonly Init<grpc.LinuxSeccompArg>[] = []) => ({
    Names,
    Action: "SCMP_ACT_ERRNO",
    errnoret,
    Args,
  });

  it("SCMP_ACT_ERRNO fails a call with EPERM or the given errno, and unknown names are ignored", async () => {
    const filter = allowing(
      { Names: ["umask", "no_such_call", "not a name"], Action: "SCMP_ACT_ERRNO" },
      errno(0, ["mkdirat"]),
      errno(77, ["getpriority"]),
    );
    expect(await probe(filter, ["umask", "mkdirat,0xffffff9c", "getpriority", "socket,1,1"])).toEqual([
      `umask ${EPERM}`,
      "mkdirat ok",
      "getpriority 77",
      "socket ok",
    ]);
  });

  it.each([
    ["SCMP_ACT_KILL", `signal ${SIGSYS}`],
    ["SCMP_ACT_KILL_THREAD", `signal ${SIGSYS}`],
    ["SCMP_ACT_KILL_PROCESS", `signal ${SIGSYS}`],
    ["SCMP_ACT_TRAP", `signal ${SIGSYS}`],
    ["SCMP_ACT_TRACE", String(ENOSYS)],
    ["SCMP_ACT_LOG", "ok"],
    ["SCMP_ACT_ALLOW", "ok"],
  ])("%s has its effect on a call", async (Action, result) => {
    expect(await probe(allowing({ Names: ["umask"], Action }), ["umask"])).toEqual([`umask ${result}`]);
  });

  it.each([
    ["that is set before capabilities are dropped", false, [...NEEDED, ...NEEDED_BEFORE_EXEC]],
    ["that is set just before execve because of no_new_privs", true, NEEDED],
  ])("an allow list %s allows only its calls", async (_, NoNewPrivileges, Names) => {
    const filter = {
      DefaultAction: "SCMP_ACT_ERRNO",
      DefaultErrnoRet: 88,
      Syscalls: [{ Names: [...Names, "umask"], Action: "SCMP_ACT_ALLOW" }],
    };
    for (const UID of [0, 1000]) {
      const process = { NoNewPrivileges, User: { UID } };
      expect(await probe(filter, ["umask", "mkdirat", "socket,1,1"], process)).toEqual([
        "umask ok",
        "mkdirat 88",
        "socket 88",
      ]);
    }
  });

  it("conditions on arguments work with every operator and all 64 bits", async () => {
    const one = (Op: string, Value: string, ValueTwo = "0") =>
      errno(50, ["umask"], [{ Index: 0, Op, Value, ValueTwo }]);
    const big = "0xffffffffffffffff";
    const cases: [Init<grpc.LinuxSyscall>, string[], string[]][] = [
      [one("SCMP_CMP_EQ", "5"), ["5"], ["4", "6", big]],
      [one("SCMP_CMP_NE", "5"), ["4", "6", big], ["5"]],
      [one("SCMP_CMP_LT", "5"), ["0", "4"], ["5", big]],
      [one("SCMP_CMP_LE", "5"), ["4", "5"], ["6", big]],
      [one("SCMP_CMP_GT", "5"), ["6", big], ["5", "4"]],
      [one("SCMP_CMP_GE", "5"), ["5", big], ["4"]],
      [one("SCMP_CMP_MASKED_EQ", "6", "4"), ["4", "5"], ["6", "2"]],
      [one("SCMP_CMP_EQ", "18446744073709551615"), [big], ["0xfffffffffffffffe", "0xffffffff"]],
    ];
    for (const [rule, denied, allowed] of cases) {
      const calls = [...denied, ...allowed].map((value) => `umask,${value}`);
      const expected = [...denied.map(() => "umask 50"), ...allowed.map(() => "umask ok")];
      expect(await probe(allowing(rule), calls), JSON.stringify(rule)).toEqual(expected);
    }
  });

  it("conditions on several arguments must all hold, several on one argument are alternatives", async () => {
    const equal = (Index: number, Value: string) => ({ Index, Value, Op: "SCMP_CMP_EQ" });
    const filter = allowing(
      errno(51, ["umask"], [equal(0, "1"), equal(1, "2")]),
      errno(52, ["getpriority"], [equal(0, "1"), equal(0, "2")]),
    );
    const calls = ["umask,1,2", "umask,1,3", "umask,2,2", "getpriority,1", "getpriority,2", "getpriority,0"];
    expect(await probe(filter, calls)).toEqual([
      "umask 51",
      "umask ok",
      "umask ok",
      "getpriority 52",
      "getpriority 52",
      "getpriority ok",
    ]);
  });

  it("architectures: calls of an unlisted one end the process", async (context) => {
    const filter = allowing(errno(53, ["umask"]));
    const [plain] = await probe({ DefaultAction: "SCMP_ACT_ALLOW", Architectures: ["SCMP_ARCH_X86"] }, ["ia32_getpid"]);
    if (plain !== "ia32_getpid ok") kernelLacks(context, pod().machine, "the kernel runs no 32-bit programs");
    expect(await probe(filter, ["ia32_getpid", "umask"])).toEqual([`ia32_getpid signal ${SIGSYS}`, "umask 53"]);
    const both = allowing(errno(54, ["getpid"]), errno(53, ["umask"]));
    const Architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
    expect(await probe({ ...both, Architectures }, ["ia32_getpid", "umask"])).toEqual(["ia32_getpid 54", "umask 53"]);
  });

  it("flags are accepted, and the filter is active", async () => {
    const flags = ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"].map((name) => `SECCOMP_FILTER_FLAG_${name}`);
    for (const Flags of [[], flags]) {
      const parts = withFilter({ ...allowing(errno(1, ["umask"])), Flags });
      const { Process } = ociSpec("/", ["grep", "^Seccomp", "/proc/self/status"]);
      const { stdout } = await pod().run([], { ...parts, Process });
      expect(stdout.toString()).toBe("Seccomp:\t2\nSeccomp_filters:\t1\n");
    }
  });

  it("an exec has its container's filter", async () => {
    const id = await pod().start([], {
      ...withFilter(allowing(errno(60, ["umask"]))),
      Process: ociSpec("/", ["sleep", "1000"]).Process,
    });
    for (const process of [{}, { NoNewPrivileges: true }, { User: { UID: 1000, GID: 100 } }]) {
      const { stdout } = await pod().execute(id, ["probe", "umask", "getpriority"], process);
      expect(stdout.toString()).toBe("umask 60\ngetpriority ok\n");
    }
    await pod().remove(id);
  });

  it("GetGuestDetails reports that filters are supported", async () => {
    const { agent_details } = await pod().client.agent.getGuestDetails({});
    expect(agent_details?.supports_seccomp).toBe(true);
  });

  describe("a filter with an impossible value", () => {
    const rule = (parts: Init<grpc.LinuxSyscall>) => allowing({ Names: ["umask"], Action: "SCMP_ACT_ERRNO", ...parts });
    const argument = (Index: number, Op: string) => rule({ Args: [{ Index, Op }] });
    it.each<[string, Init<grpc.LinuxSeccomp>]>([
      ["defaultAction", { DefaultAction: "SCMP_ACT_MAYBE" }],
      ["defaultAction", { ...allowing(), DefaultErrnoRet: 1 }],
      ["listenerPath", { ...allowing(), ListenerPath: "/run/x" }],
      ["flags", { ...allowing(), Flags: ["SECCOMP_FILTER_FLAG_NEW_LISTENER"] }],
      ['architectures "SCMP_ARCH_PDP11"', { ...allowing(), Architectures: ["SCMP_ARCH_PDP11"] }],
      ['architectures "SCMP_ARCH_S390X"', { ...allowing(), Architectures: ["SCMP_ARCH_S390X"] }],
      ['syscalls[0].action "SCMP_ACT_NOTIFY"', rule({ Action: "SCMP_ACT_NOTIFY" })],
      ["syscalls[0].action", rule({ Action: "SCMP_ACT_KILL", errnoret: 1 })],
      ["syscalls[0].names", rule({ Names: [] })],
      ["syscalls[0].args[0].op", argument(0, "SCMP_CMP_LIKE")],
      ["syscalls[0].args[0].index", argument(6, "SCMP_CMP_EQ")],
    ])("is refused by the name linux.seccomp.%s", async (name, filter) => {
      const { Linux } = ociSpec("/", []);
      const create = pod().create(["true"], { Linux: { ...Linux, Seccomp: filter } });
      await expect(create).rejects.toMatchObject({
        code: 3,
        message: expect.stringContaining(`OCI spec: linux.seccomp.${name} `),
      });
    });
  });
}
