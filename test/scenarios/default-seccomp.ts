import { copyFileSync } from "node:fs";
import { expect, it } from "vitest";
import { defaultSeccomp } from "../../agent/container/seccomp/default-seccomp.ts";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { buildProbe } from "./build-probe.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Calls, and what comes of them under the filter, by any container. */
const DENIED = {
  "socket,40,1": "1",
  // The kernel looks at 32 bits of it.
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
/** Without CAP_SYS_ADMIN, and with it: what the kernel says to arguments that are no pointers. */
const ADMIN = {
  mount: ["1", "14"],
  clone3: ["38", "22"],
  "unshare,0": ["1", "ok"],
  swapon: ["1", "14"],
} as const;

/** What agent.default_seccomp=on gives to a container, as a program in it meets it. */
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

  it("denies by EPERM what nobody may, and nothing else", async () => {
    const expected = { ...DENIED, ...ALLOWED };
    expect(await probe([], Object.keys(expected))).toEqual(expected);
  });

  it("is what denies it: without a filter the kernel has other answers", async () => {
    const calls = ["personality,0x40000", "personality,0x80040000", "add_key", "clone3"];
    const free = await probe(undefined, calls);
    expect(free).toEqual({ [calls[0] ?? ""]: "ok", [calls[1] ?? ""]: "ok", add_key: "14", clone3: "22" });
  });

  it("leaves to CAP_SYS_ADMIN what is for it, but AF_VSOCK to nobody", async () => {
    const column = (index: 0 | 1) =>
      Object.fromEntries(Object.entries(ADMIN).map(([call, both]) => [call, both[index]]));
    expect(await probe([], Object.keys(ADMIN))).toEqual(column(0));
    const calls = [...Object.keys(ADMIN), "socket,40,1"];
    expect(await probe(["CAP_SYS_ADMIN"], calls)).toEqual({ ...column(1), "socket,40,1": "1" });
  });

  it("leaves an ordinary shell what it does", async () => {
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
