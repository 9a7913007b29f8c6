import { expect, test } from "vitest";
import { parseAttributes, parseDirectory, settingsOf } from "./file-attributes.ts";

const FILE = "81a4 0 100 12 1000000000 1000000001";

test("parses a line of stat", () => {
  const attributes = { mode: 0o100644, uid: 0, gid: 100, size: 12, atime: 1_000_000_000, mtime: 1_000_000_001 };
  expect(parseAttributes(`${FILE}\n`)).toEqual(attributes);
});

test.each(["", "stat: no", "81a4 0 100 12 1", "81a4 -1 0 12 1 1", "8".repeat(99), `${"f".repeat(9)} 0 0 0 0 0`])(
  "refuses %j, which is no line of stat",
  (line) => expect(parseAttributes(line)).toBeUndefined(),
);

test("limits times to those that SFTP has", () => {
  expect(parseAttributes("81a4 0 0 0 -5 999999999999")).toMatchObject({ atime: 0, mtime: 0xffffffff });
});

test("parses names with spaces, line feeds and dashes", async () => {
  const text = `41ed 0 0 4096 1 1 ./.\n${FILE} ./-a b\n${FILE} ./two\nlines\n`;
  expect((await parseDirectory(text)).map(({ filename }) => filename)).toEqual([".", "-a b", "two\nlines"]);
  expect((await parseDirectory(`${FILE} ./a\n`))[0]?.longname).toBe("-rw-r--r-- ? 0 100 12 2001-09-09 01:46 a");
});

test("drops names that lead out of the directory, and text before the first name", async () => {
  const text = `hello\n${FILE} ./../../etc/passwd\n${FILE} .//etc\n${FILE} ./\n${FILE} ./good\n`;
  expect((await parseDirectory(text)).map(({ filename }) => filename)).toEqual(["good"]);
});

test.each([
  ["a name of line feeds", `${FILE} ./a${"\n".repeat(1 << 22)}`, /a name of over 255 bytes/],
  ["a long name", `${FILE} ./${"a".repeat(256)}\n`, /a name of over 255 bytes/],
  ["names without end", `${FILE} ./a\n`.repeat(60_000), /the directory has over 16384 names/],
])("refuses %s", async (_, text, message) => {
  await expect(parseDirectory(text)).rejects.toThrow(message);
});

test("takes the most and longest names that are allowed, and line feeds before the first, without blocking", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const name = `${FILE} ./${"\n".repeat(200)}${"a".repeat(55)}\n`;
  const entries = await parseDirectory(`${"\n".repeat(1 << 18)}${name.repeat(2000)}`);
  clearInterval(timer);
  expect(entries.map(({ filename }) => filename.length)).toEqual(Array(2000).fill(255));
  expect(turns).toBeGreaterThan(1);
});

test("returns the words that set attributes, with times in UTC", () => {
  expect(settingsOf({ mode: 0o100640, atime: 0, mtime: 1_000_000_001 })).toEqual([
    ...["", "", "640", "197001010000.00", "200109090146.41"],
  ]);
  expect(settingsOf({ size: 5, uid: 1, gid: 2 })).toEqual(["5", "1:2", "", "", ""]);
});
