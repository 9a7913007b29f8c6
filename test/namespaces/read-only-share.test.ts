import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const SHARED = "/run/kata-containers/shared/containers";
/**
 * Writes a version of a ConfigMap as a kubelet does: new files, then the link that switches, then removal of the old
 * files.
 */
function publish(volume: string, version: number, text: string): void {
  mkdirSync(join(volume, `..${version}`), { recursive: true });
  writeFileSync(join(volume, `..${version}/colour`), text);
  symlinkSync(`..${version}`, join(volume, "..data_tmp"));
  renameSync(join(volume, "..data_tmp"), join(volume, "..data"));
  if (version === 1) symlinkSync("..data/colour", join(volume, "colour"));
  else rmSync(join(volume, `..${version - 1}`), { recursive: true });
}

describeInNamespaces("a read-only share, as hosts provide it", () => {
  it.each(["watchable", "passthrough/watchable"])(
    "shows a container its settings in %s, and each change within 2 s, also after the agent's death",
    async (place) => {
      await using machine = await startHostAgent();
      const share = join(machine.directory, "share");
      const volume = join(share, "config-volume");
      mkdirSync(join(share, place), { recursive: true });
      publish(volume, 1, "red");
      writeFileSync(join(share, "file"), "bound");
      const rootfs = machine.rootfs("reader");
      await machine.shell(
        `mkdir -p ${SHARED} && mount --bind ${share} ${SHARED} && mount -o remount,bind,ro ${SHARED}`,
      );
      await using client = await machine.connect();
      await client.agent.createSandbox({ sandbox_id: "pod" });
      const storage = (source: string, name: string) => ({
        ...{ driver: "watchable-bind", source: `${SHARED}/${source}`, fstype: "bind", options: ["ro"] },
        mount_point: `${SHARED}/${place}/${name}`,
      });
      const storages = [storage("config-volume", "reader-1-config"), storage("file", "reader-2-file")];
      const bind = (destination: string, name: string) => ({
        ...{ destination, source: `${SHARED}/${place}/${name}`, type: "bind", options: ["rbind", "ro"] },
      });
      const spec = ociSpec(rootfs, ["sleep", "1000"]);
      const Mounts = [...(spec.Mounts ?? []), bind("/settings", "reader-1-config"), bind("/one-file", "reader-2-file")];
      await client.agent.createContainer({ container_id: "reader", storages, OCI: { ...spec, Mounts } });
      await client.agent.startContainer({ container_id: "reader" });
      const read = (name: string) => machine.shell(`cat /proc/$(pgrep -x sleep)/root/${name}`);
      expect(await read("settings/colour")).toBe("red");
      expect(await read("one-file")).toBe("bound");

      publish(volume, 2, "green");
      await expect.poll(() => read("settings/colour").catch(() => "gone")).toBe("green");
      await machine.killAgent();
      publish(volume, 3, "blue");
      await expect.poll(() => read("settings/colour").catch(() => "gone")).toBe("blue");

      await using next = await machine.connect();
      await next.agent.removeContainer({ container_id: "reader" });
      expect(await machine.shell(`grep -c ${SHARED}/ /proc/self/mounts || true`)).toBe("0\n");
    },
  );

  it("fails a storage whose mount point the host has not created, in one line that says so", async () => {
    await using machine = await startHostAgent();
    const rootfs = machine.rootfs("none");
    await machine.shell(`mkdir -p ${SHARED} && mount -t tmpfs -o ro none ${SHARED}`);
    await using client = await machine.connect();
    await client.agent.createSandbox({ sandbox_id: "pod" });
    const refused = (storage: object) =>
      client.agent.createContainer({ container_id: "none", OCI: ociSpec(rootfs, ["true"]), storages: [storage] });
    const why = "EROFS (read-only file system): on a share, the host must create it";
    const mount_point = `${SHARED}/pause/volume`;
    const create = `io.katacontainers.volume.overlayfs.create_directory=${mount_point}`;
    const storages: [driver: string, path: string, storage: object][] = [
      ["local", mount_point, { fstype: "local" }],
      ["ephemeral", mount_point, { source: "tmpfs", fstype: "tmpfs" }],
      ["bind", mount_point, { source: "/tmp", fstype: "bind" }],
      ["bind", `${SHARED}/pause`, { source: "/proc/version", fstype: "bind" }],
      ["overlayfs", mount_point, { fstype: "overlay", driver_options: [create] }],
      ["watchable-bind", `${SHARED}/watchable`, { source: "/tmp", mount_point: `${SHARED}/watchable/x` }],
    ];
    for (const [driver, path, storage] of storages) {
      await expect(refused({ driver, mount_point, ...storage }), driver).rejects.toMatchObject({
        kind: "internal",
        message: expect.stringContaining(`${driver} storage: mkdir ${path}: ${why}`),
      });
    }
    await expect(
      client.agent.copyFile({ path: `${SHARED}/new`, file_mode: 0o644, file_size: 1, data: Buffer.from("x") }),
    ).rejects.toThrow(`copy file "${SHARED}/new": unlink: EROFS (read-only file system)`);
  });

  it("fails a bind whose source is missing and can't be created, naming the source", async () => {
    await using machine = await startHostAgent();
    const rootfs = machine.rootfs("none");
    await machine.shell(`mkdir -p ${SHARED} && mount -t tmpfs -o ro none ${SHARED}`);
    await using client = await machine.connect();
    await client.agent.createSandbox({ sandbox_id: "pod" });
    const spec = ociSpec(rootfs, ["true"]);
    const missing = { destination: "/x", source: `${SHARED}/not-there`, type: "bind", options: ["rbind"] };
    const OCI = { ...spec, Mounts: [...(spec.Mounts ?? []), missing] };
    await expect(client.agent.createContainer({ container_id: "none", OCI })).rejects.toThrow(
      /bind \(recursive\) \/run\/kata-containers\/shared\/containers\/not-there.*ENOENT/,
    );
  });
});
