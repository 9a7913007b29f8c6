import { describe, expect, test } from "vitest";
import { virtiofsdCommand } from "./virtiofs.ts";

const ours = { path: "/usr/lib/qemu/virtiofsd", kind: "qemu" } as const;
const rust = { path: "/usr/libexec/virtiofsd", kind: "rust" } as const;

describe("virtiofsdCommand", () => {
  test("QEMU's own takes -o options, and commas in the directory are escaped", () => {
    const { argv, wrapper } = virtiofsdCommand(ours, "/srv/a,b", "/d/fs0.sock", "root");
    expect(argv.join(" ")).toBe(
      "/usr/lib/qemu/virtiofsd --socket-path=/d/fs0.sock " +
        "-o source=/srv/a\\,b -o cache=auto -o sandbox=chroot -o log_level=err",
    );
    expect(wrapper).toEqual([]);
  });

  test("the one in Rust takes flags", () => {
    expect(virtiofsdCommand(rust, "/srv/a,b", "/d/fs0.sock", "root").argv.slice(1)).toEqual([
      "--socket-path=/d/fs0.sock",
      "--shared-dir=/srv/a,b",
      "--cache=auto",
      "--sandbox=chroot",
      "--log-level=error",
    ]);
  });

  test("an ordinary user's runs in a user namespace", () => {
    expect(virtiofsdCommand(rust, "/srv", "/d/s", "user-namespace").argv).toContain("--sandbox=namespace");
    expect(virtiofsdCommand(ours, "/srv", "/d/s", "user-namespace").wrapper.slice(0, 2)).toEqual(["unshare", "--user"]);
  });

  test("without user namespaces the one in Rust has no sandbox, and QEMU's says that it needs root", () => {
    expect(virtiofsdCommand(rust, "/srv", "/d/s", "none").argv).toContain("--sandbox=none");
    expect(() => virtiofsdCommand(ours, "/srv", "/d/s", "none")).toThrow(/needs root/);
  });

  test("QEMU's own cannot share what is below /run for an ordinary user", () => {
    expect(() => virtiofsdCommand(ours, "/run/user/1000/x", "/d/s", "user-namespace")).toThrow(/outside \/run/);
    expect(virtiofsdCommand(ours, "/runner", "/d/s", "user-namespace").argv).toContain("source=/runner");
  });
});
