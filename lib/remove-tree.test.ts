import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../image/testing/tree.ts";
import { removeTree, removeTreeSync } from "./remove-tree.ts";
import { BOUND_BY_MODES } from "./testing/bound-by-modes.ts";

const run = promisify(execFile);

/** Returns the command line of a process that removes a tree. */
function removing(tree: string): string[] {
  const call = `import { removeTree } from ${JSON.stringify(join(import.meta.dirname, "remove-tree.ts"))};
    await removeTree(${JSON.stringify(tree)});`;
  return [process.execPath, "--input-type=module", "-e", call];
}

test("removes a tree, and accepts that none exists", async () => {
  using temporary = temporaryDirectory();
  const tree = join(temporary.path, "tree");
  mkdirSync(join(tree, "a/b"), { recursive: true });
  writeFileSync(join(tree, "a/b/file"), "");
  await removeTree(tree);
  expect(existsSync(tree)).toBe(false);
  await removeTree(tree);
  await removeTree(join(tree, "below", "nothing"));
});

test("removes links but not their targets, and leaves the targets' mode alone", async () => {
  using temporary = temporaryDirectory();
  const outside = join(temporary.path, "outside");
  mkdirSync(outside, { mode: 0o500 });
  chmodSync(outside, 0o510);
  for (const remove of [removeTree, removeTreeSync]) {
    const tree = join(temporary.path, "tree");
    mkdirSync(tree);
    symlinkSync(outside, join(tree, "link"));
    await remove(tree);
    symlinkSync(outside, tree);
    await remove(tree);
    expect(existsSync(tree)).toBe(false);
  }
  expect(statSync(outside).mode & 0o777).toBe(0o510);
});

test("removes names that are not UTF-8", async () => {
  using temporary = temporaryDirectory();
  const tree = join(temporary.path, "tree");
  mkdirSync(tree);
  mkdirSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0xfe])]));
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xfe, 0x0a])]), "");
  await removeTree(tree);
  expect(existsSync(tree)).toBe(false);
});

test("removes a tree deeper than any path with few descriptors", { timeout: 300_000 }, async () => {
  using temporary = temporaryDirectory();
  const tree = join(temporary.path, "tree");
  mkdirSync(tree);
  const deep = 'for (let at = 0; at < 3000; at++) { fs.mkdirSync("d"); process.chdir("d"); }';
  await run(process.execPath, ["-e", deep], { cwd: tree });
  await run("sh", ["-c", 'ulimit -n 160; exec "$@"', "sh", ...removing(tree)]);
  expect(existsSync(tree)).toBe(false);
});

test("removes directories that their owner may not read, write or enter", async () => {
  using temporary = temporaryDirectory();
  const tree = join(temporary.path, "tree");
  mkdirSync(join(tree, "closed/deeper"), { recursive: true });
  writeFileSync(join(tree, "closed/deeper/file"), "");
  for (const [path, mode] of Object.entries({ "closed/deeper": 0o500, closed: 0, ".": 0o100 })) {
    chmodSync(join(tree, path), mode);
  }
  const [program = "", ...args] = [...BOUND_BY_MODES, ...removing(tree)];
  await run(program, args);
  expect(existsSync(tree)).toBe(false);
});

test("removes and changes nothing outside while another process replaces directories with links", async () => {
  using temporary = temporaryDirectory();
  const outside = join(temporary.path, "outside");
  const share = join(temporary.path, "share");
  mkdirSync(outside);
  const kept = Array.from({ length: 200 }, (_, at) => `file-${at}`);
  for (const name of kept) writeFileSync(join(outside, name), "");
  mkdirSync(join(outside, "closed"), { mode: 0o500 });
  mkdirSync(share);
  // Acts like a hostile guest: `tree/d` alternates between a directory and a link to the outside.
  const swap = `
    import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
    const [share, outside] = process.argv.slice(1);
    process.chdir(share);
    process.send("up");
    for (let at = 0; ; at++) {
      try { mkdirSync("tree"); } catch {}
      try {
        mkdirSync("tree/d");
        for (const name of ["a", "b", "c"]) writeFileSync("tree/d/file-" + name, "");
        mkdirSync("tree/d/closed", 0o500);
      } catch {}
      try { renameSync("tree/d", "away-" + at % 8); } catch {}
      try { symlinkSync(outside, "tree/d"); } catch {}
      try { renameSync("tree/d", "link"); } catch {}
      try { renameSync("away-" + at % 8, "tree/d"); } catch {}
    }`;
  const attacker = spawn(process.execPath, ["--input-type=module", "-e", swap, share, outside], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  try {
    await once(attacker, "message");
    const end = performance.now() + 1500;
    while (performance.now() < end) {
      await removeTree(join(share, "tree"), { limitMs: 300 }).catch(() => undefined);
      expect(readdirSync(outside)).toHaveLength(kept.length + 1);
    }
    expect(statSync(join(outside, "closed")).mode & 0o777).toBe(0o500);
  } finally {
    attacker.kill("SIGKILL");
    await once(attacker, "exit");
  }
  removeTreeSync(share);
  expect(existsSync(share)).toBe(false);
});
