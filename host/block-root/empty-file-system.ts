import { execFile } from "node:child_process";
import { stat, truncate } from "node:fs/promises";
import { promisify } from "node:util";
import { findProgram } from "../machine/programs.ts";

/** The folder may be missing from the PATH of ordinary users. */
const PLACES = ["/usr/sbin", "/sbin"];
/** By this label the agent knows a file system of guestd's, and does not make another. */
const LABEL = "guestd";
/** Every version of mkfs.ext4 makes the same for the guest's kernel, whatever this machine's defaults are. */
const FEATURES = [
  ...["none", "has_journal", "extent", "64bit", "flex_bg", "metadata_csum", "dir_index", "filetype", "ext_attr"],
  ...["extra_isize", "huge_file", "large_file", "dir_nlink", "sparse_super"],
];
const LIMIT_MS = 60_000;

/**
 * Makes an empty ext4 in an empty sparse file, which keeps its holes, if this machine can. Otherwise the file stays empty, and
 * the agent makes the file system: without KVM, that takes most of the time in which it creates a container.
 */
export async function makeFileSystem(file: string, program = findProgram("mkfs.ext4", PLACES)): Promise<void> {
  if (program === undefined) return;
  const sizes = ["-b", "4096", "-I", "256", "-i", "16384", "-G", "16", "-m", "0"];
  const words = ["-q", "-F", "-L", LABEL, ...sizes, "-O", FEATURES.join(",")];
  const { size } = await stat(file);
  try {
    await promisify(execFile)(program, [...words, "-E", "assume_storage_prezeroed=1,nodiscard", file], {
      env: { MKE2FS_CONFIG: "/dev/null" },
      timeout: LIMIT_MS,
      killSignal: "SIGKILL",
    });
  } catch {
    await truncate(file, 0);
    await truncate(file, size);
  }
}
