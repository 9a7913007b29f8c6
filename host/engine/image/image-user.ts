import { ImageError } from "../../../image/image-error.ts";
import { readInRoot } from "./read-in-root.ts";

export interface ImageUser {
  readonly uid: number;
  readonly gid: number;
  /** Begins with the primary group, as in containerd. */
  readonly additionalGids: readonly number[];
}

/** Larger than any real passwd file; a longer file counts as missing. */
const MAX_BYTES = 1024 * 1024;
const DIGITS = /^\d+$/;

/**
 * Resolves `user`, `uid`, `user:group`, … to ids with the rootfs's /etc/passwd and /etc/group; a guest may be writing
 * to that rootfs. An empty user is root; a given group is the only one, otherwise the user's additional groups are
 * included. A number is an id, even if the image has a user of that name; it needs no entry and then has group 0. Throws
 * ImageError for an unknown name.
 */
export function imageUser(rootfs: string, text: string): ImageUser {
  const [userText = "", groupText = ""] = text.split(":", 2);
  const passwd = records(rootfs, "/etc/passwd");
  const wanted = userText === "" ? "0" : userText;
  const isNumber = DIGITS.test(wanted);
  const entry = passwd.find(([name, , uid = ""]) => (isNumber ? id(uid) === id(wanted) : name === wanted));
  const uid = id(isNumber ? wanted : entry?.[2]);
  if (uid === undefined)
    throw new ImageError(`user "${text}": ${wanted} is not in the image's /etc/passwd`, { kind: "not-found" });
  const groups = records(rootfs, "/etc/group");
  if (groupText !== "") {
    const group = DIGITS.test(groupText) ? groupText : groups.find(([name]) => name === groupText)?.[2];
    const gid = id(group);
    if (gid === undefined)
      throw new ImageError(`user "${text}": ${groupText} is not in the image's /etc/group`, { kind: "not-found" });
    return { uid, gid, additionalGids: [gid] };
  }
  const gid = id(entry?.[3]) ?? 0;
  const name = entry?.[0];
  const member = groups.filter(([, , , members = ""]) => name !== undefined && members.split(",").includes(name));
  const others = member.flatMap(([, , number]) => id(number) ?? []);
  return { uid, gid, additionalGids: [...new Set([gid, ...others])] };
}

function records(rootfs: string, file: string): string[][] {
  const lines = (readInRoot(rootfs, file, MAX_BYTES) ?? "").split("\n");
  return lines.filter((line) => line.trim() !== "" && !line.startsWith("#")).map((line) => line.trim().split(":"));
}

/** Parses an id. The kernel reserves 2^32-1. */
function id(text: string | undefined): number | undefined {
  const value = text !== undefined && DIGITS.test(text) ? Number(text) : undefined;
  return value !== undefined && value < 2 ** 32 - 1 ? value : undefined;
}
