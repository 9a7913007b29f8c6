import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CgroupReader } from "./cgroup-reader.ts";
import { GuestReader } from "./guest-reader.ts";
import { KeptFile } from "./kept-file.ts";
import { ProcessReader } from "./process-reader.ts";

function folder(files: Readonly<Record<string, string>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), "readers-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}
/** Number of this process's open descriptors of files in a folder. */
function openFiles(path: string): number {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ""; // closed meanwhile
    }
  });
  return links.filter((link) => link.startsWith(path)).length;
}

test("a container's usage is read from its cgroup, and from its own network", () => {
  const pressure = "some avg10=1.00 avg60=0.10 avg300=0.00 total=70\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=30\n";
  const path = folder({
    "cpu.stat": "usage_usec 1234\nuser_usec 1000\nsystem_usec 234\n",
    ...{ "memory.current": "4096\n", "memory.max": "max\n", "pids.current": "3\n", "memory.pressure": pressure },
    "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n8:16 rbytes=5 wbytes=6 rios=1 wios=1\n",
    net: "Inter-|   Receive\n face |bytes\n    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n  eth0: 100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n",
  });
  const reader = new CgroupReader(path, join(path, "net"));
  const usage = reader.read();
  expect(JSON.parse(JSON.stringify(usage))).toEqual({
    ...{ cpu_micros: 1234, memory: 4096, pids: 3, read_bytes: 15, written_bytes: 26 },
    ...{ received_bytes: 100, sent_bytes: 200, memory_some: 70, memory_full: 30 },
  });
  writeFileSync(join(path, "memory.current"), "8192\n");
  writeFileSync(join(path, "cpu.stat"), "usage_usec 1235\n");
  expect(reader.read().memory).toBe(8192);
  expect(openFiles(path)).toBeGreaterThan(5);
  reader.close();
  expect(openFiles(path)).toBe(0);
});

test("a file is read again once a descriptor is free", () => {
  const path = join(folder({ file: "text" }), "file");
  const script = `
    import { closeSync, openSync } from "node:fs";
    import { KeptFile } from ${JSON.stringify(join(import.meta.dirname, "kept-file.ts"))};
    const file = new KeptFile(${JSON.stringify(path)});
    const taken = [];
    try { for (;;) taken.push(openSync("/", "r")); } catch {}
    const without = file.read();
    for (const fd of taken) closeSync(fd);
    console.log(without, file.read());`;
  const words = ["-c", 'ulimit -n 64; exec "$0" --input-type=module -e "$1"', process.execPath, script];
  expect(execFileSync("sh", words, { encoding: "utf8" })).toBe("undefined text\n");
});

test("a container that used no processor time is read in full only every tenth time", () => {
  const path = folder({ "cpu.stat": "usage_usec 5\n", "memory.current": "4096\n" });
  const reader = new CgroupReader(path);
  const first = reader.read();
  writeFileSync(join(path, "memory.current"), "8192\n");
  const later = Array.from({ length: 10 }, () => reader.read());
  expect(later.map((usage) => usage === first)).toEqual([...Array(9).fill(true), false]);
  expect([first.memory, later.at(-1)?.memory]).toEqual([4096, 8192]);
  reader.close();
});

test("a cgroup without files has no usage, and is not asked again", () => {
  const path = folder();
  const reader = new CgroupReader(path);
  expect(JSON.stringify(reader.read())).toBe("{}");
  writeFileSync(join(path, "memory.current"), "1\n");
  expect(JSON.stringify(reader.read())).toBe("{}");
  reader.close();
});

test("the guest has at least a size and processor time", () => {
  const reader = new GuestReader();
  const { cpu_micros = 0, memory = 0, memory_limit = 0 } = reader.read();
  expect(cpu_micros).toBeGreaterThan(0);
  expect(memory).toBeGreaterThan(0);
  expect(memory_limit).toBeGreaterThan(memory);
  reader.close();
});

test("a process that has ended has no usage, even if another one gets its pid", async () => {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  await once(child, "spawn");
  const reader = new ProcessReader(child.pid ?? 0);
  // It has none while it executes the program.
  await expect.poll(() => reader.read().memory).toBeGreaterThan(0);
  const { memory = 0, threads } = reader.read();
  expect([threads, memory % 4096]).toEqual([1, 0]);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect([reader.read(), reader.read()]).toEqual([{}, {}]);
  reader.close();
});

test("the agent's own memory agrees with Node's", () => {
  const reader = new ProcessReader("self");
  const { memory = 0 } = reader.read();
  expect(Math.abs(memory / process.memoryUsage.rss() - 1)).toBeLessThan(0.2);
  reader.close();
});

test("a longer file ends with a whole line", () => {
  const path = join(folder({ file: "0123456789\n".repeat(2000) }), "file");
  const file = new KeptFile(path);
  expect(file.read()).toBe("0123456789\n".repeat(Math.floor(16_384 / 11)));
  file.close();
});

test("no more than 1024 files stay open", () => {
  const path = join(folder({ file: "text" }), "file");
  const files = Array.from({ length: 1100 }, () => new KeptFile(path));
  expect(new Set(files.map((file) => file.read()))).toEqual(new Set(["text"]));
  expect(openFiles(path)).toBe(1024);
  expect(files.at(-1)?.read()).toBe("text");
  const directory = dirname(path); // it can be opened, but not read
  expect(new KeptFile(directory).read()).toBeUndefined();
  expect(openFiles(directory)).toBe(1024);
  for (const file of files) file.close();
  expect(openFiles(path)).toBe(0);
});
