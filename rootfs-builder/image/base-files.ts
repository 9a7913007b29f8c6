import type { TreeEntry } from "../tree/tree.ts";

const DIRECTORIES: readonly (readonly [path: string, mode: number])[] = [
  ["dev", 0o755],
  ["etc", 0o755],
  ["mnt", 0o755],
  ["proc", 0o555],
  ["root", 0o700],
  ["run", 0o755],
  ["sys", 0o555],
  ["tmp", 0o1777],
  ["usr", 0o755],
  ["usr/bin", 0o755],
  ["usr/lib", 0o755],
  // Empty mount point for kernel modules from the host.
  ["usr/lib/modules", 0o755],
  ["usr/lib64", 0o755],
  ["usr/sbin", 0o755],
  ["var", 0o755],
];

const SYMLINKS: readonly (readonly [path: string, target: string])[] = [
  ["bin", "usr/bin"],
  ["lib", "usr/lib"],
  ["lib64", "usr/lib64"],
  ["sbin", "usr/sbin"],
  ["var/run", "/run"],
];

/**
 * Entries that make the image a root: its directories, the links of a merged /usr, and the few files that programs
 * expect.
 */
export function baseFiles(version: string): readonly (readonly [path: string, entry: TreeEntry])[] {
  const files: readonly (readonly [path: string, content: string])[] = [
    ["etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"],
    ["etc/hostname", "guest\n"],
    ["etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"],
    ["etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"],
    ["etc/os-release", `NAME=guestd\nID=guestd\nVERSION_ID=${version}\nPRETTY_NAME="guestd ${version}"\n`],
    ["etc/passwd", "root:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"],
    // An empty plain file, over which the agent bind-mounts the sandbox's own.
    ["etc/resolv.conf", ""],
  ];
  return [
    ...DIRECTORIES.map(([path, mode]) => [path, { type: "directory", mode }] as const),
    ...SYMLINKS.map(([path, target]) => [path, { type: "symlink", target }] as const),
    ...files.map(([path, text]) => [path, { type: "file", mode: 0o644, content: Buffer.from(text) }] as const),
  ];
}
