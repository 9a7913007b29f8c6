import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { realFiles } from "../../kernel/files.ts";
import { type CoreOwner, encodeOwner, HEADER_BYTES, readFacts, readOwner } from "./core-file.ts";
import { type KeptCore, KeptCores } from "./kept-cores.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kept-cores-"));
  mkdirSync(join(directory, "new"));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(directory, { recursive: true });
});

/** Returns a file as keep-core.c writes it. */
function fileOf(
  container: string,
  { bytes = 5000, facts = ["42", "1", "6", "0", "0", "1700000000", "app"], cut = 0 } = {},
) {
  const file = Buffer.alloc(HEADER_BYTES + bytes, "x").fill(0, 0, HEADER_BYTES);
  file.write("guestd core 1\n");
  file.writeBigUInt64LE(BigInt(bytes), 16);
  file.writeUInt32LE(cut, 24);
  file.writeUInt32LE(facts.length, 28);
  file.write([...facts, `3:cpu:/\n0::/${container}\n`].join("\0"), 32);
  return file;
}

/** Puts a core dump where the handler does. */
const arrive = (container: string, name = "0", parts?: Parameters<typeof fileOf>[1]) =>
  writeFileSync(join(directory, "new", name), fileOf(container, parts));

function open(bytes = 2 ** 20) {
  const reported: KeptCore[] = [];
  const dropped: string[] = [];
  const kept = new KeptCores({
    ...{ directory, numberFile: join(directory, "number"), bytes, files: realFiles },
    ownerOf: ({ cgroup, pid }): CoreOwner => ({ container: cgroup.slice(1), exec: pid === 42 ? "" : `x${pid}` }),
    onKept: (core) => reported.push(core),
    onDropped: (container) => dropped.push(container),
  });
  const ids = () => kept.list().map(({ id, container }) => `${id} ${container}`);
  return { kept, reported, dropped, ids };
}

describe("core dumps that arrive", () => {
  it("are kept with container and exec, numbered, and reported once", () => {
    const { kept, reported } = open();
    arrive("web");
    arrive("db", "1", { facts: ["43", "9", "11", "5", "6", "1700000001", "a b", "c"], cut: 1 });
    kept.takeNew();
    kept.takeNew();
    expect(readdirSync(join(directory, "new"))).toEqual([]);
    expect(kept.list()).toEqual(reported);
    expect(reported).toMatchObject([
      { id: 1, container: "web", exec: "", pid: 42, ownPid: 1, signal: 6, command: "app", size: 5000, cut: "" },
      {
        id: 2,
        container: "db",
        exec: "x43",
        ownPid: 9,
        uid: 5,
        gid: 6,
        command: "a b c",
        ms: 1_700_000_001_000,
        cut: "limit",
      },
    ]);
  });

  it("are found by the next agent, also those that arrived while none ran; no number is given twice", () => {
    const first = open();
    arrive("web");
    first.kept.takeNew();
    first.kept.remove(1);
    arrive("web");
    const second = open();
    second.kept.takeNew();
    expect(second.ids()).toEqual(["2 web"]);
    expect(open().ids()).toEqual(["2 web"]);
  });

  it("keep the owner that the last agent had noted before it died", () => {
    const file = fileOf("gone");
    const { at, bytes } = encodeOwner({ container: "web", exec: "job" });
    bytes.copy(file, at);
    writeFileSync(join(directory, "new", "0"), file);
    const { kept, reported } = open();
    kept.takeNew();
    expect(reported).toMatchObject([{ container: "web", exec: "job" }]);
  });

  it("are taken as they arrive once they are followed", async () => {
    const { kept, reported } = open();
    arrive("early");
    const stop = kept.follow((error) => expect.unreachable(String(error)));
    expect(reported.map(({ container }) => container)).toEqual(["early"]);
    writeFileSync(join(directory, "late"), fileOf("late"));
    renameSync(join(directory, "late"), join(directory, "new", "0"));
    await expect.poll(() => reported.map(({ container }) => container)).toEqual(["early", "late"]);
    stop();
  });

  it("are marked if their process was killed while it dumped: the ELF headers name more bytes than came", () => {
    const { kept, reported } = open();
    const core = (bits: 32 | 64, { end = 5000, type = 4, count = 2 } = {}) => {
      const elf = Buffer.alloc(5000);
      elf.write("\x7fELF", "latin1");
      elf.set([bits / 32, 1], 4);
      elf.writeUInt16LE(type, 16);
      elf.writeUInt16LE(count, bits === 64 ? 56 : 44);
      elf.writeUInt16LE(bits === 64 ? 56 : 32, bits === 64 ? 54 : 42);
      if (bits === 64) {
        elf.writeBigUInt64LE(64n, 32);
        for (const [at, from] of [100n, BigInt(end - 10)].entries()) {
          elf.writeBigUInt64LE(from, 64 + at * 56 + 8);
          elf.writeBigUInt64LE(10n, 64 + at * 56 + 32);
        }
      } else {
        elf.writeUInt32LE(52, 28);
        for (const [at, from] of [100, end - 10].entries()) {
          elf.writeUInt32LE(from, 52 + at * 32 + 4);
          elf.writeUInt32LE(10, 52 + at * 32 + 16);
        }
      }
      return elf;
    };
    const hostile = Buffer.alloc(5000, 0xff);
    hostile.set(core(64).subarray(0, 18));
    const cases: readonly (readonly [Buffer, string])[] = [
      [core(64), ""],
      [core(32), ""],
      [core(64, { end: 5001 }), "killed"],
      [core(32, { end: 5001 }), "killed"],
      [core(64, { end: 2 ** 40 }), "killed"],
      [core(64, { count: 500 }), "killed"], // the headers themselves are cut
      [core(64, { end: 5001, type: 2 }), ""],
      [core(64, { end: 5001, count: 0xffff }), ""],
      [hostile, ""],
    ];
    for (const [at, [elf]] of cases.entries()) {
      const file = fileOf(`c${at}`);
      elf.copy(file, HEADER_BYTES);
      writeFileSync(join(directory, "new", "0"), file);
      kept.takeNew();
    }
    expect(reported.map(({ cut }) => cut)).toEqual(cases.map(([, cut]) => cut));
    expect(kept.list().map(({ cut }) => cut)).toEqual(cases.map(([, cut]) => cut));
  });

  it("are removed if they are none", () => {
    const { kept, reported } = open();
    writeFileSync(join(directory, "new", "0"), "no core");
    writeFileSync(join(directory, "new", "1"), fileOf("web").fill("y", 0, 4));
    arrive("web", "2", { facts: ["42", "1", "6"] });
    arrive("web", "3", { facts: ["42", "x", "6", "0", "0", "1", "app"] });
    arrive("web", "4", { cut: 9 });
    mkdirSync(join(directory, "new", "5"));
    kept.takeNew();
    expect([reported, readdirSync(join(directory, "new"))]).toEqual([[], []]);
  });

  it("are never links", () => {
    writeFileSync(join(directory, "secret"), fileOf("web"));
    symlinkSync("../secret", join(directory, "new", "0"));
    const { kept, reported } = open();
    kept.takeNew();
    expect(reported).toEqual([]);
    expect(readdirSync(join(directory, "new"))).toEqual([]);
    expect(readFileSync(join(directory, "secret")).equals(fileOf("web"))).toBe(true);
  });
});

