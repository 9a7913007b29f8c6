import { execFileSync } from "node:child_process";

/** Lets every user read a tree and enter its folders, whatever the umask that it was created with. */
export function makeReadable(path: string): void {
  execFileSync("chmod", ["-R", "a+rX", path]);
}
