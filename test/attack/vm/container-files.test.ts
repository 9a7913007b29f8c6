import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canGuard } from "../../../host/vm/guard-share.ts";
import { isRoot } from "../../../lib/is-root.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { answersThroughout } from "../testing/answers-throughout.ts";

const SHARED = "/run/kata-containers/shared/containers";
const MIB = 1 << 20;
/** Capabilities of the attacking container in issue 12. */
const NO_CAPABILITIES = { Bounding: [], Effective: [], Permitted: [] };

const guards = await canGuard(isRoot());
const CANNOT = guards ? "" : "(skipped: this user can't mount in a namespace) ";

describe("files in containers in a guest of 512 MiB", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { announce: true });
    pod = await Pod.open(machine);
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  it("cost no memory if /etc/passwd is a link to /proc/1/pagemap: execs run without HOME, and all clients are served", async () => {
    const rootfs = machine.rootfs("attacker");
    const passwd = join(machine.hostPath(rootfs), "etc/passwd");
    rmSync(passwd);
    symlinkSync("/proc/1/pagemap", passwd);
    const spec = ociSpec(rootfs, ["sleep", "1000"]);
    const Process = { ...spec.Process, Capabilities: NO_CAPABILITIES };
    const Linux = { ...spec.Linux, Resources: { Memory: { Limit: 32 * MIB } } };
    const id = await pod.create(["sleep", "1000"], { Process, Linux }, rootfs);
    await pod.client.agent.startContainer({ container_id: id });
    const before = await machine.shell("pidof node");
    await answersThroughout(pod, async () => {
      for (let count = 0; count < 3; count++) {
        const { stdout } = await pod.execute(id, ["sh", "-c", "echo $HOME"], { Capabilities: NO_CAPABILITIES });
        expect(stdout.toString()).toBe("/\n");
      }
    });
    expect(await machine.shell("pidof node"), "the agent is the same").toBe(before);
    await pod.remove(id);
  });

  it("lead no later container to the agent's state through a link in a volume", async () => {
    const mount_point = `${machine.rootfs("pause")}/local/volume`;
    const storage = { driver: "local", source: "local", fstype: "local", options: ["mode=0777"], mount_point };
    const rootfs = machine.rootfs("writer");
    const mounts = (source: string) => [
      ...(ociSpec("/", []).Mounts ?? []),
      { destination: "/vol", source, type: "bind", options: ["rbind"] },
    ];
    const OCI = ociSpec(rootfs, ["sleep", "1000"], { Mounts: mounts(mount_point) });
    await pod.client.agent.createContainer({ container_id: "writer", OCI, storages: [storage] });
    await pod.client.agent.startContainer({ container_id: "writer" });
    for (const target of ["/run/guestd", "../../../../../../../guestd"]) {
      expect((await pod.execute("writer", ["ln", "-sfn", target, "/vol/sub"])).status).toBe(0);
      const reading = pod.create(["ls", "/vol"], { Mounts: mounts(`${mount_point}/sub`) }, rootfs);
      await expect(reading, target).rejects.toThrow(/\/sub.*ELOOP/);
    }
    await pod.remove("writer");
  });

  it.skipIf(!guards)(
    `${CANNOT}can be written on the share only in roots and volumes, even by the guest's root, and the agent reports what it can't write`,
    async () => {
      const [rootfs, volume] = [machine.rootfs("written"), machine.volume("written-volume")];
      const attempts = [
        ...[`touch ${SHARED}/x`, `ln -s /etc ${SHARED}/watchable/x`, `mkdir ${SHARED}/written/x`],
        ...[`mv ${SHARED}/written ${SHARED}/gone`, `rmdir ${SHARED}/watchable`],
        ...[`touch ${rootfs}/x`, `touch ${volume}/x`],
      ];
      const codes = attempts.map((attempt) => `(${attempt}) 2>/dev/null && echo wrote || echo no`);
      const there = readdirSync(machine.hostPath(SHARED));
      const done = await machine.shell(`mount -o remount,rw ${SHARED}; ${codes.join("; ")}`);
      expect(done.trim().split("\n")).toEqual([...Array<string>(5).fill("no"), "wrote", "wrote"]);
      expect(readdirSync(machine.hostPath(SHARED))).toEqual(there);
      expect(existsSync(machine.hostPath(`${volume}/x`))).toBe(true);
      const { agent } = pod.client;
      const send = (path: string) => agent.copyFile({ path, file_mode: 0o644, file_size: 1, data: Buffer.from("y") });
      await send(`${rootfs}/sent`);
      await expect(send(`${SHARED}/sent`)).rejects.toThrow(
        /^copy file ".*\/sent": create: EROFS \(read-only file system\)$/,
      );
      const OCI = ociSpec(rootfs, ["true"]);
      const bound = { destination: "/volume", source: volume, type: "bind", options: ["rbind"] };
      const line = ["sh", "-c", "touch /volume/y && ls /volume && grep ' / ' /proc/mounts"];
      const id = await pod.create(line, { Mounts: [...(OCI.Mounts ?? []), bound] }, rootfs);
      await agent.startContainer({ container_id: id });
      expect((await pod.finish(id, id)).stdout.toString()).toMatch(/^x\ny\nnone \/ virtiofs rw,nodev,/);
      await pod.remove(id);
      const storages = [{ driver: "local", source: "local", fstype: "local", mount_point: `${SHARED}/new/volume` }];
      await expect(agent.createContainer({ container_id: "refused", OCI, storages })).rejects.toThrow(
        `local storage: mkdir ${SHARED}/new/volume: EROFS (read-only file system): on a share, the host must create it`,
      );
    },
  );

  it("can be the lower layer of an overlay even if the share announces the root and no process has looked into it", async () => {
    const lower = machine.rootfs("below");
    const mount_point = "/run/kata-containers/over/rootfs";
    const options = [`lowerdir=${lower}`, "io.katacontainers.fs-opt.overlay-rw"];
    const storages = [{ driver: "overlayfs", source: "none", fstype: "overlay", options, mount_point }];
    const OCI = ociSpec(mount_point, ["sh", "-c", "echo new > /new; cat /new"]);
    await pod.client.agent.createContainer({ container_id: "over", storages, OCI });
    await pod.client.agent.startContainer({ container_id: "over" });
    expect((await pod.finish("over", "over")).stdout.toString()).toBe("new\n");
    await pod.remove("over");
  });

  it("reach a container as settings from a read-only share, and so does a change", async () => {
    const volume = machine.hostPath(`${SHARED}/settings`);
    const publish = (version: number, text: string) => {
      mkdirSync(join(volume, `..${version}`), { recursive: true });
      writeFileSync(join(volume, `..${version}/colour`), text);
      symlinkSync(`..${version}`, join(volume, "..data_tmp"));
      renameSync(join(volume, "..data_tmp"), join(volume, "..data"));
      if (version === 1) symlinkSync("..data/colour", join(volume, "colour"));
      else rmSync(join(volume, `..${version - 1}`), { recursive: true });
    };
    publish(1, "red");
    const rootfs = machine.rootfs("reader");
    mkdirSync(join(machine.hostPath(rootfs), "settings"));
    const mount_point = `${SHARED}/watchable/reader-settings`;
    const storage = { driver: "watchable-bind", source: `${SHARED}/settings`, fstype: "bind", options: ["ro"] };
    const spec = ociSpec(rootfs, ["sleep", "1000"]);
    const bind = { destination: "/settings", source: mount_point, type: "bind", options: ["rbind", "ro"] };
    const OCI = { ...spec, Mounts: [...(spec.Mounts ?? []), bind] };
    const storages = [{ ...storage, mount_point }];
    await pod.client.agent.createContainer({ container_id: "reader", OCI, storages });
    await pod.client.agent.startContainer({ container_id: "reader" });
    // The time limit is asserted in namespaces (test/namespaces/read-only-share.test.ts): software emulation is slow.
    const watch = "cat /settings/colour; until grep -q blue /settings/colour; do sleep 0.05; done; echo";
    const exec = await pod.exec("reader", ["sh", "-c", watch], { Env: ["PATH=/bin", "HOME=/"] });
    const seen = pod.finish("reader", exec);
    await machine.shell("sleep 1");
    publish(2, "blue");
    const { stdout } = await seen;
    expect(stdout.toString()).toMatch(/^red\n/);
    await pod.remove("reader");
    await pod.client.close();
  });
});
