/** SPDX identifiers that differ from the name in Debian's copyright files. */
const SPDX: Readonly<Record<string, string>> = {
  "apache-2.0": "Apache-2.0",
  artistic: "Artistic-1.0-Perl",
  "bsd-2-clause": "BSD-2-Clause",
  "bsd-3-clause": "BSD-3-Clause",
  "bsd-4-clause": "BSD-4-Clause",
  "cc0-1.0": "CC0-1.0",
  expat: "MIT",
  "gpl-1": "GPL-1.0-only",
  "gpl-1+": "GPL-1.0-or-later",
  "gpl-2": "GPL-2.0-only",
  "gpl-2.0": "GPL-2.0-only",
  "gpl-2+": "GPL-2.0-or-later",
  "gpl-2.0+": "GPL-2.0-or-later",
  "gpl-3": "GPL-3.0-only",
  "gpl-3+": "GPL-3.0-or-later",
  isc: "ISC",
  "lgpl-2": "LGPL-2.0-only",
  "lgpl-2+": "LGPL-2.0-or-later",
  "lgpl-2.0+": "LGPL-2.0-or-later",
  "lgpl-2.1": "LGPL-2.1-only",
  "lgpl-2.1+": "LGPL-2.1-or-later",
  "lgpl-3": "LGPL-3.0-only",
  "lgpl-3+": "LGPL-3.0-or-later",
  mit: "MIT",
  zlib: "Zlib",
};

/** An SPDX identifier, an SPDX expression of several, or the name in Debian's copyright file if SPDX has none. */
export type Licence = { readonly id: string } | { readonly expression: string } | { readonly name: string };

/**
 * Returns the licences of built files in a copyright file, each once, sorted; none if it isn't machine-readable (DEP
 * 5). Leaves out Debian's packaging (debian/*) and documentation.
 */
export function licencesOf(copyright: string): readonly Licence[] {
  if (!/^Format:[^\n]*copyright-format/m.test(copyright)) return [];
  const names = copyright.split(/\n\s*\n/).flatMap((paragraph) => {
    const files = /^Files:\s*([^\n]*(?:\n[ \t][^\n]*)*)/m.exec(paragraph)?.[1]?.split(/\s+/) ?? [];
    const licence = /^License:[ \t]*(\S[^\n]*)/m.exec(paragraph)?.[1]?.trim();
    const built = files.some((file) => !/^(debian|docs?|tests?)\//.test(file));
    return licence !== undefined && built ? [licence] : [];
  });
  return [...new Set(names)].sort().map((name) => {
    const id = SPDX[name.toLowerCase()];
    return id === undefined ? { name } : { id };
  });
}
