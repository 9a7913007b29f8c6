import { chmodSync, copyFileSync } from "node:fs";
import { MNT_DETACH } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import { invalidArgument } from "../kernel/invalid-argument.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { addonPaths } from "../kernel/sys/load-addon.ts";
import { mountStorage } from "./mount-storage.ts";
import { removePlace } from "./remove-place.ts";
import { type StorageDriver, storageRoot } from "./storage.ts";

const HOSTS = "hosts";
const HOSTNAME = "hostname";
/** Texts that a host can give, by their file's name. */
const TEXTS = [HOSTS, HOSTNAME, "resolv.conf"];
/** Our program for PID 1, which the option asks for. */
const INIT = "init";
const MAX_TEXT_BYTES = 64 * 1024;
/** Room for the texts and the program, and for what a container writes to its own /etc/hosts. */
const OPTIONS = ["nosuid", "nodev", "mode=0755", "size=1m"];

const MAX_TMPFS_BYTES = 1024 * 1024;

/**
 * A tmpfs with files for one container to be bound into it: its /etc/hosts, /etc/hostname and /etc/resolv.conf, whose text is
 * in the driver options, and an init.
 */
export const files: StorageDriver = {
  name: "files",
  options: [...TEXTS, INIT],
  async mount(kernel, storage) {
    const { mountPoint, driverOptions, seen } = storage;
    const wanted = driverOptions.map(parse);
    if (seen !== undefined) throw invalidArgument(`files storage: containers see the way to ${mountPoint}`);
    await mountStorage(kernel, { ...storage, source: "files", fstype: "tmpfs", options: OPTIONS });
    try {
      for (const { name, text } of wanted) {
        const path = `${mountPoint}/${name}`;
        if (text !== undefined) kernel.files.replace(path, text, 0o644);
        else {
          copyFileSync(initProgram(kernel), path);
          chmodSync(path, 0o755);
        }
      }
    } catch (error) {
      await kernel.sys.umount(mountPoint, MNT_DETACH).catch(() => undefined);
      await removePlace(kernel, mountPoint, storageRoot(storage));
      throw error;
    }
  },
  async rename({ files: guest }, { mountPoint, driverOptions }, from, to) {
    const names = driverOptions.map((option) => parse(option).name);
    const change = async (name: string, renamed: (text: string) => string) => {
      const path = `${mountPoint}/${name}`;
      const text = names.includes(name) ? await guest.readAtMost(path, MAX_TMPFS_BYTES) : undefined;
      if (text !== undefined) guest.rewrite(path, renamed(text));
    };
    await change(HOSTNAME, (text) => (text === `${from}\n` ? `${to}\n` : text));
    await change(HOSTS, (text) => `${text}127.0.1.1 ${to}\n`);
  },
};

function parse(option: string): { readonly name: string; readonly text?: string } {
  const [, name = "", text] = /^([^=]*)(?:=(.*))?$/s.exec(option) ?? [];
  if (text === undefined) {
    if (name !== INIT) throw invalidArgument(`files storage: ${name} is not ${name}=TEXT`);
    return { name };
  }
  if (name === INIT) throw invalidArgument("files storage: init has no text");
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    throw invalidArgument(`files storage: ${name} has more than ${MAX_TEXT_BYTES} bytes`);
  }
  return { name, text };
}

function initProgram({ files: { exists } }: Pick<Kernel, "files">): string {
  // The folder of an upgraded agent has only what every agent needs.
  const paths = [...addonPaths("container-init"), "/usr/lib/guestd/container-init"];
  const found = paths.find(exists);
  if (found !== undefined) return found;
  throw new AgentError("failed-precondition", `files storage: no init: there is no file ${paths.join(" or ")}`);
}
