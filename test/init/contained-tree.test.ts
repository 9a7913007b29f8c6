import { constants, mkdirSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EnteredMounts } from "../../agent/container/contained-tree.ts";
import { ROOT } from "../../agent/kernel/files/served-files.ts";
import { describeFileServers } from "./testing/file-servers.ts";

const { O_DIRECTORY, O_RDONLY } = constants;
const FLAGS = O_RDONLY | O_DIRECTORY;

describeFileServers("trees of containers", (on) => {
  const entry = (path: string, name: string, flags = FLAGS) =>
    on.servers.use({ container: "", path }, (files) =>
      files.using(
        new EnteredMounts(files, "self").openEntry(ROOT, Buffer.from(name), flags),
        async (_, { ino }) => ino,
      ),
    );

  test("an entry is opened below a directory", async () => {
    mkdirSync(join(on.directory, "below"));
    expect(await entry(on.directory, "below")).toBe(BigInt(statSync(join(on.directory, "below")).ino));
  });

  test("nothing outside of the directory is reached, and other errors are reported as they are", async () => {
    symlinkSync("/", join(on.directory, "out"));
    await expect(entry(on.directory, "..")).rejects.toThrow("EXDEV");
    await expect(entry(on.directory, "out", O_RDONLY)).rejects.toThrow("EINVAL");
    await expect(entry(on.directory, "none")).rejects.toThrow("open none: ENOENT");
  });

  test("file systems that generate their content are not entered", async () => {
    await expect(entry("/", "proc")).rejects.toThrow("EXDEV (copies don't enter file systems of type proc)");
  });

  test("a path is opened with links inside the root, unless it leads to such a file system", async () => {
    const open = (path: string) =>
      on.servers.use({ container: "", path: "/" }, (files) =>
        files.using(new EnteredMounts(files, "self").openPath(path, FLAGS), async (handle) => files.path(handle)),
      );
    expect(await open(`${on.directory}/../${on.directory.split("/").at(-1)}`)).toBe(on.directory);
    await expect(open("/proc/tty")).rejects.toThrow("EXDEV (copies don't enter file systems of type proc)");
  });
});
