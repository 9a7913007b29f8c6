import { execFileSync } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";
import { findQemu, findVhostDeviceVsock, findVirtiofsd } from "../../../host/vm/programs.ts";

const UNKNOWN = "this machine has no date of it";

/** Returns rows of the versions in use with the dates that files of this machine tell. `guest` is the guest's /proc/version. */
export async function versions(guest: string): Promise<readonly (readonly string[])[]> {
  const kernel = /Debian (\S+) \((\S+)\)/.exec(guest);
  const vsock = execFileSync(findVhostDeviceVsock(), ["--version"], { encoding: "utf8" }).trim().split(" ").at(-1);
  return [
    ["guest's kernel", kernel === null ? guest.trim() : `${kernel[1]}, ${kernel[2]}`],
    ["QEMU", debianVersion(findQemu())],
    ["virtiofsd", debianVersion((await findVirtiofsd()).path)],
    ["vhost-device-vsock", `${vsock}; ${UNKNOWN}`],
    ["Node", `${process.versions.node}; ${UNKNOWN}`],
    ["host's kernel", `${release()}; ${UNKNOWN}`],
  ].map((row) => ["versions", ...row]);
}

/** Returns the version of a program's Debian package and the date of its changelog's first entry. */
function debianVersion(program: string): string {
  const [name = ""] = execFileSync("dpkg", ["-S", realpathSync(program)], { encoding: "utf8" }).split(":");
  const version = /^Version: (.*)$/m.exec(execFileSync("dpkg", ["-s", name], { encoding: "utf8" }))?.[1];
  const changelog = gunzipSync(readFileSync(`/usr/share/doc/${name}/changelog.Debian.gz`)).toString();
  const date = /^ -- .*> {2}(.*)$/m.exec(changelog)?.[1];
  return `${version}, ${date === undefined ? UNKNOWN : new Date(date).toISOString().slice(0, 10)}`;
}
