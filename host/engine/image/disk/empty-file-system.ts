import { execFile } from "node:child_process";
import { stat, truncate } from "node:fs/promises";
import { promisify } from "node:util";
import { findProgram } from "../../../vm/programs.ts";

/** The PATH of ordinary users may lack these. */
const PLACES = ["/usr/sbin", "/sbin"];
/** The agent keeps a file system with this label, and makes none itself. */
const LABEL = "guestd";
/** All that the file system may have, so that this machine's defaults, which may be too new for the guest, don't count. */
const FEATURES = [
  ...["none", "has_journal", "extent", "64bit", "flex_bg", "metadata_csum", "dir_index", "filetype", "ext_attr"],
  ...["extra_isize", "huge_file", "large_file", "dir_nlink", "sparse_super"],
];
const LIMIT_MS = 60_000;

/**
 * Makes an empty ext4 in an empty sparse file, and fills no holes. If this machine can't, the file stays empty and the agent
 * makes the file system, which without KVM takes longer than all else in creating a container.
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
