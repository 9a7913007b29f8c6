import { describe, expect, test } from "vitest";
import { GUEST_SYSCTLS, lockKernelModules, setSysctls } from "./guest-sysctls.ts";

const failing = (code: string) => Object.assign(new Error(code), { code });

/** A fake /proc/sys with the given files. An entry that is an error is thrown. */
function tree(files: Readonly<Record<string, Error | undefined>> = {}) {
  const written = new Map<string, string>();
  return {
    written,
    exists: (path: string) => !(path in files),
    writeText(path: string, text: string) {
      if (files[path] !== undefined) throw files[path];
      written.set(path, text);
    },
  };
}

describe("the guest's sysctls", () => {
  test("are written to one file each", () => {
    const { written, ...files } = tree();
    expect(setSysctls(files, GUEST_SYSCTLS)).toEqual({ missing: [], refused: [] });
    expect(written.size).toBe(GUEST_SYSCTLS.length);
    expect(written.get("/proc/sys/kernel/kptr_restrict")).toBe("2");
  });

  test("are set even if the kernel lacks or refuses others, which are reported", () => {
    const { written, ...files } = tree({
      "/proc/sys/dev/tty/legacy_tiocsti": failing("ENOENT"),
      "/proc/sys/kernel/sysrq": failing("EPERM"),
    });
    expect(setSysctls(files, GUEST_SYSCTLS)).toEqual({
      missing: ["dev.tty.legacy_tiocsti"],
      refused: ["kernel.sysrq=0: EPERM"],
    });
    expect(written.size).toBe(GUEST_SYSCTLS.length - 2);
  });
});

describe("kernel modules", () => {
  const file = "/proc/sys/kernel/modules_disabled";

  test("are locked with one write", () => {
    const { written, ...files } = tree();
    lockKernelModules(files);
    expect([...written]).toEqual([[file, "1"]]);
  });

  test("need no lock on a kernel without them, and a refusal is an error", () => {
    const without = tree({ [file]: undefined });
    lockKernelModules(without);
    expect(without.written.size).toBe(0);
    const refusing = { ...tree({ [file]: failing("EPERM") }), exists: () => true };
    expect(() => lockKernelModules(refusing)).toThrow("EPERM");
  });
});
