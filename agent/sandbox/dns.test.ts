import { expect, test } from "vitest";
import type { Kernel } from "../kernel/kernel.ts";
import { removeDns, setUpDns, updateDns } from "./dns.ts";

/** Files by path, mounts as lines. */
function machine(paths: string[], isMounted = false) {
  const written = new Map(paths.map((path) => [path, ""]));
  const calls: string[] = [];
  let mounted = isMounted;
  const files = {
    exists: (path: string) => written.has(path),
    makeDirectory: () => undefined,
    replace: (path: string, text: string) => void written.set(path, text),
    rewrite: (path: string, text: string) => void written.set(path, `${text}in place`),
    removeTree: (path: string) => void written.delete(path),
    readText: () => (mounted ? "x /etc/resolv.conf ext4 rw 0 0\n" : ""),
  };
  const sys = {
    mount: async (source: string, target: string) => {
      mounted = true;
      calls.push(`mount ${source} ${target}`);
    },
    umount: async (target: string) => {
      mounted = false;
      calls.push(`umount ${target}`);
    },
  };
  return { kernel: { files, sys } as unknown as Kernel, calls, written };
}

const SOURCE = "/run/kata-containers/sandbox/resolv.conf";

test("resolv.conf is bind-mounted over the guest's own, and removed again", async () => {
  const { kernel, calls, written } = machine(["/etc/resolv.conf"]);
  await setUpDns(kernel, ["nameserver 1.1.1.1", "search a"]);
  expect(written.get(SOURCE)).toBe("nameserver 1.1.1.1\nsearch a\n");
  await removeDns(kernel);
  expect(calls).toEqual([`mount ${SOURCE} /etc/resolv.conf`, "umount /etc/resolv.conf"]);
  expect(written.has(SOURCE)).toBe(false);
});

test("a guest without resolv.conf gets the file and no mount", async () => {
  const { kernel, calls, written } = machine([]);
  await setUpDns(kernel, ["nameserver 1.1.1.1"]);
  expect([calls, written.has(SOURCE)]).toEqual([[], true]);
});

test("a request without DNS lines changes nothing and keeps existing mounts", async () => {
  const { kernel, calls } = machine(["/etc/resolv.conf"]);
  await setUpDns(kernel, []);
  await removeDns(kernel);
  expect(calls).toEqual([]);
});

test("a mount that the guest already had on its resolv.conf stays", async () => {
  const { kernel, calls } = machine(["/etc/resolv.conf"], true);
  await removeDns(kernel);
  expect(calls).toEqual([]);
});

test("the remains of an interrupted creation are removed first", async () => {
  const { kernel, calls } = machine(["/etc/resolv.conf", SOURCE], true);
  await setUpDns(kernel, ["nameserver 1.1.1.1"]);
  expect(calls).toEqual(["umount /etc/resolv.conf", `mount ${SOURCE} /etc/resolv.conf`]);
});

test("new lines go into the same file, which containers may have mounted", async () => {
  const { kernel, calls, written } = machine(["/etc/resolv.conf", SOURCE], true);
  await updateDns(kernel, []);
  expect(written.get(SOURCE)).toBe("");
  await updateDns(kernel, ["nameserver 1.1.1.1"]);
  expect([calls, written.get(SOURCE)]).toEqual([[], "nameserver 1.1.1.1\nin place"]);
});

test("new lines for a guest that had none are set up as for a new sandbox", async () => {
  const { kernel, calls } = machine(["/etc/resolv.conf"]);
  await updateDns(kernel, ["nameserver 1.1.1.1"]);
  expect(calls).toEqual([`mount ${SOURCE} /etc/resolv.conf`]);
});
