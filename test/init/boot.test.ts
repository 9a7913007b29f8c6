import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { boot, file, whyNoMachine } from "./testing/boot.ts";

const why = whyNoMachine();
describe.skipIf(why !== undefined)(
  why === undefined ? "init as the first process of a kernel" : `init in QEMU: skipped, ${why}`,
  () => {
    test("makes an initramfs a root that pivot_root can leave, mounts the base file systems, delegates the cgroup controllers and protects itself", async () => {
      const agent = `#!/bin/busybox sh
export PATH=/bin; /bin/busybox --install /bin
echo "scores $(cat /proc/1/oom_score_adj) $(cat /proc/self/oom_score_adj)"
echo "files $(grep 'open files' /proc/1/limits)"
echo "delegated $(cat /sys/fs/cgroup/cgroup.subtree_control)"
echo "cgroup $(cat /proc/1/cgroup) min $(cat /sys/fs/cgroup/guestd/memory.min)"
echo "console $(readlink /proc/1/fd/2)"
cat /proc/self/mounts
unshare -m sh -c 'mount -t tmpfs x /tmp; mkdir /tmp/old; cd /tmp; pivot_root . old && echo pivoted'
echo o > /proc/sysrq-trigger; sleep 60 # the agent has no CAP_SYS_BOOT
`;
      const console = await boot(
        [file("bin/busybox", readFileSync("/bin/busybox")), file("usr/lib/guestd/agent", agent)],
        "",
      );
      expect(console).toContain("scores -1000 -997\n");
      expect(console).toMatch(/files Max open files +33024 +33024/);
      expect(console).toMatch(/delegated .*\bcpu io memory\b.*\bpids\b/);
      expect(console).toContain("cgroup 0::/guestd min 33554432\n");
      expect(console).toContain("console /dev/console\n");
      for (const target of [
        "/dev devtmpfs",
        "/dev/pts devpts",
        "/dev/shm tmpfs",
        "/run tmpfs",
        "/tmp tmpfs",
        "/sys/fs/cgroup cgroup2",
      ]) {
        expect(console).toContain(` ${target} rw,nosuid`);
      }
      expect(console).toContain("pivoted\n");
      expect(console).not.toContain("guestd-init: ");
    });

    test("keeps an initramfs with modules and an agent as the root if the command line names no other", async () => {
      const agent = `#!/bin/busybox sh
export PATH=/bin; /bin/busybox --install /bin
echo "list $(ls /guestd-modules 2>/dev/null)"
unshare -m sh -c 'mount -t tmpfs x /tmp; mkdir /tmp/old; cd /tmp; pivot_root . old && echo pivoted'
echo o > /proc/sysrq-trigger; sleep 60 # the agent has no CAP_SYS_BOOT
`;
      const busybox = file("bin/busybox", readFileSync("/bin/busybox"));
      const modules = [file("guestd-modules", "/lib/broken.ko\n"), file("lib/broken.ko", "no module")];
      const console = await boot([busybox, file("usr/lib/guestd/agent", agent), ...modules], "");
      expect(console).toContain("cannot load module /lib/broken.ko");
      expect(console).toContain("list \npivoted\n");
    });

    test("powers off with one line if the root doesn't appear, and names and skips the modules that fail to load", async () => {
      const modules = "/lib/missing.ko\n/lib/broken.ko\n";
      const console = await boot(
        [file("guestd-modules", modules), file("lib/broken.ko", "no module")],
        "root=/dev/nowhere",
      );
      expect(console.split("\n").filter((line) => line.includes("guestd-init: "))).toEqual([
        "guestd-init: cannot load module /lib/missing.ko: /guestd-modules lists it, but it is missing",
        "guestd-init: cannot load module /lib/broken.ko: Exec format error",
        "guestd-init: no root: wait 3 s for /dev/nowhere: No such file or directory; check root=, rootfstype= and rootflags= of the kernel command line",
      ]);
    });
  },
);
