import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { HEADER_BYTES, readFacts } from "../../guest/core-dumps/core-file.ts";
import { buildKeepCore } from "../build.ts";

const MIB = 2 ** 20;
const FACTS = [`${process.pid}`, "7", "11", "1000", "100", "1700000000", "my program"];

let handler: string;
let directory: string;
beforeAll(() => {
  handler = buildKeepCore({ sanitize: true });
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keep-core-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

interface Run {
  readonly to?: string;
  readonly limit?: number;
  readonly seconds?: number;
  readonly places?: number;
  readonly facts?: readonly string[];
}

function start({ to = directory, limit = 8 * MIB, seconds = 20, places = 4, facts = FACTS }: Run = {}) {
  const child = spawn(handler, [to, `${limit}`, `${seconds}`, `${places}`, ...facts], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  child.stdin.on("error", () => undefined);
  return { child, ended: once(child, "exit") };
}

/** Feeds a core to the handler as the kernel does. Resolves with the handler's exit code. */
async function keep(core: Uint8Array, run: Run = {}): Promise<number | null> {
  const { child, ended } = start(run);
  child.stdin.end(core);
  const [code] = await ended;
  return code;
}

const kept = (name: string) => {
  const file = readFileSync(join(directory, name));
  return { facts: readFacts(file), core: file.subarray(HEADER_BYTES) };
};

/** A core like the kernel's: an ELF header, memory, pages that were never touched, and an end that fills no page. */
function coreOf(bytes: number): Buffer {
  const core = Buffer.alloc(bytes);
  core.write("\x7fELF", "latin1");
  core.fill("memory", 4096, Math.min(20_000, bytes));
  core.write("end", bytes - 3);
  return core;
}

test("keeps a core with what the kernel says of its process, and pages of zeros as holes", async () => {
  const core = coreOf(4 * MIB + 5);
  expect(await keep(core)).toBe(0);
  expect(readdirSync(directory)).toEqual(["0"]);
  const { facts, core: content } = kept("0");
  expect(content.equals(core)).toBe(true);
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "";
  expect(facts).toEqual({
    ...{ pid: process.pid, ownPid: 7, signal: 11, uid: 1000, gid: 100, ms: 1_700_000_000_000 },
    ...{ command: "my program", cgroup: own, size: core.length, cut: "" },
  });
  const { blocks, mode } = statSync(join(directory, "0"));
  expect(blocks * 512).toBeLessThan(MIB);
  expect(mode & 0o777).toBe(0o600);
});

test.each([
  [MIB, ""],
  [MIB - 1, "limit"],
  [4097, "limit"],
  [1, "limit"],
])("keeps the first %i bytes of a core of 1 MiB (cut: %s), and lets its process go", async (limit, cut) => {
  const core = coreOf(MIB);
  expect(await keep(core, { limit })).toBe(0);
  const { facts, core: content } = kept("0");
  expect(content.equals(core.subarray(0, limit))).toBe(true);
  expect([facts?.size, facts?.cut]).toEqual([limit, cut]);
});

test("a core without end is cut at the limit, also one of zeros, which takes no memory", async () => {
  const { child, ended } = start({ limit: 6 * MIB });
  const zeros = Buffer.alloc(MIB);
  const feed = () => child.stdin.write(zeros, (error) => error ?? feed());
  feed();
  expect((await ended)[0]).toBe(0);
  expect(kept("0").facts).toMatchObject({ size: 6 * MIB, cut: "limit" });
  expect(statSync(join(directory, "0")).blocks * 512).toBeLessThan(64 * 1024);
});

test("a process that takes too long to dump is let go, with the beginning of its core", async () => {
  const { child, ended } = start({ seconds: 1 });
  child.stdin.write("the beginning");
  expect((await ended)[0]).toBe(0);
  expect(kept("0")).toMatchObject({ core: Buffer.from("the beginning"), facts: { size: 13, cut: "time" } });
});

test("keeps nothing of a process that dumps nothing", async () => {
  expect(await keep(Buffer.alloc(0))).toBe(1);
  expect(readdirSync(directory)).toEqual([]);
});

test("of a flood of 40 dying processes at once, as many cores are kept as there are places, all of them whole", async () => {
  const core = coreOf(MIB);
  const codes = await Promise.all(Array.from({ length: 40 }, () => keep(core, { places: 4 })));
  expect(readdirSync(directory).sort()).toEqual(["0", "1", "2", "3"]);
  expect(codes.filter((code) => code === 0)).toHaveLength(4);
  expect(codes.filter((code) => code !== 0 && code !== 1)).toEqual([]);
  for (const name of ["0", "1", "2", "3"]) expect(kept(name).core.equals(core)).toBe(true);
});

test("without a free place it reads nothing of the core and ends at once", async () => {
  await keep(Buffer.from("first"), { places: 1 });
  const { child, ended } = start({ places: 1, seconds: 3600 });
  child.stdin.write("a core that does not end");
  expect((await ended)[0]).toBe(1);
  expect(readdirSync(directory)).toEqual(["0"]);
  expect(kept("0").core.toString()).toBe("first");
});

test("follows no link, neither in place of the directory nor in it", async () => {
  mkdirSync(join(directory, "real"));
  symlinkSync("real", join(directory, "link"));
  expect(await keep(coreOf(8192), { to: join(directory, "link") })).toBe(1);
  expect(readdirSync(join(directory, "real"))).toEqual([]);
  symlinkSync("real/made", join(directory, "0"));
  symlinkSync("real", join(directory, "1"));
  expect(await keep(coreOf(8192))).toBe(0);
  expect(readdirSync(directory).sort()).toEqual(["0", "1", "2", "link", "real"]);
  expect(readdirSync(join(directory, "real"))).toEqual([]);
});

test("a killed handler leaves nothing behind", async () => {
  const { child, ended } = start();
  child.stdin.write(coreOf(MIB));
  const fds = `/proc/${child.pid}/fd`;
  await expect.poll(() => readdirSync(fds).length).toBeGreaterThan(4);
  child.kill("SIGKILL");
  await ended;
  expect(readdirSync(directory)).toEqual([]);
});

test("takes names of any bytes and length, and any number of them, as texts", async () => {
  const hostile = "\n\x1b[2J%s%n/../..";
  const six = FACTS.slice(0, 6);
  expect(await keep(Buffer.from("core"), { facts: [...six, hostile] })).toBe(0);
  expect(await keep(Buffer.from("core"), { facts: [...six, "x".repeat(5000)] })).toBe(0);
  expect(
    await keep(Buffer.from("core"), { facts: [...six, ...Array.from({ length: 500 }, (_, at) => `word${at}`)] }),
  ).toBe(0);
  expect(kept("0").facts?.command).toBe(hostile);
  expect(kept("1").facts?.command).toBe("x".repeat(63));
  expect(kept("2").facts).toMatchObject({ command: expect.stringMatching(/^word0 .* word9$/), size: 4 });
});

test.each([[["1; rm -rf /"]], [["0"]], [["99999999999999999999"]], [["-1"]], [["../1"]]])(
  "reads no cgroups by the pid %j, which is none",
  async (facts) => {
    expect(await keep(Buffer.from("core"), { facts: [...facts, ...FACTS.slice(1)] })).toBe(0);
    const text = readFileSync(join(directory, "0")).toString("latin1", 0, HEADER_BYTES);
    expect(text).not.toContain("0::/");
  },
);

test("refuses bounds that are no numbers or too large, and touches nothing", async () => {
  const bad = ["0", "-1", "", "1x", "1099511627777", "99999999999999999999"];
  for (const limit of bad) {
    const child = spawn(handler, [directory, limit, "1", "1", ...FACTS], { stdio: ["ignore", "inherit", "inherit"] });
    expect((await once(child, "exit"))[0]).toBe(2);
  }
  expect(await keep(Buffer.from("core"), { seconds: 3601 })).toBe(2);
  expect(await keep(Buffer.from("core"), { places: 257 })).toBe(2);
  expect(await keep(Buffer.from("core"), { facts: [] })).toBe(2);
  expect(readdirSync(directory)).toEqual([]);
});

test("has no capabilities while it copies, and yields to other processes", async () => {
  const { child, ended } = start();
  child.stdin.write(coreOf(8192));
  const status = () => readFileSync(`/proc/${child.pid}/status`, "utf8");
  await expect.poll(status).toMatch(/^NoNewPrivs:\t1$/m);
  await expect.poll(status).toMatch(/^CapEff:\t0+$/m);
  expect(status()).toMatch(/^CapPrm:\t0+$/m);
  const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
  expect(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]).toBe("19");
  child.stdin.end();
  expect((await ended)[0]).toBe(0);
});
