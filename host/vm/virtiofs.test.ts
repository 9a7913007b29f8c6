import { describe, expect, test } from "vitest";
import { virtiofsdCommand } from "./virtiofs.ts";

const ours = { path: "/usr/lib/qemu/virtiofsd", kind: "qemu", translates: false } as const;
const rust = { path: "/usr/libexec/virtiofsd", kind: "rust", translates: true } as const;

describe("virtiofsdCommand", () => {
  test("passes -o options to QEMU's own, with escaped commas in the directory", () => {
    const argv = virtiofsdCommand(ours, "/srv/a,b", "/d/fs0.sock", "root");
    expect(argv.join(" ")).toBe(
      "/usr/lib/qemu/virtiofsd --socket-path=/d/fs0.sock " +
        "-o source=/srv/a\\,b -o cache=auto -o sandbox=chroot -o modcaps=-mknod -o log_level=err",
    );
  });

  test("passes flags to the one in Rust", () => {
    expect(virtiofsdCommand(rust, "/srv/a,b", "/d/fs0.sock", "root").slice(1)).toEqual([
      "--socket-path=/d/fs0.sock",
      "--shared-dir=/srv/a,b",
      "--cache=auto",
      "--sandbox=chroot",
      "--no-announce-submounts",
      "--modcaps=-mknod",
      "--log-level=error",
    ]);
  });

  test("both announce submounts for a share that requests it", () => {
    expect(virtiofsdCommand(ours, "/srv", "/d/s", "root", true).at(-1)).toBe("announce_submounts");
    expect(virtiofsdCommand(rust, "/srv", "/d/s", "root", true)).toContain("--announce-submounts");
  });

  test("for an ordinary user's guarded share, runs as root in a namespace and gives all files to root there", () => {
    const argv = virtiofsdCommand(rust, "/srv", "/d/s", "mapped-root");
    expect(argv).toContain("--sandbox=chroot");
    expect(argv).toContain("--translate-uid=squash-guest:0:0:4294967295");
  });

  test("for an ordinary user, runs in a user namespace, or without a sandbox where those are disabled", () => {
    expect(virtiofsdCommand(rust, "/srv", "/d/s", "user-namespace")).toContain("--sandbox=namespace");
    expect(virtiofsdCommand(rust, "/srv", "/d/s", "none")).toContain("--sandbox=none");
  });

  test.each(["user-namespace", "none"] as const)("gives all files to the ordinary user: %s", (rights) => {
    const [uid, gid] = [process.getuid?.(), process.getgid?.()];
    expect(virtiofsdCommand(rust, "/srv", "/d/s", rights).filter((flag) => flag.startsWith("--translate"))).toEqual([
      `--translate-uid=squash-guest:0:${uid}:4294967295`,
      `--translate-uid=host:${uid}:0:1`,
      `--translate-gid=squash-guest:0:${gid}:4294967295`,
      `--translate-gid=host:${gid}:0:1`,
    ]);
    expect(virtiofsdCommand({ ...rust, translates: false }, "/srv", "/d/s", rights).join()).not.toContain("translate");
  });

  test.each(["user-namespace", "none"] as const)("refuses QEMU's own without root: %s", (rights) => {
    expect(() => virtiofsdCommand(ours, "/srv", "/d/s", rights)).toThrow(
      /needs root; run "\.\/guestctl setup --virtiofsd"/,
    );
  });
});
