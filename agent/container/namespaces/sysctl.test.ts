import { describe, expect, it } from "vitest";
import { PlanBuilder } from "../plan/plan-builder.ts";
import { testSpec } from "../testing/test-spec.ts";
import { checkSysctls, compileSysctls } from "./sysctl.ts";

const { linux } = testSpec();
const check = (name: string, types = ["ipc", "uts"]) =>
  checkSysctls({ ...linux, namespaces: types.map((type) => ({ type, path: "" })), sysctl: { [name]: "1" } });

describe("a sysctl", () => {
  it.each([
    ["net.ipv4.ip_forward", "net/ipv4/ip_forward"],
    ["net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"],
    ["net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"],
    ["kernel.shm_rmid_forced", "kernel/shm_rmid_forced"],
    ["kernel.msg_next_id", "kernel/msg_next_id"],
    ["kernel.sem_next_id", "kernel/sem_next_id"],
    ["kernel.shm_next_id", "kernel/shm_next_id"],
    ["fs.mqueue.msg_max", "fs/mqueue/msg_max"],
    ["kernel.domainname", "kernel/domainname"],
  ])("%s is written to the guest's /proc/sys/%s", (name, path) => {
    expect(() => check(name)).not.toThrow();
    const plan = new PlanBuilder();
    compileSysctls(plan, { [name]: "1 2" });
    expect(plan.finish().steps).toEqual([
      { reason: "linux.sysctl", op: { op: "write", path: `/proc/sys/${path}`, data: "1 2" } },
    ]);
  });

  it.each([
    "vm.swappiness",
    "kernel.panic",
    "kernel.hostname",
    "kernel.msgmax2",
    "kernel",
    "fs.file-max",
    "user.max_user_namespaces",
    "net/../kernel/panic",
    "net/./x",
    "net.//.kernel.panic",
    "net//ipv4",
    "/net/ipv4/ip_forward",
    "../../etc/passwd",
    "net.a b",
    "net.a\0",
    "net/a\n",
    "",
  ])("%j is refused by name", (name) => {
    expect(() => check(name)).toThrow(`OCI spec: linux.sysctl "${name}" `);
  });

  it("is refused if its namespace is the guest's", () => {
    expect(() => check("kernel.sem", ["uts"])).toThrow("needs a namespace of its own: ipc");
    expect(() => check("kernel.domainname", ["ipc"])).toThrow("needs a namespace of its own: uts");
    expect(() => check("net.core.somaxconn", [])).not.toThrow();
  });

  it("is refused with a NUL byte in its value", () => {
    const sysctl = { "net.core.somaxconn": "1\0" };
    expect(() => checkSysctls({ ...linux, sysctl })).toThrow("NUL byte");
  });
});
