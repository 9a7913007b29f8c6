import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Child } from "./child.ts";
import { findQemu, findVhostDeviceVsock } from "./programs.ts";
import { startRemedy } from "./start-failures.ts";

const LONG = "x".repeat(150);

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "start-failures-"));
  writeFileSync(join(directory, "text"), "no kernel\n");
  writeFileSync(join(directory, "empty"), "");
  writeFileSync(join(directory, "disk"), "");
  truncateSync(join(directory, "disk"), 1 << 20);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Starts a program that ends by itself and returns its failure. */
async function failureOf(argv: readonly string[]): Promise<string> {
  const child = Child.start("program", argv, { place: join(directory, "program") });
  try {
    return (await child.failure()).message;
  } finally {
    await child.end(true);
  }
}

const qemu = (...more: readonly string[]) =>
  failureOf([findQemu(), ..."-nodefaults -no-user-config -display none -S -M q35".split(" "), ...more]);

const cases: readonly (readonly [string, () => Promise<string>, RegExp])[] = [
  [
    "a kernel that is none",
    () => qemu("-kernel", join(directory, "text")),
    /no Linux kernel \(bzImage\); choose another$/,
  ],
  ["an empty kernel", () => qemu("-kernel", join(directory, "empty")), /no Linux kernel \(bzImage\); choose another$/],
  ["a folder as kernel", () => qemu("-kernel", directory), /no Linux kernel \(bzImage\); choose another$/],
  ["a program as kernel", () => qemu("-kernel", "/bin/sh"), /no Linux kernel \(bzImage\); choose another$/],
  ["no firmware", () => qemu("-bios", "nosuch.bin"), /; QEMU's firmware files are missing; run \.\/guestctl setup$/],
  [
    "no kernel",
    () => qemu("-kernel", join(directory, "none")),
    /; check that it exists, and that this user may read it$/,
  ],
  ["no disk", () => qemu("-drive", `file=${directory}/none,if=virtio`), /; check that it exists/],
  ["more memory than there is", () => qemu("-m", "99999999M"), /; .*use a smaller --vm-memory$/],
  ["too many processors", () => qemu("-smp", "10000"), /; ask for fewer processors$/],
  ["an unknown device", () => qemu("-device", "nosuch"), /; .*guestd needs QEMU 7\.2 or later/],
  ["an unknown machine", () => qemu("-M", "nosuch"), /; .*guestd needs QEMU 7\.2 or later/],
  [
    "a long socket",
    () => qemu("-chardev", `socket,id=c,path=/tmp/${LONG},server=on,wait=off`),
    /; set TMPDIR to a short/,
  ],
  ["no device program", () => qemu("-chardev", `socket,id=c,path=${directory}/none`), /; its device program has ended/],
  ["a file instead of a program", () => failureOf([join(directory, "text")]), /; make it executable for this user/],
  ["no program", () => failureOf([join(directory, "none")]), /; run \.\/guestctl setup$/],
  [
    "a vsock device with a long socket",
    () => failureOf([findVhostDeviceVsock(), "--vm", `guest-cid=3,socket=${directory}/v,uds-path=/tmp/${LONG}`]),
    /; set TMPDIR to a short/,
  ],
];

test.each(cases)("has a remedy for %s", async (_name, fail, remedy) => {
  const message = await fail();
  expect(message).toMatch(remedy);
  expect(message).not.toContain("\n");
});

test("has a remedy for a disk that another QEMU has, and a port that another program has", async () => {
  const drive = ["-drive", `file=${directory}/disk,if=virtio,format=raw`];
  const options = "-nodefaults -no-user-config -display none -S -M q35 -qmp stdio".split(" ");
  const holding = { place: join(directory, "holder"), stdin: "pipe" } as const;
  const holder = Child.start("QEMU", [findQemu(), ...options, ...drive], holding);
  const server = createServer();
  try {
    holder.stdin?.write('{"execute":"qmp_capabilities"}\n');
    // Its greeting comes before it opens disks, the answer after that.
    await expect.poll(() => readFileSync(holder.record.output, "utf8"), { timeout: 50_000 }).toContain("return");
    expect(await qemu(...drive)).toMatch(/; stop what uses this disk; guestctl ps lists guests$/);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const rule = `tcp:127.0.0.1:${(server.address() as AddressInfo).port}-:80`;
    expect(await qemu("-netdev", `user,id=n,hostfwd=${rule}`)).toMatch(/; the port is in use on this machine/);
  } finally {
    server.close();
    await holder.end(true);
  }
});

test.each([
  [
    "./qemu: error while loading shared libraries: libpixman-1.so.0: cannot open shared object file",
    /install the package/,
  ],
  ["qemu: error reading initrd /x: Failed to open file: open() failed: Permission denied", /this user may read it/],
  ["source is not a directory", /share a folder/],
  ["can't read /proc/sys/fs/file-max", /mount -t proc proc \/proc/],
  ["Could not create '/var/run/virtiofsd/.tmp.u.sock.pid': Permission denied", /needs root/],
  ["monitor: spawn /work/build/native/monitor ENOENT", /run npm run build/],
  ["qemu-system-x86_64: allocate 1073741824 bytes for jit buffer: Cannot allocate memory", /--vm-memory/],
  ["qemu-system-x86_64: qemu_prealloc_mem: preallocating memory failed: Bad address", /free space in TMPDIR/],
  ["Could not access KVM kernel module: Permission denied", /GUESTD_ACCEL=tcg/],
])("has a remedy for %j", (messages, remedy) => {
  expect(startRemedy(messages)).toMatch(remedy);
});

test("has none for what it doesn't know", () => expect(startRemedy("something else")).toBeUndefined());
