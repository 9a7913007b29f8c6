import { describe, expect, test } from "vitest";
import { findPciDevice, parsePciPath } from "./pci-path.ts";

describe("a PCI path", () => {
  test.each([
    ["02", 0, ["2.0"]],
    ["02/1f.7", 0, ["2.0", "31.7"]],
    ["20/00", 0, undefined],
    ["20/01/00", 0x20, ["1.0", "0.0"]],
    ["1.1/2/3", 0, ["1.1", "2.0", "3.0"]],
  ])("%s is parsed", (text, rootBus, steps) => {
    if (steps === undefined) {
      expect(() => parsePciPath(text)).toThrow(`PCI path "${text}": slot 20 is over 1f`);
      return;
    }
    const path = parsePciPath(text);
    expect([path.rootBus, path.steps.map((step) => `${step.slot}.${step.function}`)]).toEqual([rootBus, steps]);
  });

  test.each([
    ...["", "/", "02/"].map((text) => [text, `"" isn't a slot such as 1f or 1f.7`]),
    ...["g", "02.8", "002", "x02", "02x"].map((text) => [text, `"${text}" isn't a slot such as 1f or 1f.7`]),
    ...["../02", "02/.."].map((text) => [text, `".." isn't a slot such as 1f or 1f.7`]),
    [`02${"/02".repeat(16)}`, "more than 16 steps"],
  ] as [string, string][])('"%s" is refused', (text, why) => {
    const message = `PCI path "${text.slice(0, 80)}": ${why}`;
    expect(() => parsePciPath(text)).toThrow(expect.objectContaining({ kind: "invalid-argument", message }));
  });

  test("of 16 steps is parsed", () => {
    expect(parsePciPath(`02${"/02".repeat(15)}`).steps).toHaveLength(16);
  });
});

describe("a device in sysfs", () => {
  const devices = "/sys/bus/pci/devices";
  const tree: Readonly<Record<string, readonly string[]>> = {
    [`${devices}/0000:00:02.0`]: [],
    [`${devices}/0000:00:02.0/pci_bus`]: ["0000:01"],
    [`${devices}/0000:01:03.0`]: [],
    [`${devices}/0000:20:01.0`]: [],
    [`${devices}/0000:20:01.0/pci_bus`]: ["0000:21"],
    [`${devices}/0000:21:00.0`]: [],
  };
  const files = {
    exists: (path: string) => Object.hasOwn(tree, path),
    list: (path: string) => {
      const names = tree[path];
      if (names === undefined) throw new Error("ENOENT");
      return [...names];
    },
  };

  test.each([
    ["02", "0000:00:02.0"],
    ["02/03", "0000:01:03.0"],
    ["20/01/00", "0000:21:00.0"],
    ["02/04", undefined],
    ["03/00", undefined],
    ["02/03/00", undefined],
  ])("at %s is found through the bus behind each bridge: %s", (path, name) => {
    const found = findPciDevice(files, parsePciPath(path));
    expect(found).toBe(name === undefined ? undefined : `${devices}/${name}`);
  });
});

test("the first of three steps is an expander's bus from 20 on, and a slot below", () => {
  expect(parsePciPath("20/01/00")).toMatchObject({ rootBus: 0x20, steps: [{ slot: 1 }, { slot: 0 }] });
  expect(parsePciPath("1f/01/00")).toMatchObject({ rootBus: 0, steps: [{ slot: 0x1f }, { slot: 1 }, { slot: 0 }] });
});
