import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hugePagesOf, releaseHugePages, reserveHugePages } from "./huge-pages.ts";

let directory = "";
const count = () => readFileSync(join(directory, "hugepages-2048kB/nr_hugepages"), "utf8").trim();
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-huge-"));
  mkdirSync(join(directory, "hugepages-2048kB"));
  writeFileSync(join(directory, "hugepages-2048kB/nr_hugepages"), "3\n");
});
afterEach(() => rmSync(directory, { recursive: true }));

const MIB2 = 2 << 20;

test.each([
  [["pagesize=2M", "size=64M"], MIB2, 64 << 20],
  [["pagesize=2097152,size=4194304", "mode=0700"], MIB2, 4 << 20],
  [["pagesize=2Mi", "size=2MiB"], MIB2, MIB2],
  [["pagesize=1G", "size=1G"], 2 ** 30, 2 ** 30],
])("%j", (options, pageSize, size) => {
  expect(hugePagesOf(options)).toEqual({ pageSize, size });
});

test.each([
  [["size=2M"], 'option pagesize="" is no number of bytes'],
  [["pagesize=2M", "size=lots"], 'option size="lots" is no number of bytes'],
  [["pagesize=2M", "size=3M"], "3145728 bytes are no whole number of pages of 2097152"],
  [["pagesize=0", "size=0"], "0 bytes are no whole number of pages of 0"],
])("%j is refused", (options, why) => {
  expect(() => hugePagesOf(options)).toThrow(`huge pages: ${why}`);
});

test("pages are set aside besides those that are there, and given back", async () => {
  const pages = { pageSize: MIB2, size: 8 << 20 };
  await reserveHugePages(pages, directory);
  expect(count()).toBe("7");
  await releaseHugePages(pages, directory);
  expect(count()).toBe("3");
});

test("a size that the kernel hasn't is told with those that it has", async () => {
  const reserving = reserveHugePages({ pageSize: 2 ** 30, size: 2 ** 30 }, directory);
  await expect(reserving).rejects.toThrow("huge pages: no pages of 1073741824 bytes; there are: hugepages-2048kB");
});
