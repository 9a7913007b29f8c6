import { expect, test } from "vitest";
import { removeStaleShareMounts } from "./stale-mounts.ts";

const ROOT = "/run/kata-containers/shared/containers";
const MOUNTS = `kataShared ${ROOT} virtiofs rw 0 0\nkataShared ${ROOT}/a virtiofs rw 0 0\nx ${ROOT}/b\\040c tmpfs rw 0 0\nx /run tmpfs rw 0 0\n`;
const files = { readText: () => MOUNTS, mounts: () => MOUNTS };

test("every mount below the share is looked at, even if some fail", async () => {
  const seen: string[] = [];
  await removeStaleShareMounts(files, new AbortController().signal, async (path) => {
    seen.push(path);
    throw new Error("ESTALE");
  });
  expect(seen).toEqual([`${ROOT}/a`, `${ROOT}/b c`]);
});

test("no mount is looked at after the call ends", async () => {
  await removeStaleShareMounts(files, AbortSignal.abort(), () => expect.unreachable());
});
