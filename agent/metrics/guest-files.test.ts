import { expect, test } from "vitest";
import { agentProcess } from "./agent-process.ts";
import { guestCpu } from "./guest-cpu.ts";
import { guestDiskstat } from "./guest-diskstat.ts";
import { GuestFilesystems } from "./guest-filesystem.ts";
import { guestNetdev } from "./guest-netdev.ts";
import type { MetricFamily } from "./metric-family.ts";

const room = { total: 10, free: 5, available: 4, files: 3, filesFree: 1 };
const labels = (families: MetricFamily[]) => families.flatMap((f) => f.samples.map((s) => s.labels));

test("a process name with spaces and parentheses does not shift the fields of stat", () => {
  const tail = "S 1 1 1 0 -1 0 0 0 0 0 11 12 13 14 20 0 3 0 99 4096 7";
  const families = agentProcess((path) => {
    if (!path.endsWith("/stat")) throw new Error("missing");
    return `5 (a) (b c) d) ${tail}\n`;
  }, 5);
  const values = Object.fromEntries(
    families.flatMap((f) => f.samples.map((s) => [s.labels["item"] ?? f.name, s.value])),
  );
  expect(values).toEqual({
    kata_agent_threads: 3,
    kata_agent_total_time: 0.23,
    kata_agent_total_vm: 4096,
    utime: 11,
    stime: 12,
    cutime: 13,
    cstime: 14,
  });
});

test("an offline CPU leaves the numbers of the others unchanged", () => {
  const families = guestCpu(() => "cpu  1 2 3\ncpu0 1 2 3\ncpu2 1 2 3\nintr 5\n");
  expect(new Set(labels(families).map((l) => l["cpu"]))).toEqual(new Set(["total", "0", "2"]));
});

test("columns that an old kernel lacks are 0", () => {
  const samples = guestDiskstat(() => "   8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n")[0]?.samples ?? [];
  expect(samples).toHaveLength(17);
  expect(samples.at(-1)).toEqual({ labels: { disk: "sda", item: "time_flushing" }, value: 0 });
});

test("an interface alias keeps its colon, and numbers may follow the colon without a space", () => {
  const families = guestNetdev(() => `a\nb\neth0:1:99 ${"0 ".repeat(15)}\n`);
  expect(families[0]?.samples[0]).toEqual({ labels: { interface: "eth0:1", item: "recv_bytes" }, value: 99 });
});

test("only writable local file systems are queried, each block device once", async () => {
  const asked: string[] = [];
  const mounts = [
    "/dev/vda / ext4 rw,relatime 0 0",
    "/dev/vda /again ext4 rw 0 0",
    "/dev/vdb /ro xfs ro 0 0",
    "share /s virtiofs rw 0 0",
    "overlay /o1 overlay rw 0 0",
    "overlay /o\\0402 overlay rw 0 0",
  ].join("\n");
  const filesystems = new GuestFilesystems(async (path) => {
    asked.push(path);
    return room;
  });
  const families = await filesystems.families(() => mounts);
  expect(asked).toEqual(["/", "/o1", "/o 2"]);
  expect(labels(families)[0]).toEqual({ mount: "/", device: "vda", item: "total" });
});

const TWO = () => "/dev/vda / ext4 rw 0 0\n/dev/vdb /b ext4 rw 0 0\n";
const mountsOf = (families: MetricFamily[]) => new Set(labels(families).map((label) => label["mount"]));

test("a mount that is removed before it is queried is left out", async () => {
  const filesystems = new GuestFilesystems(async (path) => {
    if (path === "/") throw new Error("ENOENT");
    return room;
  });
  expect(mountsOf(await filesystems.families(TWO))).toEqual(new Set(["/b"]));
});

test("a mount that hangs is left out, queried once, and included again after it has answered", async () => {
  const asked: string[] = [];
  const hang = Promise.withResolvers<typeof room>();
  const filesystems = new GuestFilesystems((path) => {
    asked.push(path);
    return path === "/" ? hang.promise : Promise.resolve(room);
  }, 20);
  expect(mountsOf(await filesystems.families(TWO))).toEqual(new Set(["/b"]));
  expect(mountsOf(await filesystems.families(TWO))).toEqual(new Set(["/b"]));
  expect(asked).toEqual(["/", "/b", "/b"]);
  hang.resolve(room);
  await hang.promise;
  expect(mountsOf(await filesystems.families(TWO))).toEqual(new Set(["/", "/b"]));
});

test("scrapes at the same time query a mount once, and all of them include it", async () => {
  let asked = 0;
  const answer = Promise.withResolvers<typeof room>();
  const filesystems = new GuestFilesystems(() => {
    asked++;
    return answer.promise;
  });
  const scrapes = [filesystems.families(TWO), filesystems.families(TWO)];
  answer.resolve(room);
  const both = new Set(["/", "/b"]);
  expect((await Promise.all(scrapes)).map(mountsOf)).toEqual([both, both]);
  expect(asked).toBe(2);
});
