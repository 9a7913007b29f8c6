import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import type { Machine } from "../scenarios/machine.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { answersThroughout } from "./testing/answers-throughout.ts";
import { startFuseAttacker, whyNoFuse } from "./testing/fuse-attacker.ts";

const SHARED = "/run/kata-containers/shared/containers";
const VOLUME = `${SHARED}/locker-1-volume`;
const SOURCE = `${SHARED}/settings`;
const COPY = "/run/settings-copy";
const LOCAL = "/run/kata-containers/sandbox/local/data";
const LAYER = "/run/kata-containers/writer/layer";
const UPPER = "/run/kata-containers/writer/upper";

/** Starts a container that holds the lock of a directory of the guest. */
async function hold(
  machine: Machine,
  pod: Pod,
  id: string,
  source: string,
  storages: readonly Init<grpc.Storage>[] = [],
): Promise<void> {
  const rootfs = machine.rootfs(id);
  mkdirSync(join(rootfs, "run/lower"), { recursive: true });
  const mounts = [{ destination: "/held", source, type: "bind", options: ["bind", "ro"] }];
  await startFuseAttacker(pod, id, rootfs, ["held-lock", "/held"], { mounts, storages });
  const { data } = await pod.client.agent.readStdout({ container_id: id, exec_id: id, len: 100 });
  expect(Buffer.from(data).toString()).toBe("held\n");
}

/** Without any capability a container lists directories that it can only read into memory that its own FUSE server never fills. */
describeInNamespaces(
  "the locks of directories that a container can read, held for good",
  () => {
    it("fail copies, groups and statistics in one line, and no other call waits, until the container lets go", async () => {
      await using machine = await startHostAgent();
      await using client = await machine.connect();
      const pod = await Pod.open(machine, client);
      const { agent } = client;
      const copy = (path: string) =>
        agent.copyFile({ path, file_mode: 0o100644, file_size: 4, data: Buffer.from("new\n") });
      await agent.copyFile({ path: VOLUME, file_mode: 0o40755, dir_mode: 0o755 });
      await machine.shell(`mkdir -p ${SOURCE}; echo old > ${SOURCE}/key`);
      const storage = { driver: "watchable-bind", source: SOURCE, fstype: "bind", mount_point: COPY };
      const group = { group_id: 1000 };
      const volume = { driver: "bind", source: VOLUME, fstype: "bind", mount_point: "/run/grouped", fs_group: group };
      const grouped = () =>
        agent.createContainer({
          container_id: "grouped",
          OCI: ociSpec(machine.rootfs("grouped"), ["true"]),
          storages: [volume],
        });
      await hold(machine, pod, "locker", VOLUME);
      await hold(machine, pod, "reader", COPY, [storage]);

      await machine.shell(`echo new > ${SOURCE}/key`);
      const late = /copy file "\S+": files of \S+locker: the file system did not answer in 10 s \(\w+ \S+\)$/;
      const held = [
        expect(copy(`${VOLUME}/file`)).rejects.toThrow(late),
        expect(copy(`${VOLUME}/file`)).rejects.toThrow(late),
        expect(copy(`${VOLUME}/file`)).rejects.toThrow(/file systems that don't answer hold 2 helpers/),
        expect(agent.getVolumeStats({ volume_guest_path: `${VOLUME}/sub` })).rejects.toThrow(/ in 10 s \(open \S+\)$/),
        expect(grouped()).rejects.toThrow(/files of container grouped: .* in 30 s \(\w+ \S*\)$/),
      ];
      await answersThroughout(pod, async () => {
        await copy(`${SHARED}/other-1-volume/file`);
        await copy(`${SHARED}/locker-1-hosts`);
        await agent.getVolumeStats({ volume_guest_path: `${SHARED}/other-1-volume` });
        await held[0];
      });
      await Promise.all(held);
      await expect
        .poll(() => machine.console())
        .toMatch(/watchable-bind storage \S+ on \S+: files of container reader:/);

      await pod.remove("locker");
      await expect.poll(() => copy(`${VOLUME}/file`).then(() => "copied", String)).toBe("copied");
      await pod.remove("reader");
    });

    it("fail storages in volumes and the removal of writable layers, delay that of local storages, and no other call", {
      timeout: 300_000,
    }, async () => {
      await using machine = await startHostAgent();
      await using client = await machine.connect();
      const pod = await Pod.open(machine, client);
      const { agent } = client;
      const local = { driver: "local", source: "local", fstype: "local", mount_point: LOCAL };
      const create = (container_id: string, storage: Init<grpc.Storage>, args = ["true"]) =>
        agent.createContainer({
          container_id,
          OCI: ociSpec(machine.rootfs(container_id), args),
          storages: [storage],
        });
      await machine.shell(`mkdir -p ${VOLUME}/inner`);
      await create("owner", local, ["sleep", "1000"]);
      await agent.startContainer({ container_id: "owner" });
      await hold(machine, pod, "locker", VOLUME);
      await hold(machine, pod, "neighbour", LOCAL);
      const options = [`lowerdir=${machine.rootfs("lower")}`, "io.katacontainers.fs-opt.overlay-rw"];
      const layers = { driver: "overlayfs", source: "none", fstype: "overlay", mount_point: LAYER, options };
      await create("writer", layers);
      await machine.shell(`mkdir ${LAYER}/held`);
      // As the writer's processes could have handed it over.
      await hold(machine, pod, "holder", `${UPPER}/held`);

      const late = /files of \S+.*: the file system did not answer in 10 s \(\w+ \S*\)$/;
      const bind = { driver: "bind", source: SOURCE, fstype: "bind", mount_point: "/run/bound" };
      await machine.shell(`mkdir -p ${SOURCE}`);
      await answersThroughout(pod, async () => {
        await Promise.all([
          expect(create("inside", { ...bind, mount_point: `${VOLUME}/inside` })).rejects.toThrow(late),
          ...[1, 2, 3, 4, 5].map((n) =>
            expect(
              create(`of-${n}`, { ...bind, source: `${VOLUME}/none`, mount_point: `/run/of-${n}` }),
            ).rejects.toThrow(late),
          ),
          pod.remove("owner"),
          expect(pod.remove("writer")).rejects.toThrow(late),
        ]);
        await expect(create("again", local)).rejects.toThrow(late);
      });
      for (const id of ["locker", "neighbour", "holder"]) await pod.remove(id);
      let tries = 0;
      await expect.poll(() => create(`later-${++tries}`, local).then(() => "created", String)).toBe("created");
      const OCI = ociSpec(machine.rootfs("rewriter"), ["true"]);
      const anew = () => agent.createContainer({ container_id: "writer", OCI, storages: [layers] });
      await expect.poll(() => anew().then(() => "created", String)).toBe("created");
      expect(await machine.shell(`ls ${UPPER}`)).toBe("");
    });
  },
  whyNoFuse,
);
