import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

const ALWAYS = 0;
const ON_ROOT_MISMATCH = 1;
const MIB = 1 << 20;

/** Scenarios of storages, driver by driver. */
export function storageScenarios(pod: () => Pod): void {
  const shell = (line: string) => pod().machine.shell(line);
  let count = 0;
  const fresh = () => `storage-${process.pid}-${Date.now().toString(36)}-${++count}`;

  /** Starts a sleeping container that binds each storage to a path in `at`. */
  async function withStorages(
    storages: readonly Init<grpc.Storage>[],
    at: Readonly<Record<string, string>>,
    rootfs?: string,
  ): Promise<string> {
    const container_id = fresh();
    const binds = Object.entries(at).map(([destination, source]) => ({
      ...{ destination, source, type: "bind", options: ["rbind"] },
    }));
    const spec = ociSpec(rootfs ?? pod().machine.rootfs(container_id), ["sleep", "1000"]);
    const OCI = { ...spec, Mounts: [...(spec.Mounts ?? []), ...binds] };
    await pod().client.agent.createContainer({ container_id, storages, OCI });
    await pod().client.agent.startContainer({ container_id });
    return container_id;
  }
  const inside = async (id: string, line: string) => {
    const { stdout, stderr } = await pod().execute(id, ["sh", "-c", line]);
    return stdout.toString() + stderr.toString();
  };

  it("local: a directory has its mode and group, and several containers use it and keep its content", async () => {
    const mount_point = `/run/kata-containers/sandbox/local/${fresh()}`;
    const storage = { driver: "local", source: "local", fstype: "local", mount_point };
    const options = ["rbind", "mode=0750", "fsgid=2000"];
    const one = await withStorages([{ ...storage, options }], { "/data": mount_point });
    const other = await withStorages([{ ...storage, options }], { "/data": mount_point });
    await inside(one, "echo from one >/data/file");
    expect(await inside(other, "cat /data/file; stat -c '%a %g' /data /data/file")).toBe(
      "from one\n2770 2000\n644 2000\n",
    );
    await pod().remove(one);
    expect(await inside(other, "cat /data/file")).toBe("from one\n");
    await pod().remove(other);
    const again = await withStorages([{ ...storage, options }], { "/data": mount_point });
    expect(await inside(again, "cat /data/file; rm /data/file")).toBe("from one\n");
    await pod().remove(again);
    expect(await shell(`ls -d ${mount_point} 2>&1 || true`)).toContain("No such file");
  });

  it("bind: a directory and a file of the guest appear at another place, read-only, with their propagation", async () => {
    const name = fresh();
    await shell(`mkdir -p /run/${name}/from && echo content >/run/${name}/from/file`);
    const bind = (what: string, options: readonly string[]) => ({
      ...{ driver: "bind", source: `/run/${name}/from${what}`, fstype: "bind", options },
      mount_point: `/run/${name}/to${what}`,
    });
    const storages = [bind("", ["rbind", "ro", "nosuid", "rslave"]), bind("-file", ["bind"])];
    const wrong = { ...bind("/file", ["bind", "size=1m"]), mount_point: `/run/${name}/wrong` };
    await expect(withStorages([wrong], {})).rejects.toMatchObject({ kind: "invalid-argument" });
    const file = { ...storages[1], source: `/run/${name}/from/file` };
    const id = await withStorages([storages[0] ?? {}, file], {
      "/dir": `/run/${name}/to`,
      "/file": `/run/${name}/to-file`,
    });
    expect(await inside(id, "cat /dir/file /file; touch /dir/x")).toMatch(
      /^content\ncontent\ntouch: .*Read-only file system\n$/,
    );
    const mounted = await shell(`grep /run/${name}/to' ' /proc/self/mountinfo`);
    expect(mounted).toMatch(/ ro,nosuid/);
    expect(mounted).not.toMatch(/shared:/);
    await pod().remove(id);
    expect(await shell(`grep /run/${name} /proc/self/mountinfo || echo none; rm -r /run/${name}`)).toBe("none\n");
  });

  it("bind: an rshared storage shows its container the guest's later mounts in it, and the guest the container's", async () => {
    const name = fresh();
    await shell(`mkdir -p /run/${name}/from/in /run/${name}/from/out`);
    const storage = (options: readonly string[]) => ({
      ...{ driver: "bind", source: `/run/${name}/from`, fstype: "bind", options, mount_point: `/run/${name}/to` },
    });
    const propagation = () => shell(`grep /run/${name}/to' ' /proc/self/mountinfo | sed 's/ - .*//' | cut -d' ' -f7-`);
    const alone = await withStorages([storage(["rbind", "rprivate"])], {});
    expect(await propagation()).toBe("\n");
    await pod().remove(alone);
    const container_id = fresh();
    const spec = ociSpec(pod().machine.rootfs(container_id), ["sleep", "1000"]);
    const Capabilities = { Bounding: ["CAP_SYS_ADMIN"], Effective: ["CAP_SYS_ADMIN"], Permitted: ["CAP_SYS_ADMIN"] };
    const mount = { destination: "/data", source: `/run/${name}/to`, type: "bind", options: ["rbind", "rshared"] };
    await pod().client.agent.createContainer({
      container_id,
      storages: [storage(["rbind", "rshared"])],
      OCI: {
        ...spec,
        Process: { ...spec.Process, Capabilities },
        Linux: { ...spec.Linux, RootfsPropagation: "rshared" },
        Mounts: [...(spec.Mounts ?? []), mount],
      },
    });
    await pod().client.agent.startContainer({ container_id });
    expect(await propagation()).toMatch(/^shared:\d+\n$/);
    await shell(`mount -t tmpfs guests /run/${name}/to/in`);
    const { stdout } = await pod().execute(
      container_id,
      ["sh", "-c", "mount -t tmpfs own /data/out; grep -o '^[a-z]* /data/[a-z]*' /proc/mounts"],
      { Capabilities },
    );
    expect(stdout.toString()).toBe("guests /data/in\nown /data/out\n");
    expect(await shell(`grep -o '^own /run/${name}/to/[a-z]*' /proc/mounts`)).toBe(`own /run/${name}/to/out\n`);
    await shell(`umount /run/${name}/to/in /run/${name}/to/out`);
    await pod().remove(container_id);
    expect(await shell(`grep /run/${name} /proc/self/mountinfo || echo none; rm -r /run/${name}`)).toBe("none\n");
  });

  it("overlayfs: a container's root lies over layers, and its writable layer is removed with it", async () => {
    const name = fresh();
    const lower = pod().machine.rootfs(name);
    const made = `/run/${name}/made/first`;
    const storage = {
      ...{ driver: "overlayfs", source: "none", fstype: "overlay", mount_point: `/run/${name}/rootfs` },
      options: [`lowerdir=${lower}`, "io.katacontainers.fs-opt.overlay-rw"],
      driver_options: [`io.katacontainers.volume.overlayfs.create_directory=${made}`],
    };
    const id = await withStorages([storage], {}, storage.mount_point);
    expect(await inside(id, "echo new >/new; cat /new; grep ' / ' /proc/mounts")).toMatch(
      /^new\noverlay \/ overlay rw,/,
    );
    expect(
      await shell(`cat /run/kata-containers/${id}/upper/new; ls ${lower}/new 2>&1 || true; ls -d ${made}`),
    ).toMatch(new RegExp(`^new\\n.*No such file or directory\\n${made}\\n$`));
    await pod().remove(id);
    expect(await shell(`ls /run/kata-containers/${id}/upper 2>&1 || true; rm -r /run/${name}`)).toContain(
      "No such file",
    );
    const unknown = { ...storage, options: [`lowerdir=${lower}`, "io.katacontainers.fs-opt.is-file"] };
    await expect(withStorages([unknown], {})).rejects.toMatchObject({ kind: "unimplemented" });
    await expect(withStorages([{ ...storage, driver_options: ["x=1"] }], {})).rejects.toMatchObject({
      message: 'overlayfs storage: driver option "x=1" is not supported',
    });
  });

  it("fs_group: a whole volume belongs to the group, as its policy says", async () => {
    const name = fresh();
    await shell(
      `mkdir -p /run/${name}/from/dir && echo x >/run/${name}/from/dir/file && chmod 600 /run/${name}/from/dir/file`,
    );
    const storage = {
      ...{ driver: "bind", source: `/run/${name}/from`, fstype: "bind", options: ["rbind"] },
      ...{ mount_point: `/run/${name}/to`, fs_group: { group_id: 3000, group_change_policy: ON_ROOT_MISMATCH } },
    };
    const id = await withStorages([storage], { "/data": `/run/${name}/to` });
    expect(await inside(id, "cd /data; stat -c '%a %g' . dir dir/file")).toBe("2775 3000\n2775 3000\n660 3000\n");
    await inside(id, "touch /data/new; chgrp 0 /data/new");
    await pod().remove(id);
    const again = await withStorages([storage], { "/data": `/run/${name}/to` });
    expect(await inside(again, "stat -c %g /data/new")).toBe("0\n");
    await pod().remove(again);
    await shell(`rm -r /run/${name}`);
  });

  it("fs_group: Always changes a whole volume again; links get the group and are not followed", async () => {
    const name = fresh();
    const at = `/run/${name}`;
    await shell(`mkdir -p ${at}/from/dir && cd ${at} && echo x >outside && echo x >from/dir/file && chmod 600 outside from/dir/file
ln -s ../../outside from/dir/out; ln -s file from/dir/link; ln -s nowhere from/dangling`);
    const storage = {
      ...{ driver: "bind", source: `${at}/from`, fstype: "bind", options: ["rbind"], mount_point: `${at}/to` },
      fs_group: { group_id: 3001, group_change_policy: ALWAYS },
    };
    const look = (...names: string[]) => shell(`cd ${at}/from; stat -c '%n %a %g' ${names.join(" ")}`);
    const id = await withStorages([storage], { "/data": storage.mount_point });
    expect(await look("dir/file", "dir/out", "dir/link", "dangling", "../outside")).toBe(
      "dir/file 660 3001\ndir/out 777 3001\ndir/link 777 3001\ndangling 777 3001\n../outside 600 0\n",
    );
    await inside(id, "echo y >/data/dir/new; chgrp 0 /data/dir/new; chmod 600 /data/dir/new; chgrp -h 0 /data/dir/out");
    await pod().remove(id);
    const again = await withStorages([storage], { "/data": storage.mount_point });
    expect(await look("dir/new", "dir/out")).toBe("dir/new 660 3001\ndir/out 777 3001\n");
    await pod().remove(again);
    await shell(`rm -r ${at}`);
  });

  it("fs_group: a volume that is mounted read-only stays unchanged and can be read", async () => {
    const name = fresh();
    const at = `/run/${name}`;
    await shell(`mkdir -p ${at}/from && echo content >${at}/from/file && chmod 640 ${at}/from/file`);
    const storage = {
      ...{ driver: "bind", source: `${at}/from`, fstype: "bind", options: ["rbind", "ro"], mount_point: `${at}/to` },
      fs_group: { group_id: 3002, group_change_policy: ALWAYS },
    };
    const id = await withStorages([storage], { "/data": storage.mount_point });
    expect(await inside(id, "cat /data/file; stat -c '%a %g' /data/file")).toBe("content\n640 0\n");
    await pod().remove(id);
    await shell(`rm -r ${at}`);
  });

  it("shared: a storage outlives its last container, and the next one finds its content", async () => {
    const mount_point = `/run/kata-containers/sandbox/${fresh()}`;
    const storage = { driver: "ephemeral", source: "tmpfs", fstype: "tmpfs", options: ["size=1m"], mount_point };
    const one = await withStorages([{ ...storage, shared: true }], { "/data": mount_point });
    await inside(one, "echo from one >/data/file");
    await pod().remove(one);
    expect(await shell(`grep -c ' ${mount_point} ' /proc/mounts; cat ${mount_point}/file`)).toBe("1\nfrom one\n");
    const other = await withStorages([storage], { "/data": mount_point });
    expect(await inside(other, "cat /data/file")).toBe("from one\n");
    await pod().remove(other);
    expect(await shell(`grep -c ' ${mount_point} ' /proc/mounts; cat ${mount_point}/file`)).toBe("1\nfrom one\n");
  });

  it("watchable-bind: a container sees changes of the host's settings, whole and without a share's delay", async () => {
    const { machine } = pod();
    const source = `${machine.rootfs(fresh())}/settings`;
    const onHost = (name: string) => join(machine.hostPath(source), name);
    const publish = (version: string, text: string) => {
      mkdirSync(onHost(version), { recursive: true });
      writeFileSync(onHost(`${version}/colour`), text);
      symlinkSync(version, onHost("..tmp"));
      renameSync(onHost("..tmp"), onHost("..data"));
    };
    publish("..1", "red");
    symlinkSync("..data/colour", onHost("colour"));
    const mount_point = `/run/kata-containers/shared/containers/watchable/${fresh()}`;
    const storage = { driver: "watchable-bind", source, fstype: "bind", options: ["ro"], mount_point };
    const id = await withStorages([storage], { "/settings": mount_point });
    expect(await inside(id, "cat /settings/colour; grep /settings /proc/mounts")).toMatch(/^redtmpfs \/settings tmpfs/);
    publish("..2", "blue");
    rmSync(onHost("..1"), { recursive: true });
    const deadline = Date.now() + 15_000;
    while ((await inside(id, "cat /settings/colour")) !== "blue") {
      if (Date.now() > deadline) throw new Error("the change never appeared");
      await sleep(100);
    }
    expect(await inside(id, "ls -A /settings")).toBe("..2\n..data\ncolour\n");
    await pod().remove(id);
    expect(await shell(`grep ${mount_point} /proc/self/mountinfo || echo none`)).toBe("none\n");
  });

  it("watchable-bind: up to 16 files and 1 MiB are copied, larger directories and files are bound", async () => {
    const { machine } = pod();
    const root = machine.rootfs(fresh());
    const volume = (name: string, files: number, bytes: number) => {
      const directory = join(machine.hostPath(root), name);
      mkdirSync(directory);
      for (let index = 1; index < files; index++) writeFileSync(join(directory, `file${index}`), "");
      writeFileSync(join(directory, "last"), Buffer.alloc(bytes));
    };
    volume("files", 16, 1);
    volume("more-files", 17, 1);
    volume("bytes", 1, MIB);
    volume("more-bytes", 1, MIB + 1);
    const names = ["files", "more-files", "bytes", "more-bytes", "files/last"];
    const mountPoint = (name: string) => `${root}/mounted/${name.replace("/", "-")}`;
    const storages = names.map((name) => ({
      ...{ driver: "watchable-bind", source: `${root}/${name}`, fstype: "bind", options: ["ro"] },
      mount_point: mountPoint(name),
    }));
    const id = await withStorages(
      storages,
      Object.fromEntries(names.map((name) => [`/at/${name}`, mountPoint(name)]).slice(0, 4)),
    );
    // A copy's root is that of its own tmpfs, a bind's the directory that it shows.
    const lines = (await shell(`grep ' ${root}/mounted/' /proc/self/mountinfo`)).trim().split("\n");
    const shown = lines.map((line) => {
      const [, , , from = "", to = "", options = ""] = line.split(" ");
      return `${to.slice(to.lastIndexOf("/") + 1)} ${from === "/" ? "copied" : from.replace(/^(.*\/storage-[^/]+\/(rootfs\/)?|\/)/, "")} ${options.split(",")[0]}`;
    });
    expect(shown).toEqual([
      "files copied rw",
      "more-files more-files ro",
      "bytes copied rw",
      "more-bytes more-bytes ro",
      "files-last files/last ro",
    ]);
    expect(
      await inside(id, "cd /at; ls files | wc -l; ls more-files | wc -l; stat -c %s bytes/last more-bytes/last"),
    ).toBe(`16\n17\n${MIB}\n${MIB + 1}\n`);
    await pod().remove(id);
    expect(await shell(`grep ' ${root}/mounted/' /proc/self/mountinfo || echo none`)).toBe("none\n");
  });
}
