import { AgentError } from "../kernel/error.ts";
import { makeFileSystem } from "./make-file-system.ts";
import { mountDisk } from "./mount-disk.ts";
import type { DiskKind, StorageDriver } from "./storage.ts";

const CREATE = "create_filesystem";

/** The driver of a disk that hosts name in this way. On an empty one it makes a file system when it is asked to. */
export function diskDriver(kind: DiskKind): StorageDriver {
  return {
    name: kind,
    disk: kind,
    options: [CREATE],
    async mount(kernel, storage) {
      const { source, fstype, options, driverOptions } = storage;
      const refuse = (why: string) => new AgentError("unimplemented", `${kind} storage: ${why}`);
      const layered = options.find((option) => option.startsWith("X-kata."));
      if (layered !== undefined)
        throw refuse(`option "${layered.slice(0, 100)}" is for layers (X-kata.multi-layer=true)`);
      const [create, ...more] = driverOptions;
      if (create !== undefined) {
        if (create !== CREATE || more.length > 0) throw refuse(`driver option ${CREATE} stands alone`);
        if (fstype !== "ext4") throw refuse(`a file system ${JSON.stringify(fstype)} can't be made, only ext4`);
        await makeFileSystem(source);
      }
      await mountDisk(kernel, storage);
    },
  };
}
