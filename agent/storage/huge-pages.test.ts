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
])("%j gives a page size and a size", (options, pageSize, size) => {
  expect(hugePagesOf(options)).toEqual({ pageSize, size });
});

test.each([
  [["size=2M"], 'option pagesize="" is not a size in bytes'],
  [["pagesize=2M", "size=lots"], 'option size="lots" is not a size in bytes'],
  [["pagesize=2M", "size=3M"], "size 3145728 is not a multiple of the page size 2097152"],
  [["pagesize=0", "size=0"], "size 0 is not a multiple of the page size 0"],
])("%j is refused", (options, why) => {
  expect(() => hugePagesOf(options)).toThrow(`huge pages: ${why}`);
});

test("pages are reserved in addition to existing ones, and released", async () => {
  const pages = { pageSize: MIB2, size: 8 << 20 };
  await reserveHugePages(pages, directory);
  expect(count()).toBe("7");
  await releaseHugePages(pages, directory);
  expect(count()).toBe("3");
});

test("an unsupported page size is reported with the supported ones", async () => {
  const reserving = reserveHugePages({ pageSize: 2 ** 30, size: 2 ** 30 }, directory);
  await expect(reserving).rejects.toThrow(
    "huge pages: page size 1073741824 is not supported; supported: hugepages-2048kB",
  );
});
