import { run } from "../run.ts";

/**
 * Makes an EROFS image of a folder, as whoever runs this: all files are root's, times are 0 and the id is fixed, so that
 * equal folders give equal bytes. Nothing is compressed and no file's tail is packed beside its inode
 * (`noinline_data`): DAX maps whole blocks only, and the page cache would fill behind its back.
 */
export async function makeErofs(directory: string, image: string): Promise<void> {
  const id = "67756573-7464-4000-8000-000000000000";
  const options = ["--quiet", "-E", "noinline_data", "-x", "-1", "-T", "0", "-U", id, "--all-root"];
  await run("mkfs.erofs", [...options, image, directory]);
}
