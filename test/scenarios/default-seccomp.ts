import { copyFileSync } from "node:fs";
import { expect, it } from "vitest";
import { defaultSeccomp } from "../../agent/container/seccomp/default-seccomp.ts";
import { DEFAULT_CAPABILITIES } from "../../lib/oci-defaults.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { buildProbe } from "./build-probe.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Calls that the filter denies or allows in any container, with the errno that results. */
const DENIED = {
  "socket,40,1": "1",
  // The kernel evaluates only 32 bits of the domain.
  "socket,0x100000028,1": "1",
  "personality,0x40000": "1",
  "personality,0x80040000": "1",
  "personality,0x400008": "1",
  keyctl: "1",
  add_key: "1",
  io_uring_setup: "1",
  userfaultfd: "1",
};
const ALLOWED = {
  "socket,1,1": "ok",
  "personality,0xffffffff": "ok",
  "personality,0x8": "ok",
  "personality,0x20008": "ok",
  umask: "ok",
  getpriority: "ok",
};
/**
 * Calls that Docker's default profile refuses to a container with Docker's capabilities (seccomp/default.json of
 * github.com/moby/profiles). Those with other arguments than zeros are harmless without a filter.
 */
const DOCKER_REFUSES = [
  ..."acct add_key bpf clock_settime delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick".split(
    " ",
  ),
  ..."get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup kcmp kexec_load keyctl mbind".split(
    " ",
  ),
  ..."migrate_pages mount mount_setattr move_mount move_pages open_by_handle_at open_tree perf_event_open".split(" "),
  ..."pidfd_getfd pivot_root process_madvise quotactl reboot request_key set_mempolicy setdomainname".split(" "),
  ..."sethostname setns settimeofday swapoff swapon syslog umount2 unshare userfaultfd vhangup".split(" "),
  ...["personality,1", "personality,0x40000", "socket,12,1", "socket,38,5", "socket,40,1", "socket,46,1"],
];
/** Calls of a PC that only old programs make. */
const DOCKER_REFUSES_X64 = [
  ..."_sysctl create_module get_kernel_syms ioperm iopl kexec_file_load lookup_dcookie nfsservctl query_module".split(
    " ",
  ),
  ..."sysfs uselib ustat".split(" "),
];
/** Results without CAP_SYS_ADMIN and with it: the kernel's own errno for arguments that are no pointers. */
const ADMIN = {
  mount: ["1", "14"],
  clone3: ["38", "22"],
  "unshare,0": ["1", "ok"],
  swapon: ["1", "14"],
} as const;

/** Scenarios of the filter that agent.default_seccomp=on gives to a container. */
export function defaultSeccompScenarios(pod: () => Pod): void {
  const probe = async (capabilities: readonly string[] | undefined, calls: readonly string[]) => {
    const { machine } = pod();
    const path = machine.rootfs(`default-${Date.now().toString(36)}`);
    copyFileSync(buildProbe(), `${machine.hostPath(path)}/bin/probe`);
    const { Process, Linux } = ociSpec("/", ["probe", ...calls]);
    const Capabilities = { Bounding: capabilities, Effective: capabilities, Permitted: capabilities };
    const parts = {
      Root: { Path: path },
      Process: { ...Process, ...(capabilities === undefined ? {} : { Capabilities }) },
      Linux: { ...Linux, ...(capabilities === undefined ? {} : { Seccomp: onTheWire(capabilities) }) },
    };
    const { stdout } = await pod().run([], parts);
    const lines = stdout.toString().trim().split("\n");
    return Object.fromEntries(calls.map((call, index) => [call, lines[index]?.replace(/^\w+ /, "")]));
  };

  it("the filter denies with EPERM the calls that no container may make, and no others", async () => {
    const expected = { ...DENIED, ...ALLOWED };
    expect(await probe([], Object.keys(expected))).toEqual(expected);
  });

  it("the filter refuses what Docker's default profile refuses, and chroot and ptrace as it does", async () => {
    const refused = [...DOCKER_REFUSES, ...(process.arch === "x64" ? DOCKER_REFUSES_X64 : [])];
    const seen = await probe(DEFAULT_CAPABILITIES, refused);
    expect(Object.entries(seen).filter(([, result]) => result !== "1")).toEqual([]);
    expect(Object.keys(seen)).toHaveLength(refused.length);
    // EFAULT and ESRCH are the kernel's own.
    expect(await probe(DEFAULT_CAPABILITIES, ["clone3", "chroot", "ptrace,16,999999"])).toEqual({
      ...{ clone3: "38", chroot: "14", "ptrace,16,999999": "3" },
    });
    expect(await probe([], ["chroot"])).toEqual({ chroot: "1" });
  });

  it("without a filter the kernel gives other results, so the filter is what denies", async () => {
    const calls = ["personality,0x40000", "personality,0x80040000", "add_key", "clone3"];
    const free = await probe(undefined, calls);
    expect(free).toEqual({ [calls[0] ?? ""]: "ok", [calls[1] ?? ""]: "ok", add_key: "14", clone3: "22" });
  });

  it("the filter allows calls for CAP_SYS_ADMIN to those who have it, but AF_VSOCK to no container", async () => {
    const column = (index: 0 | 1) =>
      Object.fromEntries(Object.entries(ADMIN).map(([call, both]) => [call, both[index]]));
    expect(await probe([], Object.keys(ADMIN))).toEqual(column(0));
    const calls = [...Object.keys(ADMIN), "socket,40,1"];
    expect(await probe(["CAP_SYS_ADMIN"], calls)).toEqual({ ...column(1), "socket,40,1": "1" });
  });

  it("an ordinary shell works under the filter", async () => {
    const { Process, Linux } = ociSpec("/", ["sh", "-c", "ls / | wc -l; (sleep 0 &) ; echo a | cat; date > /dev/null"]);
    const { stdout, status } = await pod().run([], { Process, Linux: { ...Linux, Seccomp: onTheWire([]) } });
    expect([stdout.toString(), status]).toEqual([expect.stringMatching(/^\d+\na\n$/), 0]);
  });
}

function onTheWire(capabilities: readonly string[]): Init<grpc.LinuxSeccomp> {
  const filter = defaultSeccomp(capabilities);
  return {
    DefaultAction: filter.defaultAction,
    Architectures: filter.architectures,
    Syscalls: filter.syscalls.map(({ names, action, errnoRet, args }) => ({
      Names: names,
      Action: action,
      errnoret: errnoRet ?? null,
      Args: args.map(({ index, value, valueTwo, op }) => ({ Index: index, Value: value, ValueTwo: valueTwo, Op: op })),
    })),
  };
}
