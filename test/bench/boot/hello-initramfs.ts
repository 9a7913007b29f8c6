import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { cpioArchive } from "../../../rootfs-builder/initramfs/cpio.ts";

/** An initramfs with a PID 1 that prints "hello" and powers off, and nothing else; its path. */
export function helloInitramfs(directory: string): string {
  const program = join(directory, "hello");
  const flags = ["-O2", "-static", "-s", "-Wall", "-Wextra", "-Wshadow", "-Werror"];
  execFileSync("gcc", [...flags, join(import.meta.dirname, "hello.c"), "-o", program]);
  const archive = cpioArchive([{ path: "init", type: "file", mode: 0o755, content: readFileSync(program) }]);
  const path = join(directory, "hello.cpio.gz");
  writeFileSync(path, gzipSync(archive));
  return path;
}
