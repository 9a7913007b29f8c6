import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { createHooked, type Hooks, Scripts, unique } from "./hook-scripts.ts";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";
import { shiftedRootfs } from "./shifted-rootfs.ts";

/** Hooks of the spec, of all six kinds: when and where they run, and with what. */
export function hookScenarios(pod: () => Pod): void {
  const create = (id: string, hooks: Hooks, args?: readonly string[], parts?: Init<grpc.Spec>) =>
    createHooked(pod(), id, hooks, args, parts);

  it("run in their order, with the state of the container on stdin, arguments and environment as given", async () => {
    const scripts = new Scripts(pod(), "order");
    const id = unique();
    const bb = `${scripts.guest}/bin/busybox`;
    const out = `${scripts.guest}/out/log`;
    const hook = (kind: string) => {
      const body = `(echo "$0 $*"; ${bb} tr '\\0' '\\n' < /proc/self/environ; ${bb} cat; echo) >> ${out}`;
      return { Path: scripts.write(kind, body), Args: ["name", kind, "two words"], Env: [`KIND=${kind}`] };
    };
    const inside = {
      Path: "/bin/sh",
      Args: ["sh", "-c", "(tr '\\0' '\\n' < /proc/self/environ; cat; echo; pwd) > /log"],
      Env: ["PATH=/bin"],
    };
    const rootfs = pod().machine.rootfs(id);
    await create(
      id,
      {
        Prestart: [hook("prestart")],
        CreateRuntime: [hook("createRuntime"), { Path: scripts.write("again", `echo again >> ${out}`) }],
        CreateContainer: [hook("createContainer")],
        StartContainer: [inside],
        Poststart: [hook("poststart")],
        Poststop: [hook("poststop")],
      },
      ["sh", "-c", "cat /log; sleep 1000"],
      { Root: { Path: rootfs } },
    );
    const pid = (await pod().machine.shell(`cat /sys/fs/cgroup/containers/${id}/cgroup.procs`)).trim();
    const state = (status: string, its: string | undefined) =>
      JSON.stringify({
        ociVersion: "1.2.0",
        id,
        status,
        ...(its === undefined ? {} : { pid: Number(its) }),
        bundle: `/run/kata-containers/${id}`,
        annotations: { colour: "green" },
      });
    const expected = (kind: string, status: string, its?: string) =>
      `${scripts.guest}/${kind} ${kind} two words\nKIND=${kind}\n${state(status, its)}\n`;
    const text = () => scripts.read("log");
    const created =
      `${expected("prestart", "creating", pid)}${expected("createRuntime", "creating", pid)}again\n` +
      expected("createContainer", "creating", "1");
    expect(await text()).toBe(created);
    await pod().client.agent.startContainer({ container_id: id });
    const { data } = await pod().client.agent.readStdout({ container_id: id, exec_id: id, len: 10_000 });
    expect(Buffer.from(data).toString()).toBe(`PATH=/bin\n${state("created", "1")}\n/\n`);
    expect(await text()).toBe(created + expected("poststart", "running", pid));
    await pod().remove(id);
    expect(await text()).toBe(created + expected("poststart", "running", pid) + expected("poststop", "stopped"));
  });

  it("run in the namespaces that the spec has for each: guest, container before the pivot, container", async () => {
    const scripts = new Scripts(pod(), "places");
    const id = unique();
    const bb = `${scripts.guest}/bin/busybox`;
    const where = (name: string) => ({
      Path: scripts.write(
        name,
        `(for n in mnt uts pid cgroup; do ${bb} readlink /proc/self/ns/$n; done; ${bb} pwd) > ${scripts.guest}/out/${name}`,
      ),
    });
    const line = "for n in mnt uts pid cgroup; do readlink /proc/self/ns/$n; done";
    await create(
      id,
      {
        CreateRuntime: [where("runtime")],
        CreateContainer: [where("container")],
        StartContainer: [{ Path: "/bin/sh", Args: ["sh", "-c", `(${line}) > /places`], Env: ["PATH=/bin"] }],
        Poststart: [where("poststart")],
      },
      ["sh", "-c", `(${line}); cat /places`],
    );
    await pod().client.agent.startContainer({ container_id: id });
    const lines = (await pod().drain("readStdout", id, id)).toString().trim().split("\n");
    const own = lines.slice(0, 4);
    expect(lines.slice(4)).toEqual(own);
    const guest = (await pod().machine.shell(line)).trim().split("\n");
    const rootfs = pod().machine.rootfs(`unused-${id}`).replace(`unused-${id}`, id);
    expect((await scripts.read("container")).trim().split("\n")).toEqual([...own, rootfs]);
    expect((await scripts.read("runtime")).trim().split("\n")).toEqual([...guest, `/run/kata-containers/${id}`]);
    expect((await scripts.read("poststart")).trim().split("\n").slice(0, 4)).toEqual(guest);
    await pod().remove(id);
  });

  it("startContainer runs as the process would: its user, capabilities and limits", async () => {
    const id = unique();
    const { Process } = ociSpec("/", ["sh", "-c", "cat /tmp/seen; grep -E '^(Uid|Cap|NoNew)' /proc/self/status"]);
    const rootfs = pod().machine.rootfs(id);
    await pod().client.agent.createContainer({
      container_id: id,
      OCI: ociSpec(rootfs, [], {
        Process: { ...Process, User: { UID: 1000, GID: 100 } },
        Mounts: [
          ...(ociSpec("/", []).Mounts ?? []),
          { destination: "/tmp", source: "tmpfs", type: "tmpfs", options: ["mode=1777"] },
        ],
        Hooks: {
          StartContainer: [
            { Path: "/bin/sh", Args: ["sh", "-c", "/bin/grep -E '^(Uid|Cap|NoNew)' /proc/self/status > /tmp/seen"] },
          ],
        },
      }),
    });
    await pod().client.agent.startContainer({ container_id: id });
    const lines = (await pod().finish(id, id)).stdout.toString().trim().split("\n");
    expect(lines).toHaveLength(14);
    expect(lines.slice(0, 7)).toEqual(lines.slice(7));
    await pod().remove(id);
  });

  it("inside a user namespace they are its root, and startContainer its user", async () => {
    const id = unique();
    // As with runc, the mapped root has to reach the hook and the rootfs: the directory of tests is closed to it.
    const path = `/run/${id}`;
    await pod().machine.shell(`cp -a ${await shiftedRootfs(pod().machine)} ${path}`);
    const hook = { Path: `${path}/bin/busybox`, Args: ["sh", "-c", `${path}/bin/busybox id -u >&2; exit 1`] };
    const map = [{ ContainerID: 0, HostID: 100_000, Size: 65_536 }];
    const { Linux, Mounts } = ociSpec("/", []);
    const Namespaces = [...(Linux?.Namespaces ?? []), { Type: "user" }];
    const parts = (Hooks: Hooks) => ({
      Hooks,
      Root: { Path: path },
      Linux: { ...Linux, Namespaces, UIDMappings: map, GIDMappings: map },
    });
    const failing = pod().create(["true"], parts({ CreateContainer: [hook] }));
    await expect(failing).rejects.toThrow(`hook createContainer[0] ${hook.Path}: exit status 1: 0`);
    const who = "id -u; readlink /proc/self/ns/user";
    await create(id, {}, [], {
      ...parts({
        StartContainer: [{ Path: "/bin/sh", Args: ["sh", "-c", `(${who}) > /tmp/who`], Env: ["PATH=/bin"] }],
      }),
      Process: { ...ociSpec("/", ["sh", "-c", `cat /tmp/who; ${who}`]).Process, User: { UID: 1000, GID: 100 } },
      Mounts: [...(Mounts ?? []), { destination: "/tmp", source: "tmpfs", type: "tmpfs", options: ["mode=1777"] }],
    });
    await pod().client.agent.startContainer({ container_id: id });
    const lines = (await pod().finish(id, id)).stdout.toString().trim().split("\n");
    expect([lines.length, lines[0]]).toEqual([4, "1000"]);
    expect(lines.slice(0, 2)).toEqual(lines.slice(2));
    await pod().remove(id);
    await pod().machine.shell(`rm -r ${path}`);
  });

  it("a bundle with config.json is there for hooks, and goes with the container", async () => {
    const scripts = new Scripts(pod(), "bundle");
    const id = unique();
    const bb = `${scripts.guest}/bin/busybox`;
    await create(id, {
      Prestart: [{ Path: scripts.write("copy", `${bb} cat config.json > ${scripts.guest}/out/config`) }],
    });
    const config = JSON.parse(await scripts.read("config")) as { process: { args: string[] }; root: { path: string } };
    expect(config).toMatchObject({
      process: { args: ["sleep", "1000"], cwd: "/", noNewPrivileges: true },
      hooks: { prestart: [{ path: `${scripts.guest}/copy` }] },
      annotations: { colour: "green" },
    });
    await pod().remove(id);
    expect(await pod().machine.shell(`ls -d /run/kata-containers/${id} 2>/dev/null || echo gone`)).toBe("gone\n");
  });
}
