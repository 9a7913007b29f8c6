import type { Fd } from "../kernel.ts";
import type { NativeAddon } from "./native-addon.ts";
import { checked, EINVAL, ENODEV } from "./sys-result.ts";

/** Steps of a detached mount, in the order of `enum step` in mounts.c. */
const DETACHED_STEPS = ["fsopen", "fsconfig", "fsconfig create", "fsmount"] as const;

export function mountCalls(addon: NativeAddon) {
  return {
    async mount(source: string, target: string, type: string, flags: number, data: string) {
      const what = [type, source].filter((word) => word !== "").join(" ");
      checked(await addon.mount(source, target, type, flags, data), "mount", `${what} on ${target}`);
    },
    async umount(target: string, flags: number) {
      checked(await addon.umount(target, flags), "umount", target);
    },
    detachedMount(type: string, options: readonly (readonly [string, string?])[], attributes: number): Fd {
      const flat = options.flatMap(([key, value]) => [key, value ?? null]);
      const [result, step, log] = addon.detachedMount(type, flat, attributes);
      return checked(result, DETACHED_STEPS[step] ?? "fsopen", type, log);
    },
    async openTree(path: string, recursive: boolean): Promise<Fd> {
      return checked(await addon.openTree(path, recursive ? 1 : 0), "bind", path);
    },
    idmapMount(mount: Fd, userns: Fd, recursive: boolean, path: string) {
      const result = addon.idmapMount(mount, userns, recursive ? 1 : 0);
      const detail =
        result === -EINVAL ? "this kernel has no idmapped mounts for its file system, or it is already idmapped" : "";
      checked(result, "idmap mount of", path, detail);
    },
  };
}

export function terminalCalls(addon: NativeAddon) {
  return {
    openTerminal(dir: Fd) {
      const master = addon.openTerminal(dir);
      return checked(master, "open terminal in", dir, master === -ENODEV ? "not a devpts directory" : "");
    },
    terminalPeer: (master: Fd) => checked(addon.terminalPeer(master), "ioctl TIOCGPTPEER", master),
    terminalNumber: (master: Fd) => checked(addon.terminalNumber(master), "ioctl TIOCGPTN", master),
    setWindowSize(fd: Fd, rows: number, columns: number) {
      checked(addon.setWindowSize(fd, rows, columns), "ioctl TIOCSWINSZ", fd);
    },
  };
}
