import { chmodSync, chownSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { O_PATH } from "../../agent/kernel/constants.ts";
import type { FileServers } from "../../agent/kernel/files/file-servers.ts";
import { readContained } from "../../agent/kernel/files/read-contained.ts";
import { childrenOf } from "./testing/children-of.ts";
import { describeFileServers } from "./testing/file-servers.ts";

/** The capability's bit. */
const DAC_READ_SEARCH = 4;

describeFileServers("look-ups of containers' files", (on) => {
  const lookUp = async (servers: FileServers, container: string, path = "file") => {
    const reading = servers.lookUp({ ...on.root, container }, (files, dir) =>
      readContained(files, path, { limit: 100 }, { dir }),
    );
    return String(await reading);
  };
  const write = (name: string, text = "text") => writeFileSync(join(on.directory, name), text);

  test("are made by one server for all roots of a container, which ends with it", async () => {
    write("file");
    on.servers.prepare("c1");
    expect(await lookUp(on.servers, "c1")).toBe("text");
    const first = await pids();
    expect(first).toHaveLength(1);
    const below = { container: "c1", path: "/", below: on.directory };
    const reading = on.servers.lookUp(below, (files, dir) => readContained(files, "/file", { limit: 4 }, { dir }));
    expect(String(await reading)).toBe("text");
    expect(await pids()).toEqual(first);
    await on.servers.end("c1");
    expect(await pids()).toEqual([]);
  });

  test("have the capability to read any file, and no other", async () => {
    write("file");
    chmodSync(join(on.directory, "file"), 0);
    chownSync(join(on.directory, "file"), 65534, 65534);
    expect(await lookUp(on.servers, "c1")).toBe("text");
    const giving = on.servers.lookUp(on.root, (files, dir) =>
      files.using(files.open(dir, "file", O_PATH), (file) => files.chown(file, 0, 0)),
    );
    await expect(giving).rejects.toThrow("chown: EPERM");
    const [pid] = await pids();
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const sets = [...status.matchAll(/^Cap(?:Inh|Prm|Eff|Amb):\s*(.*)$/gm)].map(([, set]) => Number(`0x${set}`));
    expect(sets).toEqual([0, DAC_READ_SEARCH, DAC_READ_SEARCH, 0]);
  });

  test("fail as the directory does that can't be opened", async () => {
    const nowhere = { container: "c1", path: "/", below: join(on.directory, "none") };
    const reading = on.servers.lookUp(nowhere, (files, dir) => readContained(files, "file", { limit: 1 }, { dir }));
    await expect(reading).rejects.toThrow(`open ${on.directory}/none: ENOENT`);
  });

  test("of a container whose file system holds them fail, and no other's wait", async () => {
    write("file");
    const hasty = on.serversWith({ shortMs: 400 });
    await lookUp(hasty, "c1");
    const [held = 0] = await pids();
    process.kill(held, "SIGSTOP");
    const failing = lookUp(hasty, "c1");
    expect(await lookUp(hasty, "c2")).toBe("text");
    await expect(failing).rejects.toThrow("files of container c1: the file system did not answer in 0.4 s");
    await expect.poll(pids).not.toContain(held);
    expect(await lookUp(hasty, "c1")).toBe("text");
    await Promise.all(["c1", "c2"].map((container) => hasty.end(container)));
  });

  test("leave a server that ends after a while", async () => {
    write("file");
    const brief = on.serversWith({ idleMs: 10 });
    brief.prepare("c1");
    await lookUp(brief, "c1");
    await expect.poll(pids).toEqual([]);
  });

  test("end with their container", async () => {
    write("file");
    const begun = Promise.withResolvers<void>();
    const waiting = on.servers.lookUp(on.root, async (files) => {
      begun.resolve();
      await expect
        .poll(() =>
          files.stat(0).then(
            () => true,
            () => false,
          ),
        )
        .toBe(false);
      return await files.stat(0);
    });
    const failing = expect(waiting).rejects.toThrow("files of container c1: its helper was ended");
    await begun.promise;
    await on.servers.end("c1");
    await failing;
    expect(await pids()).toEqual([]);
  });

  /** Host pids of the file servers. */
  async function pids(): Promise<number[]> {
    const children = childrenOf(await on.init.running.pid());
    return children.filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("init"));
  }
});