describe("the bounds of core dumps", () => {
  it("are eight of a container in a minute: others are dropped, and other containers keep theirs", () => {
    vi.useFakeTimers();
    const { kept, ids, dropped } = open();
    for (let count = 0; count < 20; count++) {
      arrive("loop");
      kept.takeNew();
    }
    arrive("web");
    kept.takeNew();
    expect(ids()).toEqual([...Array.from({ length: 8 }, (_, at) => `${at + 1} loop`), "9 web"]);
    expect(dropped).toEqual(Array(12).fill("loop"));
    vi.advanceTimersByTime(60_001);
    arrive("loop");
    kept.takeNew();
    expect(ids().at(-1)).toBe("10 loop");
  });

  it("are 32 in all: the oldest of the container that has the most goes first", () => {
    const { kept, ids } = open(2 ** 30);
    arrive("first");
    kept.takeNew();
    for (let count = 0; count < 34; count++) {
      arrive(`c${count % 5}`);
      kept.takeNew();
    }
    expect(ids()).toHaveLength(32);
    expect(ids()[0]).toBe("1 first");
    expect(ids()[1]).toBe("5 c3");
  });

  it("are their memory in all: the oldest of the container that takes the most goes first, and the newest is kept", () => {
    const { kept, ids } = open(100_000);
    arrive("web", "0", { bytes: 40_000 });
    kept.takeNew();
    for (let count = 0; count < 6; count++) {
      arrive("loop", "0", { bytes: 20_000 });
      kept.takeNew();
    }
    expect(ids()).toEqual(["1 web", "6 loop", "7 loop"]);
    arrive("large", "0", { bytes: 50_000 });
    kept.takeNew();
    expect(ids()).toEqual(["7 loop", "8 large"]);
    arrive("huge", "0", { bytes: 200_000 });
    kept.takeNew();
    expect(ids()).toEqual(["9 huge"]);
  });
});

it("a header that was cut or is of another kind has no facts and no owner", () => {
  const file = fileOf("web");
  expect(readFacts(file.subarray(0, 4000))).toBeUndefined();
  expect(readFacts(Buffer.alloc(5000))).toBeUndefined();
  expect(readOwner(file)).toBeUndefined();
  expect(() => encodeOwner({ container: "x".repeat(3000), exec: "" })).toThrow("too long");
});
