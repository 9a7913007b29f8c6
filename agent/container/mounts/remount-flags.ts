import * as abi from "../../kernel/constants.ts";

/** MS_* flags of mount(2) to set, or to clear if negative. */
const FLAGS = new Map([
  ["ro", abi.MS_RDONLY],
  ["rw", -abi.MS_RDONLY],
  ["nosuid", abi.MS_NOSUID],
  ["suid", -abi.MS_NOSUID],
  ["nodev", abi.MS_NODEV],
  ["dev", -abi.MS_NODEV],
  ["noexec", abi.MS_NOEXEC],
  ["exec", -abi.MS_NOEXEC],
  ["nosymfollow", abi.MS_NOSYMFOLLOW],
  ["symfollow", -abi.MS_NOSYMFOLLOW],
  ["sync", abi.MS_SYNCHRONOUS],
  ["async", -abi.MS_SYNCHRONOUS],
  ["dirsync", abi.MS_DIRSYNC],
  ["mand", abi.MS_MANDLOCK],
  ["nomand", -abi.MS_MANDLOCK],
  ["lazytime", abi.MS_LAZYTIME],
  ["nolazytime", -abi.MS_LAZYTIME],
  ["silent", abi.MS_SILENT],
  ["loud", -abi.MS_SILENT],
  ["iversion", abi.MS_I_VERSION],
  ["noiversion", -abi.MS_I_VERSION],
  ["noatime", abi.MS_NOATIME],
  ["atime", -abi.MS_NOATIME],
  ["nodiratime", abi.MS_NODIRATIME],
  ["diratime", -abi.MS_NODIRATIME],
  ["relatime", abi.MS_RELATIME],
  ["norelatime", -abi.MS_RELATIME],
  ["strictatime", abi.MS_STRICTATIME],
  ["nostrictatime", -abi.MS_STRICTATIME],
  ["bind", abi.MS_BIND],
  ["rbind", abi.MS_BIND],
]);

/** Converts the options of a `remount` for mount(2): its flags, and the comma-separated rest for the file system. */
export function remountFlags(options: readonly string[]): { readonly flags: number; readonly data: string } {
  let flags = 0;
  const data: string[] = [];
  for (const option of options) {
    const flag = FLAGS.get(option);
    if (flag !== undefined) flags = flag > 0 ? flags | flag : flags & ~-flag;
    else if (option !== "remount" && option !== "defaults" && option !== "") data.push(option);
  }
  return { flags, data: data.join(",") };
}
