import { expect, it } from "vitest";
import { ociSpec } from "./oci.ts";
import type { Pod } from "./pod.ts";

/** Shell command that counts processes with a program, cgroups and mounts, and lists the files of the agent's state. */
const TRACES =
  "ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c -e '->'; find /sys/fs/cgroup -type d | wc -l; wc -l < /proc/mounts; " +
  "find /run/guestd /run/sandbox-ns | sort";

/** Shell command that counts the processes with init's program: init, and file servers, which end after a second without calls. */
const INITS = `init=$(ls -l /proc/1/exe); ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c -e "-> \${init##*-> }$"`;

const USED_KIB = "df -k /run/guestd | tail -n 1 | tr -s ' ' | cut -d ' ' -f 3";

/** Scenarios of a host whose guest has no room left for the agent's state. */
export function fullDiskScenarios(pod: () => Pod): void {
  const shell = (line: string) => pod().machine.shell(line);

  /** Returns the traces once no file server runs. */
  const settledTraces = async () => {
    await expect.poll(() => shell(INITS)).toBe("1\n");
    return shell(TRACES);
  };

  /** Leaves no free byte, or no free inode, in /run/guestd while `work` runs. */
  const withFullState = async (lack: "bytes" | "inodes", work: () => Promise<void>) => {
    const fill = {
      bytes: `mount -o remount,size=$(($(${USED_KIB}) + 64))k tmpfs /run/guestd && cat /dev/zero 2>/dev/null > /run/guestd/filler; true`,
      inodes: "mount -o remount,nr_inodes=$(find /run/guestd -xdev | wc -l) tmpfs /run/guestd",
    };
    await shell(fill[lack]);
    try {
      expect(await shell("cd /run/guestd; echo x 2>/dev/null > probe && wc -c < probe; rm -f probe")).toBe("");
      await work();
    } finally {
      await shell("rm -f /run/guestd/filler; mount -o remount,size=25%,nr_inodes=1m tmpfs /run/guestd");
    }
  };

  it.each(["bytes", "inodes"] as const)(
    "CreateContainer without %s left names the file that it can't write, and leaves nothing behind",
    async (lack) => {
      const rootfs = pod().machine.rootfs(`full-${lack}-${Date.now().toString(36)}`);
      const running = await pod().create(["sleep", "1000"], {}, rootfs);
      await pod().client.agent.startContainer({ container_id: running });
      const before = await settledTraces();
      await withFullState(lack, async () => {
        for (let i = 0; i < 3; i++) {
          await expect(
            pod().client.agent.createContainer({ container_id: "unlucky", OCI: ociSpec(rootfs, ["true"]) }),
          ).rejects.toThrow(/^write \/run\/guestd\/containers\/unlucky\.json: ENOSPC \(no space left on device\)$/);
        }
        // Running containers are still served: an exec needs no file.
        expect((await pod().execute(running, ["echo", "served"])).stdout.toString()).toBe("served\n");
      });
      await expect.poll(() => shell(TRACES)).toBe(before);
      expect((await pod().run(["echo", "again"])).stdout.toString()).toBe("again\n");
      await pod().remove(running);
    },
  );

  it("calls for which the journal has no room are served all the same", async () => {
    const id = await pod().start(["sleep", "1000"]);
    await withFullState("bytes", async () => {
      const waits = Array.from({ length: 1500 }, () =>
        pod().client.agent.waitProcess({ container_id: id, exec_id: id }),
      );
      expect((await pod().execute(id, ["echo", "served"])).stdout.toString()).toBe("served\n");
      await pod().client.agent.signalProcess({ container_id: id, exec_id: id, signal: 9 });
      for (const { status } of await Promise.all(waits)) expect(status).toBe(137);
    });
    await pod().remove(id);
  });

  it("RemoveContainer works while the disk is full", async () => {
    const before = await settledTraces();
    const id = await pod().start(["sleep", "1000"]);
    await withFullState("bytes", () => pod().remove(id));
    await expect.poll(() => shell(TRACES)).toBe(before);
  });

  it("CreateContainer names the mount target for which a root file system has no room, and leaves nothing behind", async () => {
    const before = await settledTraces();
    const root = "/run/small";
    await shell(`mkdir ${root}; mount -t tmpfs -o size=64k,nr_inodes=1 tmpfs ${root}`);
    try {
      const create = pod().client.agent.createContainer({ container_id: "unlucky", OCI: ociSpec(root, ["true"]) });
      await expect(create).rejects.toThrow(/\/proc: ENOSPC \(no space left on device\), from mounts\[0\]/);
    } finally {
      await shell(`umount ${root}; rmdir ${root}`);
    }
    await expect.poll(() => shell(TRACES)).toBe(before);
  });
}
