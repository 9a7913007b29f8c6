import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { AgentError, SystemError } from "../kernel/error.ts";
import { realFiles } from "../kernel/files.ts";
import type { Kernel, MappedTarget } from "../kernel/kernel.ts";
import { openSys } from "../kernel/sys/sys.ts";
import { containedDouble } from "../kernel/testing/contained-double.ts";
import { defaultImageSettings } from "./image/image-settings.ts";
import type { Layer } from "./layer.ts";
import { multiLayerIn } from "./multi-layer.ts";
import type { PlacedStorage } from "./storage.ts";

/** Records mounts; `refuse` may throw for a file system type. Paths are shown relative to the test's directory. */
function machine(refuse: (type: string) => void = () => undefined) {
  const directory = mkdtempSync(join(tmpdir(), "guestd-layers-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const calls: string[] = [];
  const note = (line: string) => calls.push(line.replaceAll(`${directory}/`, "").trimEnd());
  const sys = {
    ...openSys(),
    async mount(source: string, target: string, type: string, flags: number, data: string) {
      refuse(type);
      note(`mount ${type} ${source} ${target} ${flags} ${data}`);
    },
    async umount(target: string) {
      note(`umount ${target}`);
    },
    async mapDevice(name: string, { params }: MappedTarget) {
      refuse("verity");
      note(`map ${name.replace(/[0-9a-f]{32}/, "ID")} ${params.split(" ").slice(5).join(" ")}`);
      return "/dev/dm-5";
    },
    async unmapDevice(name: string) {
      note(`unmap ${name.replace(/[0-9a-f]{32}/, "ID")}`);
    },
  };
  const kernel = { sys, files: realFiles, contained: containedDouble(sys) } as unknown as Kernel;
  const { mount, release } = multiLayerIn(directory);
  const images = { images: defaultImageSettings };
  const driver = { release, mount: (on: Kernel, storage: PlacedStorage) => mount(on, storage, images) };
  return { directory, calls, kernel, driver };
}

const layer = (role: Layer["role"], source: string, parts: Partial<Layer> = {}): Layer => ({
  ...{ role, disk: "blk", source, fstype: role === "upper" ? "ext4" : "erofs", options: [], directories: [] },
  ...parts,
});
const rootOf = (directory: string, layers: readonly Layer[], container = "c"): PlacedStorage => ({
  ...{ driver: "erofs.multi-layer", driverOptions: [], source: "", fstype: "overlay", options: [], shared: false },
  ...{ mountPoint: `${directory}/root`, container, layers },
});
const VERITY = { rootHash: "ab".repeat(32), hashOffset: 8192, superblock: false };

test("the upper layer, the lower layers and their overlay are mounted, and unmounted in reverse", async () => {
  const { directory, calls, kernel, driver } = machine();
  const directories = [{ names: ["upper", "x"], mode: 0o701, uid: 0, gid: 0 }];
  const storage = rootOf(directory, [
    layer("upper", "/dev/vdb", { options: ["noatime"], directories }),
    layer("lower", "/dev/vdc1"),
    layer("lower", "/dev/vdd", { verity: VERITY }),
  ]);
  await driver.mount(kernel, storage);
  const base = "c/multi-layer";
  expect(calls).toEqual([
    `mount ext4 /dev/vdb ${base}/upper 1024`,
    `mount erofs /dev/vdc1 ${base}/lower-0 1`,
    `map kata-verity-ID-1 2 2 sha256 ${VERITY.rootHash} -`,
    `mount erofs /dev/dm-5 ${base}/lower-1 1`,
    `mount overlay overlay root 0 lowerdir=${base}/lower-0:${base}/lower-1,upperdir=${base}/upper/upper,workdir=${base}/upper/work`,
  ]);
  expect(statSync(`${directory}/${base}/upper/upper/x`).mode & 0o777).toBe(0o701);
  calls.splice(0);
  await driver.release?.(kernel, storage);
  expect(calls).toEqual([
    `umount ${base}/lower-1`,
    "unmap kata-verity-ID-1",
    `umount ${base}/lower-0`,
    `umount ${base}/upper`,
  ]);
  expect(existsSync(`${directory}/c`)).toBe(false);
});

test.each(["ext4", "erofs", "verity", "overlay"])("nothing is left mounted when %s fails", async (failing) => {
  const { directory, calls, kernel, driver } = machine((type) => {
    if (type === failing) throw new SystemError("mount", 5, "x");
  });
  const layers = [
    layer("upper", "/dev/vdb"),
    layer("lower", "/dev/vdc"),
    layer("lower", "/dev/vdd", { verity: VERITY }),
  ];
  await expect(driver.mount(kernel, rootOf(directory, layers))).rejects.toThrow("EIO");
  const left = new Set<string>();
  for (const call of calls) {
    const [what, first = "", , target = ""] = call.split(" ");
    if (what === "mount") left.add(target);
    else if (what === "map") left.add(first);
    else left.delete(first);
  }
  expect([...left]).toEqual([]);
  expect([existsSync(`${directory}/c`), existsSync(`${directory}/root`)]).toEqual([false, false]);
});

test("a failed mount through dm-verity explains what dm-verity does", async () => {
  const { directory, kernel, driver } = machine(() => {
    throw new SystemError("mount", 5, "x");
  });
  const verity = { ...kernel, sys: { ...kernel.sys, mapDevice: async () => "/dev/dm-5" } };
  await expect(
    driver.mount(verity, rootOf(directory, [layer("lower", "/dev/vdd", { verity: VERITY })])),
  ).rejects.toThrow(
    "erofs on /dev/dm-5 with ro: mount x: EIO (i/o error); dm-verity of /dev/vdd blocks data that doesn't match the root hash",
  );
});

test("without an upper layer, writes go to memory, and the container's file server removes them", async () => {
  const { directory, calls, kernel, driver } = machine();
  const storage = rootOf(directory, [layer("lower", "/dev/vdc")]);
  await driver.mount(kernel, storage);
  expect(calls.map((call) => call.split(" ")[1])).toEqual(["erofs", "overlay"]);
  const upper = `${directory}/c/multi-layer/upper/upper`;
  mkdirSync(`${upper}/made`);
  const held = new AgentError("unavailable", "files of container c: the file system did not answer");
  const empty = () => Promise.reject(held);
  const holding = { ...kernel, contained: containedDouble(kernel.sys, { empty }) };
  await expect(driver.release?.(holding, storage)).rejects.toBe(held);
  expect(existsSync(`${upper}/made`)).toBe(true);
  await driver.release?.(kernel, storage);
  expect(existsSync(`${directory}/c`)).toBe(false);
});

test("layers that exceed a mount's data are passed through a descriptor", async () => {
  const { directory, calls, kernel, driver } = machine();
  const layers = Array.from({ length: 100 }, (_, index) => layer("lower", `/dev/vdb${index}`));
  await driver.mount(kernel, rootOf(directory, layers, "c".repeat(64)));
  const [, options = ""] = / 0 (.*)/.exec(calls.at(-1) ?? "") ?? [];
  expect(options).toMatch(/^lowerdir=\/proc\/self\/fd\/(\d+)\/lower-0:.*:\/proc\/self\/fd\/\1\/lower-99,upperdir=/);
  expect(options.length).toBeLessThan(4096);
});

test("a link on the upper layer leads nowhere else", async () => {
  const { directory, calls, kernel, driver } = machine();
  mkdirSync(`${directory}/c/multi-layer/upper`, { recursive: true });
  symlinkSync("/etc", `${directory}/c/multi-layer/upper/upper`);
  const storage = rootOf(directory, [layer("upper", "/dev/vdb"), layer("lower", "/dev/vdc")]);
  await expect(driver.mount(kernel, storage)).rejects.toThrow('a link on the way to "upper" leads outside');
  expect(calls.at(-1)).toBe("umount c/multi-layer/upper");
});

test("layers for a sandbox are refused", async () => {
  const { directory, kernel, driver } = machine();
  const storage = rootOf(directory, [layer("lower", "/dev/vdc")], "");
  await expect(driver.mount(kernel, storage)).rejects.toThrow("only containers can have layers");
});
