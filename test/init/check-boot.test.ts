import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { hosts } from "../hosts/hosts.ts";
import { kernelCommandLines } from "../hosts/kernel-command-lines.ts";
import { compileC, SANITIZED } from "../testing/compile-c.ts";

const repository = join(import.meta.dirname, "../..");
const program = join(repository, "build/test/check-boot");

beforeAll(() => {
  const init = join(repository, "agent/native/init");
  const sources = [
    join(import.meta.dirname, "check-boot.c"),
    ...["boot.c", "map.c", "util.c"].map((name) => join(init, name)),
  ];
  compileC(sources, program, SANITIZED);
});

test.each([
  ["", "- - - ro"],
  ["console=ttyS0 quiet\n", "- - - ro"],
  ["root=/dev/pmem0p1 rootfstype=erofs rootflags=dax=always ro\n", "/dev/pmem0p1 erofs dax=always ro"],
  ["  root=/dev/vda   rw", "/dev/vda - - rw"],
  ["root=/dev/vda root=/dev/vdb ro rw ro", "/dev/vdb - - ro"],
  ["xroot=/dev/vda rootx=1 rwx row", "- - - ro"],
  ["root= rootfstype=", "  - ro"],
  ["quiet -- root=/dev/vda rw", "- - - ro"],
  [
    'dm-mod.create="root,,,ro,0 8 verity 1 /dev/vda1 root=/dev/x rw" root=/dev/dm-0',
    "/dev/dm-0 - - ro root|0+8|verity|1 /dev/vda1 root=/dev/x rw|ro",
  ],
  ['root=/dev/dm-0 dm-mod.create="a,,,rw,8 16 linear /dev/vda 0', "/dev/dm-0 - - ro a|8+16|linear|/dev/vda 0|rw"],
  ["dm-mod.create=", "- - - ro refused"],
  ['dm-mod.create="', "- - - ro refused"],
  ['dm-mod.create="a,,,ro,"', "- - - ro refused"],
  ['dm-mod.create="a,,,ro,0 8 verity"', "- - - ro refused"],
  ['dm-mod.create="a,,,ro,0 -8 verity 1"', "- - - ro refused"],
  ['dm-mod.create="a,,,ro,0 99999999999999999999 verity 1"', "- - - ro refused"],
  ['dm-mod.create="a,,,ro,0 0 verity 1"', "- - - ro refused"],
  ['dm-mod.create="a,,,rx,0 8 verity 1"', "- - - ro refused"],
  ['dm-mod.create="a,,0,ro,0 8 verity 1"', "- - - ro refused"],
  ['dm-mod.create="a,,,ro,0 8 verity 1;b,,,ro,0 8 verity 1"', "- - - ro refused"],
  ['dm-mod.create="a,,,ro,0 8 verity 1,8 8 verity 1"', "- - - ro refused"],
  [`dm-mod.create="${"a".repeat(128)},,,ro,0 8 verity 1"`, "- - - ro refused"],
  [`dm-mod.create="a,,,ro,0 8 ${"v".repeat(16)} 1"`, "- - - ro refused"],
  [`dm-mod.create="a,,,ro,0 8 verity ${"1".repeat(2048)}"`, "- - - ro refused"],
  [`agent.log=${"x".repeat(4000)} root=/dev/vda`, "/dev/vda - - ro"],
])("from the command line %j init reads the options %j", (line, options) => {
  expect(execFileSync(program, [line]).toString().trimEnd()).toBe(options);
});

test.each(hosts.map(([host]) => host))("from the command lines of %s init reads only the root", (host) => {
  const taken = (["pmem", "disk", "initrd"] as const).map((root) =>
    execFileSync(program, [kernelCommandLines[host](root).join(" ")])
      .toString()
      .trimEnd(),
  );
  expect(taken).toEqual(["/dev/pmem0p1 erofs dax ro", "/dev/vda1 erofs ro ro", "- - - ro"]);
});
