import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findProgram } from "../../../host/vm/programs.ts";
import type { Qmp } from "../../../host/vm/qmp.ts";
import { makeErofs } from "../../../rootfs-builder/image/erofs.ts";
import { makeBusyboxRootfs } from "../../scenarios/busybox-rootfs.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { Pod } from "../../scenarios/pod.ts";
import { makeGptDisk } from "../../vm/testing/gpt-disk.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { addVerity } from "../../vm/testing/verity-image.ts";

const BRIDGE = "14";
const MARK = "what is in this file is checked";

let directory: string;
let machine: Awaited<ReturnType<typeof startGuestMachine>>;
let qmp: Qmp;
let pod: Pod;
/** Data of dm-verity for the checked partition of the disk `gpt`. */
let verity: ReturnType<typeof addVerity>;

const path = (name: string) => join(directory, name);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "guestd-layers-"));
  await makeDisks();
  const disks = ["gpt", "flipped", "blank"].flatMap((name, index) => [
    ...["-blockdev", `driver=raw,node-name=${name},file.driver=file,file.filename=${path(name)}`],
    ...["-device", `virtio-blk-pci,drive=${name},bus=bridge,addr=0x${index + 1}`],
  ]);
  const bridge = ["-device", `pci-bridge,id=bridge,bus=pcie.0,addr=0x${BRIDGE},chassis_nr=1,shpc=off`];
  machine = await startGuestMachine(512, { hotplug: true, qemuArgs: [...bridge, ...disks] });
  qmp = await machine.guest.qmp();
  pod = await Pod.open(machine);
});
afterAll(async () => {
  await qmp?.[Symbol.asyncDispose]();
  await machine?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

async function makeDisks(): Promise<void> {
  await erofs("base", { base: "of the base\n", which: "base\n" }, true);
  await erofs("middle", { checked: `${MARK}\n`.repeat(2000), which: "middle\n" });
  await erofs("top", { which: "top\n" });
  verity = addVerity(path("middle"));
  makeGptDisk(path("gpt"), [path("base"), path("middle")]);
  copyFileSync(path("middle"), path("flipped"));
  const bytes = readFileSync(path("flipped"));
  const at = bytes.indexOf(MARK, 20_000);
  bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at);
  writeFileSync(path("flipped"), bytes);
  for (const name of ["blank", "upper"]) {
    writeFileSync(path(name), "");
    truncateSync(path(name), 32 << 20);
  }
  execFileSync(findProgram("mkfs.ext4") ?? "mkfs.ext4", ["-q", "-F", path("upper")]);
}

/** Creates a file system with these files; with busybox it can be a root by itself. */
async function erofs(name: string, files: Readonly<Record<string, string>>, busybox = false): Promise<void> {
  const tree = path(`${name}.tree`);
  if (busybox) makeBusyboxRootfs(tree);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, file)), { recursive: true });
    writeFileSync(join(tree, file), text);
  }
  await makeErofs(tree, path(name));
}

async function plug(name: string, slot: number): Promise<void> {
  const file = { driver: "file", filename: path(name) };
  await qmp.execute("blockdev-add", { driver: "raw", "node-name": name, file });
  await qmp.execute("device_add", {
    driver: "virtio-blk-pci",
    id: name,
    drive: name,
    bus: "bridge",
    addr: `0x${slot}`,
  });
}

const LOWER = ["ro", "X-kata.overlay-lower", "X-kata.multi-layer=true"];
const partition = (number: number) => ["X-kata.gpt-partitioned=true", `X-kata.partition-number=${number}`];
const checked = (rootHash: string) => [
  ...["X-kata.dmverity-enabled=true", `X-kata.dmverity.roothash=${rootHash}`],
  ...[`X-kata.dmverity.hashoffset=${verity.hashOffset}`, `X-kata.dmverity.salt=${verity.salt}`],
];
const lower = (slot: number, options: readonly string[] = []) => ({
  ...{ driver: "blk", source: `${BRIDGE}/0${slot}`, fstype: "erofs" },
  options: [...LOWER, ...options],
});
const upper = (slot: number) => ({
  ...{ driver: "blk", source: `${BRIDGE}/0${slot}`, fstype: "ext4" },
  options: ["rw", "X-kata.overlay-upper", "X-kata.multi-layer=true", "X-kata.mkdir.path={{ mount 0 }}/upper:0755"],
});
const BASE = lower(1, partition(1));
/** Converts a layer to the separate driver, which needs no option. */
const byDriver = ({ options, ...layer }: ReturnType<typeof lower>) => ({
  ...{ ...layer, driver: "erofs.multi-layer" },
  options: options.filter((word) => word !== "X-kata.multi-layer=true"),
});

async function create(id: string, line: string, layers: readonly object[]): Promise<void> {
  const mount_point = `/run/kata-containers/${id}/rootfs`;
  const storages = layers.map((layer) => ({ ...layer, mount_point }));
  const OCI = ociSpec(mount_point, ["sh", "-c", line]);
  await pod.client.agent.createContainer({ container_id: id, storages, OCI });
}
async function run(id: string, line: string, layers: readonly object[]): Promise<string> {
  await create(id, line, layers);
  await pod.client.agent.startContainer({ container_id: id });
  const { stdout, stderr } = await pod.finish(id, id);
  return `${stdout}${stderr}`;
}
/** Lists the remaining mounts of layers, device-mapper devices and container directories. */
const left = (id: string) =>
  machine.shell(`grep -c multi-layer /proc/mounts; ls -d /sys/block/dm-* /run/kata-containers/${id} 2>/dev/null`);

