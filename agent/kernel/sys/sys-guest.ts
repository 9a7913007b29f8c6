import type { Fd } from "../kernel.ts";
import type { NativeAddon } from "./native-addon.ts";
import { checked } from "./sys-result.ts";

/** Creates the calls that affect the whole guest: clock, random numbers, swap, sizes of file systems. */
export function guestCalls(addon: NativeAddon) {
  return {
    setTime(seconds: number, micros: number) {
      checked(addon.setTime(seconds, micros), "settimeofday", `${seconds} s`);
    },
    creditEntropy(fd: Fd, bits: number) {
      checked(addon.creditEntropy(fd, bits), "ioctl RNDADDTOENTCNT", fd);
    },
    reseedRandom(fd: Fd) {
      checked(addon.reseedRandom(fd), "ioctl RNDRESEEDCRNG", fd);
    },
    async swapOn(path: string) {
      checked(await addon.swapOn(path), "swapon", path);
    },
    async sync() {
      checked(await addon.sync(), "sync", "");
    },
    async growFileSystem(fd: Fd, type: "ext4" | "xfs", blocks: number) {
      const result = await (type === "ext4" ? addon.growExt4(fd, blocks) : addon.growXfs(fd, blocks));
      checked(result, `grow ${type} to`, `${blocks} blocks`);
    },
  };
}
