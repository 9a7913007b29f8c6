import { chmodSync } from "node:fs";
import { O_PATH } from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";
import { PLAIN, ROOT } from "../kernel/files/served-files.ts";
import { firstLines } from "../kernel/first-lines.ts";
import { plainPath } from "../kernel/plain-path.ts";
import { makePlace } from "./make-place.ts";
import { type StorageDriver, storageRoot } from "./storage.ts";
import { storageNotices } from "./storage-notices.ts";

const DEFAULT_MODE = 0o755;
const MODE = /^mode=(0?[0-7]{1,4})$/;

/**
 * Creates a directory in the guest, for an emptyDir. An existing one keeps its content. No mount is made, so other
 * options are ignored.
 */
export const local: StorageDriver = {
  name: "local",
  async mount(kernel, storage) {
    const { mountPoint, options } = storage;
    const modes = options.filter((option) => option.startsWith("mode="));
    const mode = modes.map(modeOf).at(-1) ?? DEFAULT_MODE;
    const isNew = await makePlace(kernel, storage, mountPoint);
    // Containers may hold an existing one, or any in a directory that they see.
    if (isNew && storage.seen === undefined) chmodSync(mountPoint, mode);
    else {
      await kernel.contained.use(storageRoot(storage), (files) =>
        files.using(files.open(ROOT, plainPath(mountPoint), O_PATH, PLAIN), (directory) =>
          files.chmod(directory, mode),
        ),
      );
    }
    const others = options.filter((option) => !option.startsWith("mode="));
    const lines = others.map((option) => `option ${JSON.stringify(option.slice(0, 80))} is ignored`);
    for (const line of firstLines(lines)) storageNotices.publish(`local storage on ${mountPoint}: ${line}`);
  },
};

function modeOf(option: string): number {
  const [, digits] = MODE.exec(option) ?? [];
  if (digits === undefined) {
    throw new AgentError("invalid-argument", `local storage: option "${option.slice(0, 80)}" is not mode=OCTAL`);
  }
  return Number.parseInt(digits, 8);
}
