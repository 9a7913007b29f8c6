import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listFolder } from "./list-folder.ts";

test("does not list what is behind a link to a folder", async () => {
  const directory = mkdtempSync(join(tmpdir(), "guestd-list-"));
  for (const name of ["outside", "folder", "folder/below"]) mkdirSync(join(directory, name));
  for (const name of ["outside/secret", "folder/b", "folder/below/a"]) writeFileSync(join(directory, name), "");
  symlinkSync("../outside", join(directory, "folder/link"));
  symlinkSync("/etc", join(directory, "folder/below/etc"));
  expect(await listFolder(join(directory, "folder"))).toEqual(["b", "below", "below/a", "below/etc", "link"]);
  rmSync(directory, { recursive: true });
});