test("a root can have three layers, in partitions and checked, with a writable one plugged in; the next agent removes all of them", async () => {
  const waiting = run("whole", "cat which base; wc -l < checked; rm base; echo new > which; cat which; ls base", [
    byDriver(upper(5)),
    ...[lower(4), lower(1, [...partition(2), ...checked(verity.rootHash)]), BASE].map(byDriver),
  ]);
  await plug("top", 4);
  await plug("upper", 5);
  expect(await waiting).toBe("top\nof the base\n2000\nnew\nls: base: No such file or directory\n");
  const base = "/run/kata-containers/whole/multi-layer";
  const mounts = await machine.shell(
    "grep multi-layer /proc/mounts | cut -d' ' -f1-3; ls -l /run/kata-containers/whole/multi-layer/upper/upper",
  );
  expect(mounts).toMatch(/^\/dev\/vd[a-e] \/run\/kata-containers\/whole\/multi-layer\/upper ext4$/m);
  expect(mounts).toMatch(new RegExp(`^/dev/vd[a-e] ${base}/lower-0 erofs$`, "m"));
  expect(mounts).toMatch(new RegExp(`^/dev/dm-0 ${base}/lower-1 erofs$`, "m"));
  expect(mounts).toMatch(new RegExp(`^/dev/vd[a-e]1 ${base}/lower-2 erofs$`, "m"));
  expect(mounts).toMatch(/^c--------- .* 0, +0 .* base$/m);
  await machine.killAgent();
  await pod.remove("whole");
  expect(await left("whole")).toBe("0\n");
});

test("a byte that doesn't match the root hash is never read", async () => {
  const flipped = lower(2, checked(verity.rootHash));
  expect(await run("flipped", "cat which; cat checked > /dev/null", [flipped, BASE])).toBe(
    "middle\ncat: read error: Input/output error\n",
  );
  await pod.remove("flipped");
  expect(await left("flipped")).toBe("0\n");
});

test("a volume is checked as well", async () => {
  const mount_point = "/run/kata-containers/sandbox/storage/checked";
  const [source, options] = [`${BRIDGE}/02`, checked(verity.rootHash)];
  const OCI = ociSpec(machine.rootfs("volume"), ["cat", "/volume/which", "/volume/checked"]);
  const mount = { destination: "/volume", source: mount_point, type: "bind", options: ["rbind", "ro"] };
  await pod.client.agent.createContainer({
    container_id: "volume",
    storages: [{ driver: "blk", source, fstype: "erofs", options, mount_point }],
    OCI: { ...OCI, Mounts: [...(OCI.Mounts ?? []), mount] },
  });
  await pod.client.agent.startContainer({ container_id: "volume" });
  const { stdout, stderr } = await pod.finish("volume", "volume");
  expect(stdout.toString()).toMatch(new RegExp(`^middle\n${MARK}\n`));
  expect(stderr.toString()).toContain("Input/output error");
  await pod.remove("volume");
  expect(await left("volume")).toBe("0\n");
});

test("a wrong root hash mounts nothing, and earlier mounts are removed", async () => {
  const layers = [BASE, lower(1, [...partition(2), ...checked("ab".repeat(32))])];
  await expect(create("wrong", "true", layers)).rejects.toThrow(
    /^erofs\.multi-layer storage: erofs on \/dev\/dm-0 with ro: mount .*: EIO .*; dm-verity of \/dev\/vd[a-e]2 blocks data that doesn't match the root hash$/,
  );
  expect(await left("wrong")).toBe("0\n");
});

test("an empty disk gets a file system, once, and a disk that has one is never wiped", async () => {
  const volume = (slot: number) => ({
    ...{ driver: "blk", driver_options: ["create_filesystem"], source: `${BRIDGE}/0${slot}`, fstype: "ext4" },
    ...{ options: [], mount_point: "/run/kata-containers/sandbox/storage/volume" },
  });
  const write = async (id: string, slot: number) => {
    const mount = { destination: "/volume", source: volume(slot).mount_point, type: "bind", options: ["rbind", "rw"] };
    const OCI = ociSpec(machine.rootfs(id), ["sh", "-c", "echo x >> /volume/lines; cat /volume/lines"]);
    const Mounts = [...(OCI.Mounts ?? []), mount];
    await pod.client.agent.createContainer({ container_id: id, storages: [volume(slot)], OCI: { ...OCI, Mounts } });
    await pod.client.agent.startContainer({ container_id: id });
    const { stdout, stderr } = await pod.finish(id, id);
    await pod.remove(id);
    return `${stdout}${stderr}`;
  };
  expect(await write("first", 3)).toBe("x\n");
  expect(await write("second", 3)).toBe("x\nx\n");
  const digest = () =>
    createHash("sha256")
      .update(readFileSync(path("gpt")))
      .digest("hex");
  const before = digest();
  await expect(write("third", 1)).rejects.toThrow(
    /make file system on \/dev\/vd[a-e]: the disk is not empty and won't be overwritten/,
  );
  expect(digest()).toBe(before);
});
