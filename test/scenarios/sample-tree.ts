import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { treeCalls } from "../../agent/kernel/sys/tree-calls.ts";
import { O_PATH } from "../../lib/archive/tree-files.ts";
import type { Random } from "../../lib/seeded-random.ts";
import { randomBytesOf } from "../../lib/seeded-random.ts";

const O_NOFOLLOW = 0o400000;
const LONG = "n".repeat(255);
/** Path of a name below `root`, whose bytes are held in latin1. It begins with a slash, or is empty for `root` itself. */
const below = (root: string, name: string): Buffer => Buffer.concat([Buffer.from(root), Buffer.from(name, "latin1")]);

/** Creates a tree with everything that a copy preserves. `big` is the length of its largest file. */
export function makeSampleTree(root: string, random: Random, { big = 300_000, small = 20 } = {}): void {
  const { setXattr, setTimes } = treeCalls();
  const dir = (name: string) => mkdirSync(below(root, `/${name}`), { recursive: true });
  const file = (name: string, content: Uint8Array | string = name) => writeFileSync(below(root, `/${name}`), content);
  for (const name of ["", "empty", "private", `deep/${LONG}/${LONG}`, "Gr\u00fc\u00dfe", "bytes\xff\xfe", "small"])
    dir(name);
  file("plain");
  file("nothing", "");
  file("Gr\u00fc\u00dfe/\u00e4");
  file("bytes\xff\xfe/\x80");
  file(`deep/${LONG}/${LONG}/${LONG}`);
  file("line\nend = 1");
  file("big", randomBytesOf(random, big));
  file("private/key");
  for (let at = 0; at < small; at++) file(`small/${at}`, randomBytesOf(random, 4 + Math.floor(random() * 5000)));
  linkSync(join(root, "plain"), join(root, "small/linked"));
  linkSync(join(root, "plain"), join(root, "a-link-before"));
  symlinkSync("plain", join(root, "link"));
  symlinkSync("/etc/passwd", join(root, "absolute"));
  symlinkSync("../../../../nowhere", join(root, "dangling"));
  symlinkSync(`${"../".repeat(40)}${"t".repeat(100)}`, join(root, "long-target"));
  sparse(join(root, "holes"), [0, 1 << 20, 5 << 20], 9 << 20);
  sparse(join(root, "hole-first"), [1 << 20], (1 << 20) + 4096);
  sparse(join(root, "only-hole"), [], 3 << 20);
  for (const [at, name] of ["plain", "big", "holes", "link", "private", "private/key", "empty"].entries()) {
    lchownSync(join(root, name), 1000 + at, 70_000 + at);
  }
  lchownSync(join(root, "small"), 3_000_000, 3_000_001);
  chmodSync(join(root, "plain"), 0o640);
  chmodSync(join(root, "nothing"), 0);
  chmodSync(join(root, "small/1"), 0o6755);
  chmodSync(join(root, "empty"), 0o1777);
  chmodSync(join(root, "private"), 0o500);
  for (const [name, value] of [
    ["plain", Buffer.from("text")],
    ["big", randomBytesOf(random, 2000)],
    ["empty", Buffer.from("a\nb\0c\xff", "latin1")],
  ] as const) {
    const fd = openSync(join(root, name), "r");
    setXattr(fd, "user.guestd", value);
    closeSync(fd);
  }
  let seconds = 1_600_000_000n;
  for (const name of namesBelow(root).reverse()) {
    const fd = openSync(below(root, name), O_PATH | O_NOFOLLOW);
    seconds += 1n;
    setTimes(fd, seconds * 1_000_000_000n + 123_456_789n, seconds * 1_000_000_000n + 987_654_321n);
    closeSync(fd);
  }
}

function sparse(path: string, data: readonly number[], length: number): void {
  const fd = openSync(path, "w");
  for (const offset of data) writeSync(fd, Buffer.alloc(4096, 7), 0, 4096, offset);
  ftruncateSync(fd, length);
  closeSync(fd);
}

/** Returns the names of a directory below `root` and of everything in it, parents first, as `below` takes them. */
function namesBelow(root: string, directory = ""): string[] {
  const names = [directory];
  const entries = readdirSync(below(root, directory), { encoding: "latin1" as "utf8" }).sort();
  for (const name of entries.map((entry) => `${directory}/${entry}`)) {
    if (lstatSync(below(root, name)).isDirectory()) names.push(...namesBelow(root, name));
    else names.push(name);
  }
  return names;
}

export interface SnapshotOptions {
  /** Leaves owners out. */
  readonly owners?: boolean;
  /** Leaves set-id bits out. */
  readonly setId?: boolean;
  /** Leaves extended attributes out. */
  readonly xattrs?: boolean;
}

/** Describes a tree by everything that a copy preserves, by path. */
export function snapshotTree(
  root: string,
  { owners = true, setId = true, xattrs = true }: SnapshotOptions = {},
): Record<string, unknown> {
  const { listXattrs, getXattr } = treeCalls();
  const firstNames = new Map<bigint, string>();
  const entries = namesBelow(root).map((name) => {
    const path = below(root, name);
    const stat = lstatSync(path, { bigint: true });
    const first = firstNames.get(stat.ino) ?? name;
    firstNames.set(stat.ino, first);
    const mode = Number(stat.mode) & (setId ? 0o7777 : 0o1777);
    const common = {
      ...{ type: Number(stat.mode) & 0o170000, mode: mode.toString(8), mtime: stat.mtimeNs },
      ...(owners && { owner: `${stat.uid}:${stat.gid}` }),
      ...(stat.isDirectory() ? {} : { first, names: stat.nlink }),
    };
    if (stat.isSymbolicLink()) return [name, { ...common, target: readlinkSync(path, "latin1" as "utf8") }];
    const fd = openSync(path, "r");
    const keys = xattrs ? listXattrs(fd).filter((key) => key.startsWith("user.")) : [];
    const values = keys.map((key) => [key, getXattr(fd, key)?.toString("hex")]);
    closeSync(fd);
    if (!stat.isFile()) return [name, { ...common, values }];
    const hash = createHash("sha256").update(readFileSync(path)).digest("hex");
    const isSparse = stat.blocks * 512n < stat.size;
    return [name, { ...common, values, hash, size: stat.size, isSparse }];
  });
  return Object.fromEntries(entries);
}
