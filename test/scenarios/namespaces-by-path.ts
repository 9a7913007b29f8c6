import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import { pidOfArgument } from "./pid-of-argument.ts";
import type { Pod } from "./pod.ts";
import { shiftedRootfs } from "./shifted-rootfs.ts";

const MAP = { ContainerID: 0, HostID: 100_000, Size: 65_536 };
const MAPS = { UIDMappings: [MAP], GIDMappings: [MAP] };
const OWN = ["mount", "ipc", "uts", "pid"].map((Type) => ({ Type }));

/** Scenarios of namespaces given by the path of another container's. */
export function namespacesByPath(pod: () => Pod): void {
  const linux = (Namespaces: Init<grpc.LinuxNamespace>[], parts: Init<grpc.Linux> = {}): Init<grpc.Spec> => {
    const { Linux } = ociSpec("/", []);
    return { Linux: { ...Linux, Namespaces, ...parts } };
  };
  const text = ({ stdout, stderr }: { readonly stdout: Buffer; readonly stderr: Buffer }) => `${stdout}${stderr}`;
  const output = async (line: string, parts: Init<grpc.Spec>) => text(await pod().run(["sh", "-c", line], parts));
  const executed = async (id: string, line: string) => text(await pod().execute(id, ["sh", "-c", line]));
  const pidOf = (argument: string) => pidOfArgument(pod().machine, argument);

  it("pid: a container joins another container's namespace, and one of another type is refused", async () => {
    const first = await pod().start(["sleep", "1235"]);
    const pid = await pidOf("123[5]");
    const at = (Path: string) => linux([{ Type: "mount" }, { Type: "pid", Path }]);
    expect(await output("ps -o args | grep -c 'sleep 123[5]'", at(`/proc/${pid}/ns/pid`))).toBe("1\n");
    await expect(pod().run(["true"], at(`/proc/${pid}/ns/net`))).rejects.toThrow(/EINVAL/);
    await pod().remove(first);
  });

  it("ipc and uts: a container joins namespaces bound in the guest instead of the pod's, and a mount namespace is refused", async () => {
    const { machine } = pod();
    const bound = `/run/bound-${Date.now().toString(36)}`;
    const files = `${bound}-ipc ${bound}-uts`;
    await machine.shell(`touch ${files} && unshare --ipc=${bound}-ipc --uts=${bound}-uts hostname by-path`);
    const at = (paths: Readonly<Record<string, string>>) =>
      linux(OWN.map(({ Type }) => (paths[Type] === undefined ? { Type } : { Type, Path: paths[Type] })));
    const line = "readlink /proc/self/ns/ipc; readlink /proc/self/ns/uts; hostname";
    const [podIpc = "", podUts = "", podName] = (await output(line, at({}))).split("\n");
    const [ipc = "", uts = ""] = (await machine.shell(`stat -c %i ${files}`)).split("\n");
    expect(await output(line, at({ ipc: `${bound}-ipc`, uts: `${bound}-uts` }))).toBe(
      `ipc:[${ipc}]\nuts:[${uts}]\nby-path\n`,
    );
    expect(await output(line, at({ ipc: `${bound}-ipc` }))).toBe(`ipc:[${ipc}]\n${podUts}\n${podName}\n`);
    const id = await pod().start(["sleep", "1000"], at({ uts: `${bound}-uts` }));
    expect(await executed(id, line)).toBe(`${podIpc}\nuts:[${uts}]\nby-path\n`);
    await pod().remove(id);
    for (const type of ["ipc", "uts"]) {
      await expect(pod().run(["true"], at({ [type]: "/proc/1/ns/net" })), type).rejects.toThrow(/EINVAL/);
    }
    await expect(pod().create(["true"], at({ mount: "/proc/1/ns/mnt" }))).rejects.toMatchObject({
      code: 3,
      message: 'OCI spec: linux.namespaces "mount by path" is not supported',
    });
    await machine.shell(`umount ${files} && rm ${files}`);
  });

  it("user and network: a container joins another container's namespaces with their id maps", async () => {
    const first = await pod().start(["sleep", "1234"], {
      ...linux([...OWN, { Type: "user" }, { Type: "network" }], MAPS),
      Root: { Path: await shiftedRootfs(pod().machine) },
    });
    const pid = await pidOf("123[4]");
    const types = [
      { Type: "user", Path: `/proc/${pid}/ns/user` },
      { Type: "network", Path: `/proc/${pid}/ns/net` },
    ];
    const links = "readlink /proc/self/ns/user; readlink /proc/self/ns/net";
    const line = `${links}; cat /proc/self/uid_map | tr -s ' '; echo $$`;
    const Root = { Path: await shiftedRootfs(pod().machine) };
    const second = await output(line, { ...linux([...OWN, ...types], MAPS), Root });
    expect(second).toBe(`${await executed(first, links)} 0 100000 65536\n1\n`);
    await pod().remove(first);
  });

  it("time: a container and its execs have the clock offsets of another container", async () => {
    const TimeOffsets = { boottime: { Secs: 3_000_000 } };
    const first = await pod().start(["sleep", "1237"], linux([...OWN, { Type: "time" }], { TimeOffsets }));
    const pid = await pidOf("123[7]");
    const at = (Path: string) => linux([...OWN, { Type: "time", Path }]);
    const line = "readlink /proc/self/ns/time; test $(cut -d. -f1 /proc/uptime) -gt 3000000 && echo later";
    const its = await executed(first, line);
    expect(its).toMatch(/^time:\[\d+\]\nlater\n$/);
    expect(await output(line, at(`/proc/${pid}/ns/time`))).toBe(its);
    const second = await pod().start(["sleep", "1000"], at(`/proc/${pid}/ns/time`));
    expect(await executed(second, line)).toBe(its);
    expect(await output(line, linux(OWN))).not.toContain("later");
    await expect(pod().run(["true"], at(`/proc/${pid}/ns/uts`))).rejects.toThrow(/EINVAL/);
    for (const id of [second, first]) await pod().remove(id);
  });

  it("cgroup: a container sees paths relative to another container's cgroup", async () => {
    const first = await pod().start(["sleep", "1238"], linux([...OWN, { Type: "cgroup" }]));
    const pid = await pidOf("123[8]");
    const at = (Path: string) => linux([...OWN, { Type: "cgroup", Path }]);
    const line = "readlink /proc/self/ns/cgroup; grep ^0: /proc/self/cgroup";
    const [link = "", path] = (await executed(first, line)).trim().split("\n");
    expect([link, path]).toEqual([expect.stringMatching(/^cgroup:\[\d+\]$/), "0::/"]);
    const second = await pod().start(["sleep", "1000"], at(`/proc/${pid}/ns/cgroup`));
    expect(await executed(second, line)).toBe(`${link}\n0::/../${second}\n`);
    expect(await output(line, at(`/proc/${pid}/ns/cgroup`))).toMatch(/\n0::\/\.\.\/c[\w-]+\n$/);
    await expect(pod().run(["true"], at(`/proc/${pid}/ns/time`))).rejects.toThrow(/EINVAL/);
    for (const id of [second, first]) await pod().remove(id);
  });
}
