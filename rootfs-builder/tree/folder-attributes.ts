import { realpath } from "node:fs/promises";
import { relative } from "node:path";
import { run } from "../run.ts";

type Attributes = ReadonlyMap<string, Uint8Array>;

const OPTIONS = [
  "--absolute-names",
  "--physical",
  "--no-dereference",
  "--dump",
  "--match=^user\\.",
  "--encoding=base64",
];
/** Texts that getfattr prints before a file name and before a value. */
const FILE = "# file: ";
const VALUE = "=0s";

/**
 * Returns extended attributes of class `user` below a folder, by path; entries without any are left out. Links have
 * none.
 */
export async function folderAttributes(folder: string): Promise<ReadonlyMap<string, Attributes>> {
  const place = await realpath(folder);
  const all = parsed(await run("getfattr", [...OPTIONS, "--recursive", "--", place]));
  return new Map([...all].map(([path, attributes]) => [relative(place, path), attributes]));
}

/** Returns the attributes of one file. */
export async function fileAttributes(file: string): Promise<Attributes> {
  const [found] = parsed(await run("getfattr", [...OPTIONS, "--", await realpath(file)])).values();
  return found ?? new Map();
}

function parsed(output: Buffer): ReadonlyMap<string, Attributes> {
  const all = new Map<string, Map<string, Uint8Array>>();
  let last = new Map<string, Uint8Array>();
  for (const line of output.toString("latin1").split("\n")) {
    if (line.startsWith(FILE)) {
      last = new Map();
      all.set(plain(line.slice(FILE.length)), last);
    } else if (line !== "") {
      const at = line.lastIndexOf(VALUE);
      last.set(plain(line.slice(0, at)), Buffer.from(line.slice(at + VALUE.length), "base64"));
    }
  }
  return all;
}

/** Decodes line ends, backslashes and "=", which are in octal. */
function plain(text: string): string {
  const bytes = text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
  return Buffer.from(bytes, "latin1").toString();
}
