import { expect, test } from "vitest";
import { attributeWords, namespaceWords, propagationWords, remountWords } from "./flag-words.ts";

test("names each flag of its table, and gives the others as a number", () => {
  const all = -1;
  expect(namespaceWords(all)).toBe("time mount cgroup uts ipc user pid net 0x81fdff7f");
  expect(attributeWords(all)).toBe(
    "ro nosuid nodev noexec noatime strictatime nodiratime idmap nosymfollow 0xffcfff40",
  );
  expect(propagationWords(all)).toBe("shared slave private unbindable recursively 0xffe1bfff");
  expect(remountWords(all)).toBe(
    "ro nosuid nodev noexec sync mand dirsync nosymfollow noatime nodiratime bind silent relatime iversion strictatime lazytime 0xfc5f6220",
  );
  expect(namespaceWords(0)).toBe("");
});
