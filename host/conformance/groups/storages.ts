import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { CaseGroup } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, matches, refused } from "../check.ts";
import { withMounts } from "../oci-spec.ts";
import { makeDirectory, SHARED } from "../session-containers.ts";

const WATCHABLE = `${SHARED}/watchable`;

/** Starts a sleeping container that binds each storage to a path. */
function withStorages(
  context: CaseContext,
  storages: readonly Init<grpc.Storage>[],
  at: Readonly<Record<string, string>>,
  parts: Init<grpc.Spec> = {},
): Promise<string> {
  const binds = Object.entries(at).map(([destination, source]) => ({
    ...{ destination, source, type: "bind", options: ["rbind"] },
  }));
  return context.start(["sleep", "1000"], { ...withMounts(...binds), ...parts }, { storages });
}

/** Returns a path for a storage of the sandbox. */
function place(context: CaseContext, kind: string): string {
  return `/run/kata-containers/sandbox/${kind}/${context.fresh()}`;
}

function ephemeral(mount_point: string, ...options: string[]): Init<grpc.Storage> {
  return { driver: "ephemeral", source: "tmpfs", fstype: "tmpfs", options, mount_point };
}

export const storages: CaseGroup = {
  name: "storages",
  title: "Storages",
  parallel: true,
  needs: ["rootfs"],
  cases: [
    {
      name: "CreateContainer: an ephemeral storage is a tmpfs of the requested size",
      level: "should",
      source: "Kubernetes, emptyDir in memory with a size limit; kubelet evicts pods beyond it too",
      run: async (context) => {
        const at = place(context, "ephemeral");
        const id = await withStorages(context, [ephemeral(at, "size=1048576")], { "/data": at });
        matches(
          (await context.execute(id, "grep ' /data ' /proc/mounts")).stdout,
          /^tmpfs \/data tmpfs \S*size=1024k/,
          "the mount",
        );
      },
    },
    {
      name: "CreateContainer: two containers share an ephemeral storage, which lasts until both are removed",
      level: "must",
      source: "Kubernetes, emptyDir; storages are counted",
      run: async (context) => {
        const at = place(context, "ephemeral");
        const one = await withStorages(context, [ephemeral(at, "size=1m")], { "/data": at });
        const two = await withStorages(context, [ephemeral(at, "size=1m")], { "/data": at });
        await context.execute(one, "echo from one > /data/file");
        await context.remove(one);
        equal((await context.execute(two, "cat /data/file")).stdout, "from one\n", "the file");
      },
    },
    {
      name: "CreateContainer: a local storage has its mode, and containers share it",
      level: "must",
      source: "Kubernetes, emptyDir on disk",
      run: async (context) => {
        const mount_point = place(context, "local");
        const storage = { driver: "local", source: "local", fstype: "local", options: ["mode=0777"], mount_point };
        const one = await withStorages(context, [storage], { "/data": mount_point });
        const two = await withStorages(context, [storage], { "/data": mount_point });
        await context.execute(one, "echo from one > /data/file");
        equal(
          (await context.execute(two, "cat /data/file; stat -c %a /data")).stdout,
          "from one\n777\n",
          "file and mode",
        );
      },
    },
    {
      name: "CreateContainer: a local storage's fsgid is its group, with setgid",
      level: "should",
      source: "Kubernetes, securityContext.fsGroup",
      run: async (context) => {
        const mount_point = place(context, "local");
        const options = ["mode=0770", "fsgid=2000"];
        const storage = { driver: "local", source: "local", fstype: "local", options, mount_point };
        const id = await withStorages(context, [storage], { "/data": mount_point });
        equal((await context.execute(id, "stat -c '%a %g' /data")).stdout, "2770 2000\n", "mode and group");
      },
    },
    {
      name: "CreateContainer: a bind storage shows a directory of the guest",
      level: "may",
      source: "guestd; the reference has no driver bind",
      run: async (context) => {
        const mount_point = place(context, "bound");
        const storage = {
          driver: "bind",
          source: `${context.rootfs}/etc`,
          fstype: "bind",
          options: ["rbind", "ro"],
          mount_point,
        };
        const id = await withStorages(context, [storage], { "/data": mount_point });
        matches((await context.execute(id, "head -n 1 /data/passwd")).stdout, /^root:/, "the file");
      },
    },
    {
      name: "CreateContainer: an overlayfs storage is a root with a writable layer",
      level: "should",
      source: "guest-pulled and block images; overlay-rw",
      run: async (context) => {
        const storage = {
          ...{ driver: "overlayfs", source: "none", fstype: "overlay", mount_point: place(context, "overlay") },
          options: [`lowerdir=${context.rootfs}`, "io.katacontainers.fs-opt.overlay-rw"],
        };
        const name = context.fresh();
        const id = await withStorages(context, [storage], {}, { Root: { Path: storage.mount_point } });
        const { stdout } = await context.execute(
          id,
          `echo new > /tmp/${name}; cat /tmp/${name}; grep -c '^overlay / overlay' /proc/mounts`,
        );
        equal(stdout, "new\n1\n", "the file and the mount");
        equal(await context.print(`ls /tmp/${name} 2>/dev/null; echo end`), "end\n", "the lower layer");
      },
    },
    {
      name: "CreateContainer: fs_group gives a volume to the group",
      level: "should",
      source: "agent.proto, Storage.fs_group; Kubernetes, fsGroup",
      run: async (context) => {
        const at = place(context, "ephemeral");
        const storage = { ...ephemeral(at, "size=1m"), fs_group: { group_id: 3000, group_change_policy: 0 } };
        const id = await withStorages(context, [storage], { "/data": at });
        equal((await context.execute(id, "stat -c %g /data")).stdout, "3000\n", "the group");
      },
    },
    {
      name: "CreateContainer: an unknown storage driver is refused, with its name in the text",
      level: "must",
      source: "agent.proto, Storage.driver",
      run: (context) => {
        const storage = { driver: "conf-driver", source: "x", fstype: "x", mount_point: place(context, "none") };
        return refused(withStorages(context, [storage], {}), { text: /conf-driver/ });
      },
    },
    {
      name: "UpdateEphemeralMounts: resizes an ephemeral storage in use",
      level: "should",
      source: "Go shim, after each memory update; it tolerates UNIMPLEMENTED",
      run: async (context) => {
        const at = place(context, "ephemeral");
        const id = await withStorages(context, [ephemeral(at, "size=1048576")], { "/data": at });
        await context.agent.updateEphemeralMounts({ storages: [ephemeral(at, "remount", "size=8388608")] });
        matches((await context.execute(id, "df -k /data")).stdout, /^tmpfs +8192 /m, "the size");
      },
    },
    {
      name: "UpdateEphemeralMounts: refuses storages of other drivers",
      level: "should",
      source: "behaviour of the reference",
      run: (context) => {
        const storage = { ...ephemeral(place(context, "ephemeral"), "size=1"), driver: "local" };
        return refused(context.agent.updateEphemeralMounts({ storages: [storage] }));
      },
    },
    {
      name: "CreateContainer: a failed creation releases its storages",
      level: "should",
      source: "behaviour of the reference",
      run: async (context) => {
        const at = place(context, "ephemeral");
        await refused(context.create(["/bin/no-such-program"], {}, { storages: [ephemeral(at, "size=1m")] }));
        equal(
          await context.lookAt("/run/kata-containers", `grep -c ${at.split("/").at(-1)} /proc/mounts || true`),
          "0\n",
          "mounts",
        );
      },
    },
    {
      name: "CreateContainer: a watchable bind shows the files of a small directory",
      level: "should",
      source: "Kubernetes, config maps; inotify does not work on virtio-fs",
      run: async (context) => {
        const source = await context.sharedDirectory();
        const data = Buffer.from("red");
        await context.agent.copyFile({
          path: `${source}/colour`,
          file_mode: 0o100644,
          dir_mode: 0o755,
          file_size: 3,
          data,
        });
        // Hosts have this directory on their share.
        await makeDirectory(context.agent, WATCHABLE);
        const mount_point = `${WATCHABLE}/${context.fresh()}`;
        const storage = { driver: "watchable-bind", source, fstype: "bind", options: ["ro"], mount_point };
        const id = await withStorages(context, [storage], { "/settings": mount_point });
        await context.eventually(
          async () => (await context.execute(id, "cat /settings/colour")).stdout,
          (text) => text === "red",
        );
      },
    },
  ],
};
