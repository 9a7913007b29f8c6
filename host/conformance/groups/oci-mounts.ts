import type { CaseGroup } from "../case.ts";
import { equal, holds, matches, refused } from "../check.ts";
import { withLinux, withMounts } from "../oci-spec.ts";

const MOUNTS = "OCI runtime spec, mounts";
const LINUX = "OCI runtime spec, linux";

/** Returns a tmpfs mount. */
function tmpfs(destination: string, ...options: string[]) {
  return { destination, source: "tmpfs", type: "tmpfs", options };
}

export const ociMounts: CaseGroup = {
  name: "oci-mounts",
  title: "OCI fields of mounts and the root file system",
  parallel: true,
  needs: ["rootfs"],
  cases: [
    {
      name: "CreateContainer: a tmpfs has its options",
      level: "must",
      source: MOUNTS,
      run: async (context) => {
        const text = await context.print(
          "grep ' /m ' /proc/mounts",
          withMounts(tmpfs("/m", "ro", "nosuid", "nodev", "noexec", "size=64k")),
        );
        matches(text, /^tmpfs \/m tmpfs ro,nosuid,nodev,noexec,relatime,size=64k/, "the mount");
      },
    },
    {
      name: "CreateContainer: later options win over earlier ones",
      level: "should",
      source: "mount(8)",
      run: async (context) => {
        const text = await context.print(
          "grep ' /m ' /proc/mounts",
          withMounts(tmpfs("/m", "ro", "rw", "nosuid", "suid")),
        );
        matches(text, /^tmpfs \/m tmpfs rw,relatime/, "the mount");
      },
    },
    {
      name: "CreateContainer: a bind mount shows the guest's directory, read-only if the options say so",
      level: "must",
      source: MOUNTS,
      run: async (context) => {
        const bind = { destination: "/m", source: context.rootfs, type: "bind", options: ["rbind", "ro"] };
        const text = await context.print(
          "ls -d /m/bin/busybox; touch /m/x 2>/dev/null || echo denied",
          withMounts(bind),
        );
        equal(text, "/m/bin/busybox\ndenied\n", "the output");
      },
    },
    {
      name: "CreateContainer: a bind mount of a single file works",
      level: "must",
      source: "Kubernetes, /etc/hosts and /etc/resolv.conf",
      run: async (context) => {
        const source = `${context.rootfs}/etc/passwd`;
        const bind = { destination: "/etc/conformance", source, type: "bind", options: ["bind", "ro"] };
        matches(await context.print("head -n 1 /etc/conformance", withMounts(bind)), /^root:/, "the file");
      },
    },
    {
      name: "CreateContainer: mounts are made in their order",
      level: "must",
      source: "OCI runtime spec: the runtime MUST mount entries in the listed order",
      run: async (context) => {
        const mounts = [tmpfs("/d", "size=64k"), tmpfs("/d/e", "size=128k"), tmpfs("/d", "size=256k")];
        const text = await context.print("grep ' /d ' /proc/mounts | tail -n 1; ls /d | wc -l", withMounts(...mounts));
        matches(text, /size=256k[\s\S]*\n0\n$/, "the last mount, which is empty");
      },
    },
    {
      name: "CreateContainer: missing mount points are created",
      level: "must",
      source: "behaviour of runc and of the reference",
      run: async (context) => {
        const mounts = [tmpfs("/made/for/this", "size=64k")];
        matches(
          await context.print("grep -c /made/for/this /proc/mounts", withMounts(...mounts)),
          /^1\n$/,
          "the mounts",
        );
      },
    },
    {
      name: "CreateContainer: a mount point that is a link stays inside the root file system",
      level: "must",
      source: "CVE-2021-30465 and others",
      run: async (context) => {
        await context.print("rm -f /tmp/conf-link; ln -s /etc /tmp/conf-link");
        const bind = {
          destination: "/tmp/conf-link/conf-dir",
          source: "/proc/sys",
          type: "bind",
          options: ["rbind", "ro"],
        };
        // Refusing it is as good as mounting it inside.
        const inside = await context.print("ls -d /etc/conf-dir", withMounts(bind)).catch(() => "refused");
        holds(/^(\/etc\/conf-dir\n|refused)$/.test(inside), "the mount is inside or refused", inside);
      },
    },
    {
      name: "CreateContainer: the default devices exist and work",
      level: "must",
      source: "OCI runtime spec, default devices",
      run: async (context) => {
        const line =
          "for n in null zero full random urandom tty ptmx; do test -c /dev/$n || echo no $n; done; echo x > /dev/null; head -c 2 /dev/zero | od -An -tx1; ls /dev/pts";
        equal(await context.print(line), " 00 00\nptmx\n", "the output");
      },
    },
    {
      name: "CreateContainer: the links /dev/fd, /dev/stdin, /dev/stdout and /dev/stderr exist",
      level: "must",
      source: "OCI runtime spec, dev symbolic links",
      run: async (context) => {
        const text = await context.print("for n in fd stdin stdout stderr; do readlink /dev/$n; done");
        equal(text, "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n", "the targets");
      },
    },
    {
      name: "CreateContainer: /proc shows the container's own processes only",
      level: "must",
      source: LINUX,
      run: async (context) => {
        const text = await context.print("ls -d /proc/[0-9]* | wc -l");
        holds(Number(text) <= 4, "a script and its pipe are at most four processes", text);
      },
    },
    {
      name: "CreateContainer: masked paths are empty or unreadable",
      level: "must",
      source: `${LINUX}.maskedPaths`,
      run: async (context) => {
        const parts = withLinux({ MaskedPaths: ["/proc/version", "/sys/kernel", "/not/there"] });
        equal(await context.print("wc -c < /proc/version; ls /sys/kernel", parts), "0\n", "file and directory");
      },
    },
    {
      name: "CreateContainer: read-only paths can't be written",
      level: "must",
      source: `${LINUX}.readonlyPaths`,
      run: async (context) => {
        const parts = withLinux({ ReadonlyPaths: ["/dev/shm", "/proc/sys", "/not/there"] });
        const line = "touch /dev/shm/x 2>&1; (echo 1 > /proc/sys/vm/drop_caches) 2>&1; true";
        const text = await context.print(`(${line}) | grep -o 'Read-only'`, parts);
        equal(text, "Read-only\nRead-only\n", "the errors of two writes");
      },
    },
    {
      name: "CreateContainer: a read-only root can't be written",
      level: "must",
      source: "OCI runtime spec, root.readonly",
      run: async (context) => {
        const parts = { Root: { Path: context.rootfs, Readonly: true } };
        equal(await context.print("(echo x > /conf-file) 2>/dev/null || echo denied", parts), "denied\n", "the output");
      },
    },
    {
      name: "CreateContainer: a writable root keeps what the container writes",
      level: "must",
      source: "OCI runtime spec, root",
      run: async (context) => {
        const name = `/tmp/${context.fresh()}`;
        await context.print(`echo kept > ${name}`);
        equal(await context.print(`cat ${name}; rm ${name}`), "kept\n", "the file in the next container");
      },
    },
    {
      name: "CreateContainer: sysctls of the pod's namespaces apply",
      level: "must",
      source: `${LINUX}.sysctl; Kubernetes' safe sysctls`,
      run: async (context) => {
        const parts = withLinux({ Sysctl: { "kernel.shm_rmid_forced": "1" } });
        equal(await context.print("cat /proc/sys/kernel/shm_rmid_forced", parts), "1\n", "the value");
      },
    },
    {
      name: "CreateContainer: a sysctl of the whole guest is refused",
      level: "should",
      source: `${LINUX}.sysctl; the reference's white list`,
      run: (context) => refused(context.print("true", withLinux({ Sysctl: { "kernel.panic": "1234" } }))),
    },
    {
      name: "CreateContainer: /dev/shm is a tmpfs of the requested size",
      level: "must",
      source: MOUNTS,
      run: async (context) => {
        const text = await context.print("grep ' /dev/shm ' /proc/mounts");
        matches(text, /^shm \/dev\/shm tmpfs \S*nosuid,nodev,noexec\S*size=65536k/, "the mount");
      },
    },
    {
      name: "CreateContainer: recursive options reach the mounts below a bind",
      level: "may",
      source: "OCI runtime spec, rro; not in the reference",
      run: async (context) => {
        const bind = { destination: "/m", source: "/proc", type: "bind", options: ["rbind", "rro"] };
        matches(await context.print("grep ' /m ' /proc/self/mountinfo", withMounts(bind)), / \/m ro/, "the mount");
      },
    },
  ],
};
