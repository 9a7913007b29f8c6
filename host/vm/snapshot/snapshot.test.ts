import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRoot } from "../../../lib/is-root.ts";
import { dial } from "../../client/dial.ts";
import { Guest } from "../guest.ts";
import { buildMiniGuest } from "../testing/mini-guest.ts";
import { FILES, type Manifest } from "./manifest.ts";

const FACTS = { guest: "mini", epoch: 1, notes: {} };

/** Sends a word to the guest and returns its answer. */
async function say(guest: Guest, word: string): Promise<string> {
  const stream = await dial(guest.address(1024), { timeoutMs: 20_000 });
  stream.write(word);
  for await (const bytes of stream) return String(bytes); // which ends the connection
  throw new Error("the guest closed the connection");
}

/** Returns the number of connections to the guest so far. */
async function connections(guest: Guest): Promise<number> {
  return Number(await say(guest, "count"));
}

/** One guest is booted, saved, and restored by all tests. */
describe("a snapshot of a guest", { timeout: 120_000 }, () => {
  let directory = "";
  let mini: { kernel: string; initrd: string };
  let first = "";

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "snapshot-test-"));
    mini = await buildMiniGuest(directory);
    first = join(directory, "first");
    await using guest = await Guest.start({ ...mini, image: false, memoryMib: 256 });
    expect(await connections(guest)).toBe(1);
    const kept = join(directory, "kept");
    await guest.save(kept, FACTS);
    expect(await connections(guest), "the guest continues at the same address").toBe(2);
    await guest.save(first, FACTS, { end: true });
    expect(guest.pids).toEqual([]);
  }, 120_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test("has owner-only files, and holes for memory that is zero", () => {
    expect(statSync(first).mode & 0o777).toBe(0o700);
    expect(readdirSync(first).sort()).toEqual(Object.values(FILES).sort());
    for (const name of Object.values(FILES)) expect(statSync(join(first, name)).mode & 0o777).toBe(0o600);
    const { size, blocks } = statSync(join(first, FILES.memory));
    expect(size).toBe(256 * 2 ** 20);
    expect(blocks * 512).toBeLessThan(size / 2);
  });

  test("is restored by two clones at once, each with the memory of that moment and its own from then on", async () => {
    const shared = join(directory, "shared");
    mkdirSync(shared);
    const shares = [{ tag: "share", directory: shared }];
    await using one = await Guest.restore(first, { shares });
    await using two = await Guest.restore(first);
    expect(one.address(1024)).not.toBe(two.address(1024));
    expect([await connections(one), await connections(two), await connections(one)]).toEqual([3, 3, 4]);
    const again = join(directory, "again");
    await one.save(again, { ...FACTS, epoch: 2 }, { end: true });
    await using third = await Guest.restore(again);
    expect([await connections(third), await connections(two)]).toEqual([5, 4]);
  });

  test("a guest continues at its address after a pause and a snapshot, although clients keep dialling", async () => {
    await using guest = await Guest.restore(first);
    let isOver = false;
    const dialling = (async () => {
      while (!isOver) await say(guest, "word").catch(() => setTimeout(1));
    })();
    await guest.pause();
    await expect(dial(guest.address(1024))).rejects.toThrow(/^dial /);
    await guest.pause();
    await guest.resume();
    await guest.save(join(directory, "dialled"), FACTS);
    isOver = true;
    await dialling;
    // A connection can be refused while the guest has an old one with the same number.
    await expect.poll(() => connections(guest).catch(() => 0)).toBeGreaterThan(3);
  });

  test("leaves the guest running when it can't be written, and no files", async () => {
    await using guest = await Guest.restore(first);
    await expect(guest.save(first, FACTS)).rejects.toThrow(/^save \S+\/first: it already exists; choose another name$/);
    const late = guest.save(join(directory, "late"), FACTS, { signal: AbortSignal.abort(new Error("interrupted")) });
    await expect(late).rejects.toThrow("interrupted");
    expect(await connections(guest)).toBe(3);
    expect(readdirSync(directory).filter((name) => name.startsWith("saving-") || name === "late")).toEqual([]);
  });

  test.skipIf(!isRoot())(
    `names a full disk and leaves nothing on it${isRoot() ? "" : " (skipped: needs root)"}`,
    async () => {
      const full = join(directory, "full");
      mkdirSync(full, { mode: 0o700 });
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", full]);
      try {
        await using guest = await Guest.restore(first);
        await expect(guest.save(join(full, "one"), FACTS)).rejects.toThrow(
          /^save \S+\/one: the disk is full; free up to 256 MiB there$/,
        );
        expect(await connections(guest)).toBe(3);
        expect(readdirSync(full)).toEqual([]);
      } finally {
        execFileSync("umount", [full]);
      }
    },
  );

  const changes: readonly [string, (manifest: Manifest) => unknown, RegExp][] = [
    [
      "kernel",
      (it) => ({ ...it, kernel: { ...it.kernel, digest: "0" } }),
      /: kernel \S+ has changed since; create it again$/,
    ],
    [
      "initrd",
      (it) => ({ ...it, initrd: { path: "/nonexistent", digest: "0" } }),
      /: initrd \/nonexistent: ENOENT; create it/,
    ],
    [
      "image",
      (it) => ({ ...it, image: { ...it.kernel, digest: "0" } }),
      /: image \S+ has changed since; create it again$/,
    ],
    ["QEMU", (it) => ({ ...it, qemu: "1.2.3" }), /: QEMU was 1\.2\.3 and is \d+\.\d+\.\d+.*; create it again$/],
    ["processor", (it) => ({ ...it, processor: "another" }), /: processor was another and is /],
    ["vsock device", (it) => ({ ...it, vsock: "other" }), /: vsock device was other and is vhost/],
    [
      "architecture",
      (it) => ({ ...it, machine: { ...it.machine, architecture: "vax" } }),
      /: architecture was vax and is /,
    ],
    [
      "accelerator",
      (it) => ({ ...it, machine: { ...it.machine, accelerator: "hvf" } }),
      /: accelerator was hvf and is /,
    ],
    ["devices", (it) => ({ ...it, command: "-M q35" }), /: guests of this guestctl have other devices; create it/],
    ["format", (it) => ({ ...it, format: 0 }), /: its format is 0, and this guestctl has 1; create it again$/],
  ];
  test.each(changes)("is refused in one line if the %s differs", async (_name, change, message) => {
    const changed = mkdtempSync(join(directory, "changed-"));
    chmodSync(changed, 0o700);
    const manifest = JSON.parse(readFileSync(join(first, FILES.manifest), "utf8")) as Manifest;
    writeFileSync(join(changed, FILES.manifest), JSON.stringify(change(manifest)));
    const error = await Guest.restore(changed).catch((thrown: Error) => thrown);
    expect(String(error)).toMatch(message);
    expect(String(error)).not.toContain("\n");
  });

  test("is refused if it doesn't exist or is damaged", async () => {
    await expect(Guest.restore(join(directory, "none"))).rejects.toThrow(/^snapshot \S+\/none: no such snapshot$/);
    const damaged = mkdtempSync(join(directory, "damaged-"));
    writeFileSync(join(damaged, FILES.manifest), "{");
    await expect(Guest.restore(damaged)).rejects.toThrow(/its manifest is damaged; create it again$/);
    expect(existsSync(join(damaged, FILES.state))).toBe(false);
  });
});
