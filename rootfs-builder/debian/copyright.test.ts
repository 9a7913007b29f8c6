import { expect, test } from "vitest";
import { licencesOf } from "./copyright.ts";

const FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n";

test("reports the licences of built files, with SPDX identifiers where they exist", () => {
  const text = `${FORMAT}
Files: *
Copyright: someone
License: GPL-2+
 This program is free software

Files:
 src/a.c
 debian/b
License: BSD-3-clause or GPL-2

Files: debian/*
License: ISC

Files: lib/*
License: Expat
`;
  expect(licencesOf(text)).toEqual([{ name: "BSD-3-clause or GPL-2" }, { id: "MIT" }, { id: "GPL-2.0-or-later" }]);
});

test("reports none for a copyright file without a machine-readable format", () => {
  expect(licencesOf("This is free software.\nLicense: GPL-2\n")).toEqual([]);
});
