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

  const other = "does not belong to a namespace";
  const noName = "is not a name of /proc/sys";
  it.each([
    ["vm.swappiness", other],
    ["kernel.panic", other],
    ["kernel.hostname", 'is set by the field "hostname"'],
    ["kernel.msgmax2", other],
    ["kernel.domainname2", other],
    ["fs.file-max", other],
    ["kernel.core_pattern", other],
    ["fs.mqueue", other],
    ["network.x", other],
    ["user.max_user_namespaces", other],
    ...["kernel", "net/../kernel/panic", "net/./x", "net.//.kernel.panic", "net//ipv4", "/net/ipv4/ip_forward"].map(
      (name) => [name, noName],
    ),
    ...["../../etc/passwd", "net.a b", "net.a\0", "net/a\n", ""].map((name) => [name, noName]),
  ])("%j is refused: it %s", (name, why) => {
    const message = `OCI spec: linux.sysctl "${name}" ${why}`;
    expect(() => check(`${name}`)).toThrow(expect.objectContaining({ kind: "invalid-argument", message }));
  });

  it.each(["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni"])(
    "kernel.%s is an ipc namespace's",
    (name) => {
      expect(() => check(`kernel.${name}`, ["ipc"])).not.toThrow();
    },
  );

  it("is refused if its namespace is the guest's", () => {
    for (const [name, type, others] of [
      ["kernel.sem", "ipc", ["uts"]],
      ["fs.mqueue.x", "ipc", ["uts"]],
      ["kernel.domainname", "uts", ["ipc"]],
    ] as const) {
      const message = `OCI spec: linux.sysctl "${name}" needs a namespace of its own: ${type}`;
      expect(() => check(name, [...others])).toThrow(expect.objectContaining({ message }));
    }
    expect(() => check("net.core.somaxconn", [])).not.toThrow();
  });

  it("is refused with a NUL byte in its value", () => {
    const sysctl = { "net.core.somaxconn": "1\0" };
    const message = 'OCI spec: linux.sysctl "net.core.somaxconn" has a NUL byte in it';
    expect(() => checkSysctls({ ...linux, sysctl })).toThrow(expect.objectContaining({ message }));
    expect(() => checkSysctls({ ...linux, sysctl: {} })).not.toThrow();
  });
});
